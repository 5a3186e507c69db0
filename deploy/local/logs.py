"""Log files of the stack's processes: appended to by them, cut by us."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MAX_BYTES = 10_000_000
KEPT = 3


def log_path(folder: Path, name: str) -> Path:
    """The current log of a process."""
    return folder / f"{name}.log"


def open_for_append(path: Path) -> int:
    """A descriptor for a child's output. Appending is what makes truncation safe while the child writes."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def rotate(path: Path, max_bytes: int = MAX_BYTES) -> bool:
    """Move the content of a log that is too long to `.1` (`.1` to `.2` …); says whether it did."""
    if not path.exists() or path.stat().st_size <= max_bytes:
        return False
    for number in range(KEPT - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.rename(path.with_name(f"{path.name}.{number + 1}"))
    first = path.with_name(f"{path.name}.1")
    shutil.copyfile(path, first)
    first.chmod(0o600)
    os.truncate(path, 0)
    return True


def last_line(path: Path) -> str:
    """The last line that says something; for a one-line explanation of a failed start."""
    if not path.exists():
        return "its log is empty"
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 8192))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "its log is empty"
