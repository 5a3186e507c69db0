"""Attributes that say the same in all rows of a series, from the file of the points or from one of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from apps.datasets.reading.contracts import refuse, shorten
from apps.datasets.reading.tabular import Chunk


class Statics:
    """Collects one value of each attribute for each series; raises ``Unreadable`` where a series has two."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._found: list[pl.DataFrame] = []

    def read(self, chunk: Chunk, codes: NDArray[np.int32]) -> None:
        """Note the piece's attributes."""
        if not self.names:
            return
        frame = chunk.frame.select(self.names).with_columns(
            pl.Series("__code", codes), chunk.rows.alias("__row")
        )
        self._found.append(frame.unique(["__code", *self.names], keep="first", maintain_order=True))

    def finish(self, series: pl.Series) -> pl.DataFrame | None:
        """unique_id and each attribute (Float64 where all are numbers, else String); None where there are none."""
        if not self.names:
            return None
        whole = pl.concat(self._found).unique(["__code", *self.names], keep="first", maintain_order=True)
        for name in self.names:
            self._refuse_changing(whole, name, series)
        once = whole.unique("__code", keep="first", maintain_order=True).sort("__code")
        ids = series.gather(once["__code"]).alias("unique_id")
        return pl.DataFrame([ids, *(attribute(once[name]) for name in self.names)]).sort("unique_id")

    def _refuse_changing(self, whole: pl.DataFrame, name: str, series: pl.Series) -> None:
        values = whole.unique(["__code", name], keep="first", maintain_order=True)
        twice = values.filter(pl.col("__code").is_duplicated())
        if twice.height:
            first = twice.filter(pl.col("__code") == twice["__code"][0])
            row, other = int(first["__row"][0]), int(first["__row"][1])
            raise refuse(
                "static_changes",
                f"Column “{shorten(name)}” is said to be constant in each series, but series "
                f"“{shorten(series[int(twice['__code'][0])])}” has “{shorten(str(first[name][0]))}” in row {row} and "
                f"“{shorten(str(first[name][1]))}” in row {other}.",
                "Choose it as a covariate, or correct the rows.",
                rows=(row, other),
                column=name,
                count=twice["__code"].n_unique(),
            )


def attribute(cells: pl.Series) -> pl.Series:
    """The column as numbers where every filled cell is one, else as text; empty is None."""
    if cells.dtype.is_numeric() or cells.dtype == pl.Boolean:
        return cells.cast(pl.Float64)
    texts = cells.cast(pl.String).str.strip_chars()
    filled = (
        texts.to_frame("t").select(pl.when(pl.col("t") != "").then(pl.col("t")).alias(cells.name)).to_series()
    )
    numbers = filled.cast(pl.Float64, strict=False)
    return numbers if numbers.null_count() == filled.null_count() else filled


def read_statics(source: Path, filename: str, target: Path) -> dict[str, Any]:
    """A file of attributes, one row for each series, written to ``target``: its ``columns`` and ``series``.

    The first column whose name or content names the series is taken for it; raises ``Unreadable``.
    """
    from apps.datasets.reading import formats, guess
    from apps.datasets.reading.build import as_text

    opened = formats.open_source(source, filename, {})
    frames = [chunk.frame.with_columns(chunk.rows.alias("__row")) for chunk in opened.chunks()]
    frame = pl.concat(frames, how="vertical_relaxed")
    named = guess.series_column(frame.drop("__row"))
    ids = as_text(frame[named]).alias("unique_id")
    double = frame["__row"].filter(ids.is_duplicated())
    if double.len():
        row = int(double[1])
        raise refuse(
            "series_twice",
            f"Row {row}: series “{shorten(ids.filter(ids.is_duplicated())[1])}” has a second row of attributes.",
            "Keep one row for each series.",
            rows=(int(double[0]), row),
            column=named,
            count=double.len(),
        )
    others = [name for name in frame.columns if name not in (named, "__row")]
    made = pl.DataFrame([ids, *(attribute(frame[name]) for name in others)]).sort("unique_id")
    made.write_parquet(target, compression="zstd", statistics=True)
    return {"columns": others, "series": made.height, "named_by": named}
