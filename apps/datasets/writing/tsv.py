"""TSV: as CSV, with tabs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import polars as pl

from apps.datasets.writing.contracts import Shape
from apps.datasets.writing.csv import write_separated


def write(frames: Iterator[pl.DataFrame], out: BinaryIO, shape: Shape) -> None:
    """Write ``frames`` one by one."""
    write_separated(frames, out, shape, separator="\t")
