"""NDJSON: one object a line; a missing value is null."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import polars as pl

from apps.datasets.writing.contracts import Shape
from apps.datasets.writing.texts import with_spoken_times


def write(frames: Iterator[pl.DataFrame], out: BinaryIO, shape: Shape) -> None:
    """Write ``frames`` one by one."""
    for frame in frames:
        with_spoken_times(frame, shape, between="T").write_ndjson(out)
