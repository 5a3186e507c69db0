"""Parquet: a row group a frame, zstd; ``ds`` as a timestamp without zone, ``known_at`` in UTC."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import polars as pl

from apps.datasets.writing.contracts import Shape


def write(frames: Iterator[pl.DataFrame], out: BinaryIO, shape: Shape) -> None:
    """Write ``frames`` one by one."""
    import pyarrow.parquet as pq

    writer = None
    for frame in frames:
        moments = [pl.col(name).dt.replace_time_zone("UTC") for name in shape.utc]
        table = frame.with_columns(moments).to_arrow(compat_level=pl.CompatLevel.oldest())
        writer = writer or pq.ParquetWriter(out, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()
