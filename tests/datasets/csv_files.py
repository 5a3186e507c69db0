"""CSV text for the tests of the reading."""

from __future__ import annotations

import datetime
import tempfile
from pathlib import Path

from apps.datasets.reading.contracts import ColumnMapping, Reading
from apps.datasets.reading.read import NOWHERE, Targets, read_file

HEADER = "unique_id,ds,y"


def days(count: int, start: str = "2024-01-01") -> list[datetime.date]:
    """``count`` days from ``start``."""
    first = datetime.date.fromisoformat(start)
    return [first + datetime.timedelta(days=offset) for offset in range(count)]


def daily(series: str = "ab", count: int = 20, header: str = HEADER) -> str:
    """One row for each series and day; the value of day n (from 1) is n and a half."""
    lines = [f"{name},{day},{number}.5" for name in series for number, day in enumerate(days(count), start=1)]
    return "\n".join([header, *lines]) + "\n"


def read(
    raw: bytes,
    mapping: ColumnMapping | None = None,
    *,
    filename: str = "data.csv",
    targets: Targets = NOWHERE,
) -> Reading:
    """What the reader says of a file with these bytes, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(raw)
        return read_file(path, filename, mapping, targets)
