"""The kept forecasts of a run's backtest: written as Parquet, and summed up by series, step, window and segment.

``write`` runs on workers, ``answer`` in the sandbox's child; the page and the API show what these gave.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from apps.datasets.writing.texts import without_formulas
from apps.engine.contracts import SERVED
from apps.engine.forecasters import NAIVE

if TYPE_CHECKING:
    from apps.engine.contracts import Backtest

WORST: Final = 20
MOST_SEGMENTS: Final = 50
STATIC: Final = "static."
KEYS: Final = ("series_id", "is_total", "window", "step", "ds", "cutoff", "y", "scale")
DRAWN: Final = ("series_id", "ds", "y", SERVED, NAIVE)


def write(kept: Backtest, target: Path, costs: tuple[float, float] | None) -> dict[str, Any]:
    """Write the table to ``target``; what it says by step, window and segment, and the worst series."""
    frame = table(kept)
    frame.write_parquet(target, compression="zstd", statistics=True)
    return breakdown(frame, costs)


def table(kept: Backtest) -> pl.DataFrame:
    """One row a window, series and step: KEYS, the series' attributes (``static.…``) and a column for each candidate."""
    ids = pl.Series("series_id", kept.series_ids, dtype=pl.String)
    whole = {
        "series_id": ids.gather(kept.series),
        "is_total": pl.Series(kept.is_total).gather(kept.series),
        "window": pl.Series(kept.window, dtype=pl.Int16),
        "step": pl.Series(kept.step, dtype=pl.Int32),
        "ds": _moments(kept.ds),
        "cutoff": _moments(kept.cutoff),
        "y": pl.Series(kept.y),
        "scale": pl.Series(kept.scale),
    }
    for name, values in kept.static.items():
        texts = pl.Series([None if value is None else str(value) for value in values], dtype=pl.String)
        whole[f"{STATIC}{name}"] = texts.gather(kept.series)
    forecasts = {name: pl.Series(values).fill_nan(None) for name, values in kept.forecasts.items()}
    return pl.DataFrame({**whole, **forecasts})


def _moments(times: np.ndarray) -> pl.Series:
    """Whole numbers as they are, times as polars keeps them."""
    return pl.Series(times if times.dtype.kind != "M" else times.astype("datetime64[us]"))


def breakdown(frame: pl.DataFrame, costs: tuple[float, float] | None) -> dict[str, Any]:
    """The errors of what serves and of the naive, and what they cost, by each way of looking at them."""
    parts = {
        "all": summed(frame, [], costs),
        "horizon": summed(frame, ["step"], costs).sort("step"),
        "window": summed(frame, ["window", "cutoff"], costs, first="window"),
        "series": summed(frame, ["series_id"], costs).sort("mase", descending=True).head(WORST),
    }
    found: dict[str, Any] = {name: rows(part) for name, part in parts.items()}
    found["segment"] = [
        {"attribute": name.removeprefix(STATIC), "value": row.pop(name), **row}
        for name in frame.columns
        if name.startswith(STATIC)
        for row in rows(summed(frame, [name], costs).sort(name, nulls_last=True).head(MOST_SEGMENTS))
    ]
    worst = [row["series_id"] for row in found["series"][:3]]
    found["drawn"] = rows(drawn(frame, worst))
    return found


def summed(
    frame: pl.DataFrame, by: list[str], costs: tuple[float, float] | None, *, first: str = ""
) -> pl.DataFrame:
    """For each group: ``points``, ``series``, ``mase`` (mean of the scaled errors), ``wape``, ``bias`` (mean of forecast minus
    actual over the mean actual), the naive's ``naive_mase``, and with ``costs`` what both would have ``cost``."""
    error, naive = pl.col(SERVED) - pl.col("y"), pl.col(NAIVE) - pl.col("y")
    size = pl.col("y").abs().sum()
    sums = [
        pl.len().alias("points"),
        pl.col("series_id").n_unique().alias("series"),
        (error.abs() / pl.col("scale")).mean().alias("mase"),
        (naive.abs() / pl.col("scale")).mean().alias("naive_mase"),
        pl.when(size > 0).then(error.abs().sum() / size).alias("wape"),
        pl.when(size > 0).then(error.sum() / size).alias("bias"),
    ]
    if costs is not None:
        sums += [_cost(error, costs).alias("cost"), _cost(naive, costs).alias("naive_cost")]
        sums.append((_cost(naive, costs) - _cost(error, costs)).alias("saved"))
    if first:  # cutoffs differ between series of one window; the latest names it
        latest = pl.col("cutoff").max().alias("cutoff")
        return frame.group_by(first).agg(latest, *sums).sort(first)
    return frame.group_by(by).agg(sums) if by else frame.select(sums)


def drawn(frame: pl.DataFrame, series: list[str]) -> pl.DataFrame:
    """The newest window of these series, as the page draws it."""
    wanted = frame.filter(pl.col("series_id").is_in(series) & (pl.col("window") == 1))
    return wanted.select(DRAWN).sort("series_id", "ds")


def rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Plain values for JSON; numbers that are none are None."""
    columns = [
        pl.col(name).fill_nan(None) if kind.is_float() else pl.col(name).dt.to_string("%Y-%m-%dT%H:%M:%S")
        for name, kind in frame.schema.items()
        if kind.is_float() or kind.is_temporal()
    ]
    return frame.with_columns(columns).to_dicts()


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """What the sandbox's child does with a stored table: a page of the series (``by_series``), or the whole as another
    format, written to ``target``."""
    frame = pl.read_parquet(request["path"])
    if request["do"] == "by_series":
        costs = tuple(request["costs"]) if request["costs"] else None
        whole = summed(frame, ["series_id"], costs).sort(
            ["mase", "series_id"], descending=[True, False], nulls_last=True
        )
        return {"rows": rows(whole.slice(request["offset"], request["limit"])), "total": whole.height}
    moments = [name for name, kind in frame.schema.items() if kind.is_temporal()]
    frame = frame.with_columns(pl.col(name).dt.to_string("%Y-%m-%dT%H:%M:%S") for name in moments)
    if request["do"] == "csv":
        without_formulas(frame).write_csv(request["target"])
    else:
        frame.write_ndjson(request["target"])
    return {}


def _cost(error: pl.Expr, costs: tuple[float, float]) -> pl.Expr:
    over, under = costs
    cost = pl.when(error > 0).then(over * error).otherwise(-under * error)
    return cost.filter(~pl.col("is_total")).sum()  # what a total misses, its parts have paid for
