"""What a file is once it is opened: named columns, and rows in pieces."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import polars as pl

CHUNK_ROWS = 500_000


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows. Of text formats all columns are String and empty cells ``""``; typed formats give numbers, booleans, dates
    and times as such, strings, and null for empty. ``rows``: each row's number in the file, as its own program shows it."""

    frame: pl.DataFrame
    rows: pl.Series


class Tabular(Protocol):
    """An opened file. ``columns`` are unique names; ``said`` are sentences on how the file was understood; ``first_row`` is
    where the names stand."""

    columns: tuple[str, ...]
    said: tuple[str, ...]
    first_row: int

    def chunks(self) -> Iterator[Chunk]:
        """All rows, in pieces; each call begins anew. Raises ``Unreadable`` with the row where one is at fault."""
        ...


class Unpacked:
    """A temporary file without a name, so that nothing is left of it when its process is killed. ``path`` opens it anew."""

    def __init__(self) -> None:
        made = tempfile.NamedTemporaryFile(prefix="almanac-", delete=False)  # noqa: SIM115 - lives as long as this
        os.unlink(made.name)
        self.file: IO[bytes] = made
        self.path = Path(f"/dev/fd/{made.fileno()}")
