"""CSV: UTF-8, commas, numbers that read back to the same bits, no cell that a spreadsheet would compute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import polars as pl

from apps.datasets.writing.contracts import Shape
from apps.datasets.writing.texts import with_spoken_times, without_formulas


def write(frames: Iterator[pl.DataFrame], out: BinaryIO, shape: Shape) -> None:
    """Write ``frames`` one by one."""
    write_separated(frames, out, shape, separator=",")


def write_separated(frames: Iterator[pl.DataFrame], out: BinaryIO, shape: Shape, *, separator: str) -> None:
    """Text in columns that ``separator`` keeps apart; the header stands there also when no row follows."""
    for position, frame in enumerate(frames):
        # Escaped before times become text: these are no strangers' words, and a year before Christ has its minus.
        text = with_spoken_times(without_formulas(frame), shape, between=" ")
        text.write_csv(out, separator=separator, include_header=position == 0)
