"""Files of lines that are only ever appended to: a line is there whole, on the disk, or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

PATTERN: Final = "anchors-*.ndjson"
_BLOCK: Final = 65_536


@contextlib.contextmanager
def only_one_writer(folder: Path) -> Iterator[None]:
    """Others wait, also other processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def list_lines(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Each whole line, oldest first, with where it stands; what a power cut left of a last one is no line."""
    for path in sorted(folder.glob(PATTERN)):
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.endswith(b"\n"):
                    yield f"{path.name}, line {number}", line[:-1]


def find_last_line(folder: Path) -> tuple[str, bytes] | None:
    """The newest line and its file's name, read from the end."""
    for path in sorted(folder.glob(PATTERN), reverse=True):
        with path.open("rb") as file:
            end = _end_of_whole_lines(file, file.seek(0, os.SEEK_END))
            if end:
                begin = _end_of_whole_lines(file, end - 1)
                file.seek(begin)
                return path.name, file.read(end - 1 - begin)
    return None


def append_line(path: Path, line: bytes) -> None:
    """Put ``line`` at the end and on the disk; what a power cut left of one before it is cut off."""
    with path.open("a+b") as file:
        file.truncate(_end_of_whole_lines(file, file.seek(0, os.SEEK_END)))
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _end_of_whole_lines(file: IO[bytes], before: int) -> int:
    """The place after the last line end in the file's first ``before`` bytes; 0 where there is none."""
    while before:
        begin = max(0, before - _BLOCK)
        file.seek(begin)
        found = file.read(before - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        before = begin
    return 0
