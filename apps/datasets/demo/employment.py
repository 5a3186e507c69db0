"""Monthly employment in the United States by sector, from the ``vega_datasets`` package (no network).

Source: U.S. Bureau of Labor Statistics, Current Employment Statistics, thousands of persons, January 2006 to
December 2015.
"""

from __future__ import annotations

import polars as pl

SPELLINGS = {"trade_transportation_utilties": "trade_transportation_utilities"}


def build() -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The long table unique_id, ds, y (23 series of 120 months), and its covariates (none)."""
    wide = _read().rename(SPELLINGS)
    names = [name for name in wide.columns if name != "month"]
    long = wide.unpivot(on=names, index="month", variable_name="unique_id", value_name="y")
    columns = long.select(
        pl.col("unique_id"),
        pl.col("month").str.to_datetime("%Y-%m-%d", time_unit="us").alias("ds"),
        pl.col("y").cast(pl.Float64),
    )
    return columns.sort("unique_id", "ds"), ()


def _read() -> pl.DataFrame:
    from importlib.resources import files

    raw = files("vega_datasets").joinpath("_data", "us-employment.csv").read_bytes()
    return pl.read_csv(raw, infer_schema_length=None)
