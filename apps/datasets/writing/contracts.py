"""What writers and their callers share; importing it loads no heavy library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

LAYOUTS = ("long", "wide")


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file: ``module`` holds its ``write(frames, path, shape)``; ``gzips``: whether gzip makes it smaller."""

    name: str
    label: str
    suffix: str
    content_type: str
    module: str
    gzips: bool

    def file_suffix(self, *, gzipped: bool = False) -> str:
        """The end of the file's name, such as ``.csv.gz``."""
        return f"{self.suffix}.gz" if gzipped else self.suffix


@dataclass(frozen=True, slots=True)
class Shape:
    """What a writer has to know before the first row.

    ``columns`` in their order; ``rows`` in all. ``clocks``: how fine the times of a column are: ``date`` (all at
    midnight), ``second`` or ``microsecond``; columns that hold no times are not in it. ``utc``: those whose times are
    moments in UTC, not readings of a clock on some wall.
    """

    columns: tuple[str, ...]
    rows: int
    clocks: dict[str, str]
    utc: frozenset[str]


class Unwritable(Exception):
    """The table cannot be written so: ``message`` says why, ``fix`` what to do instead."""

    def __init__(self, code: str, message: str, fix: str) -> None:
        super().__init__(f"{message} {fix}")
        self.code = code
        self.message = message
        self.fix = fix


class TooManyRows(Unwritable):
    """The format cannot hold so many rows."""


def suffix_of(path: str) -> str:
    """The ending of a written file's name, such as ``.csv`` or ``.csv.gz``."""
    endings = PurePosixPath(path).suffixes
    return "".join(endings[-2:] if endings[-1:] == [".gz"] else endings[-1:])
