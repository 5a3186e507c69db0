"""JSON: one array of objects, an object a line; a missing value is null."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

import polars as pl

from apps.datasets.writing.contracts import Shape
from apps.datasets.writing.texts import with_spoken_times


def write(frames: Iterator[pl.DataFrame], out: BinaryIO, shape: Shape) -> None:
    """Write ``frames`` one by one, so that a large array is never whole in memory."""
    before = b"[\n"
    for frame in frames:
        if frame.height == 0:
            continue
        lines = io.BytesIO()
        with_spoken_times(frame, shape, between="T").write_ndjson(lines)
        # A line break inside a text is escaped, so each that stands there ends an object.
        out.write(before + lines.getvalue().rstrip(b"\n").replace(b"\n", b",\n"))
        before = b",\n"
    out.write(b"[]\n" if before == b"[\n" else b"\n]\n")
