"""Times as text, and text that no spreadsheet takes for a formula."""

from __future__ import annotations

import polars as pl

from apps.datasets.writing.contracts import Shape

_CLOCKS = {"date": "", "second": "%H:%M:%S", "microsecond": "%H:%M:%S%.6f"}
# What a spreadsheet would compute, also behind the apostrophes that this rule itself puts there: so no two texts
# become one.
_FORMULA = r"^('*[=+\-@\t\r])"


def with_spoken_times(frame: pl.DataFrame, shape: Shape, *, between: str) -> pl.DataFrame:
    """Times as ISO 8601 text, ``between`` date and clock; moments in UTC end in Z."""
    spoken = [
        pl.col(name).dt.strftime(_pattern(name, shape, between))
        for name in shape.clocks
        if name in frame.columns
    ]
    return frame.with_columns(spoken)


def _pattern(name: str, shape: Shape, between: str) -> str:
    clock = shape.clocks[name]
    if name in shape.utc:
        clock = "second" if clock == "date" else clock
    hours = _CLOCKS[clock]
    return f"%Y-%m-%d{between}{hours}{'Z' if name in shape.utc else ''}" if hours else "%Y-%m-%d"


def without_formulas(frame: pl.DataFrame) -> pl.DataFrame:
    """Text and names that begin with ``= + - @``, tab or carriage return get an apostrophe in front."""
    safe = frame.with_columns(pl.selectors.string().str.replace(_FORMULA, "'${1}"))
    names = pl.Series(frame.columns, dtype=pl.String).str.replace(_FORMULA, "'${1}")
    return safe.rename(dict(zip(frame.columns, names.to_list(), strict=True)))
