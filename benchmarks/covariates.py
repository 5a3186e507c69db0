"""What are covariates worth: the errors of the automatic forecast with them, without them, and of AutoETS?

    python benchmarks/covariates.py --data DIR [--effort fast] [--series 110] [--cutoffs 4] [--only orange_juice]

DIR holds `retail/orange_juice_weekly.parquet` (units sold by store and brand, with price, competitors' price, deal, advert
and holidays; store and brand are attributes) and `electricity/vic_elec_30min.parquet` (demand with temperature and
holidays, summed up to hours here). Covariates are taken as known over the horizon, and are in the data's future. The error
is WAPE, the sum of absolute errors beside the sum of the values; weeks without a row in the data are not counted. The
standard errors of differences are from a paired bootstrap over the series, or over the days of the one that there is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import running_stack

from apps.engine import Spec, forecast, from_columns

DRAWS = 2000
WITH, WITHOUT, AUTO_ETS = "with covariates", "without", "AutoETS"
Floats = np.ndarray


@dataclass(frozen=True)
class Data:
    """A long table in time's order, what its columns are, and how far ahead to look. `at` are the cutoffs, the last times
    that a forecast knows; `unit` is the column whose values the bootstrap draws ("" for each cutoff)."""

    table: pd.DataFrame
    known: tuple[str, ...]
    static: tuple[str, ...]
    frequency: str
    season: int | list[int]
    horizon: int
    at: list[pd.Timestamp]
    unit: str


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--effort", choices=("fast", "balanced", "best"), default="fast")
    parser.add_argument("--series", type=int, default=110, help="series of orange juice, evenly drawn")
    parser.add_argument(
        "--cutoffs", type=int, default=4, help="of orange juice; three times as many of electricity"
    )
    parser.add_argument("--only", choices=READERS)
    options = parser.parse_args()
    results: dict[str, Any] = {}
    for name in [options.only] if options.only else READERS:
        results[name] = measure(READERS[name](options), options.effort)
        print(name, *lines(results[name]), sep="\n  ", flush=True)
    running_stack.write("covariates", {"conditions": running_stack.conditions(), **results})


def orange_juice(options: argparse.Namespace) -> Data:
    table = pd.read_parquet(options.data / "retail" / "orange_juice_weekly.parquet")
    ids = np.unique(table.unique_id)
    chosen = ids[np.linspace(0, len(ids) - 1, min(options.series, len(ids))).astype(int)]
    table = table[table.unique_id.isin(chosen)]
    horizon, last = 8, table.ds.max()
    at = [last - pd.Timedelta(weeks=horizon * (1 + i)) for i in range(options.cutoffs)]
    known = ("price", "price_competitors", "deal", "feat", "holiday_week")
    return Data(table, known, ("store", "brand"), "W-THU", 52, horizon, at, "unique_id")


def electricity(options: argparse.Namespace) -> Data:
    half_hours = pd.read_parquet(options.data / "electricity" / "vic_elec_30min.parquet")
    hours = half_hours.groupby(["unique_id", half_hours.ds.dt.floor("h")])
    table = hours.agg({"y": "sum", "temperature": "mean", "holiday": "max"}).reset_index()
    last = table.ds.max()
    at = [last - pd.Timedelta(days=1 + 29 * i) for i in range(3 * options.cutoffs)]
    return Data(table, ("temperature", "holiday"), (), "h", [24, 168], 24, at, "")


READERS: dict[str, Callable[[argparse.Namespace], Data]] = {
    "orange_juice": orange_juice,
    "electricity": electricity,
}


def measure(data: Data, effort: str) -> dict[str, Any]:
    """WAPE of each way, and by how much the first is better than the others."""
    frames = [at_cutoff(data, at, effort) for at in data.at]
    errors = pd.concat(frames)
    sums = errors.groupby(data.unit or "cutoff")[[WITH, WITHOUT, AUTO_ETS, "y"]].sum()
    wape = {way: float(sums[way].sum() / sums.y.sum()) for way in (WITH, WITHOUT, AUTO_ETS)}
    better = {way: gain(sums, way) for way in (WITHOUT, AUTO_ETS)}
    return {"units": len(sums), "points": len(errors), "wape": wape, "better": better}


def at_cutoff(data: Data, at: pd.Timestamp, effort: str) -> pd.DataFrame:
    """Actual values after the cutoff, and the absolute errors of each way there."""
    table = data.table
    past = table[table.ds <= at]
    enough = past.groupby("unique_id").size()
    ids = enough.index[enough > 2 * data.horizon]
    past = past[past.unique_id.isin(ids)]
    step = pd.tseries.frequencies.to_offset(data.frequency)
    after = table[(table.ds > at) & (table.ds <= at + data.horizon * step) & table.unique_id.isin(ids)]
    spec = Spec(data.horizon, levels=(80,), effort=effort, non_negative=True)
    alone = Spec(data.horizon, levels=(80,), forecaster="auto_ets", non_negative=True)
    found = after[["unique_id", "ds", "y"]].assign(cutoff=at)
    for way, panel, asked in (
        (WITH, with_covariates(data, past, after), spec),
        (WITHOUT, plain(data, past), spec),
        (AUTO_ETS, plain(data, past), alone),
    ):
        said = forecast(panel, asked)
        means = pd.DataFrame(
            {
                "unique_id": np.repeat(said.series_ids, data.horizon),
                "ds": np.concatenate(said.ds).astype("datetime64[ns]"),
                "mean": said.mean.ravel(),
            }
        )
        found = found.merge(means, on=["unique_id", "ds"], how="left")
        found[way] = (found.y - found.pop("mean")).abs()
    return found.dropna()


def plain(data: Data, past: pd.DataFrame) -> Any:
    return from_columns(past.unique_id, past.ds, past.y, frequency=data.frequency, season_length=data.season)


def with_covariates(data: Data, past: pd.DataFrame, after: pd.DataFrame) -> Any:
    """The panel with what is known of its covariates beyond the cutoff; a week without a row has the one before."""
    whole = pd.concat([past, on_the_grid(data, past, after)])
    last = past.groupby("unique_id")[list(data.static)].last() if data.static else pd.DataFrame()
    return from_columns(
        whole.unique_id, whole.ds, whole.y, frequency=data.frequency, season_length=data.season,
        known_future={name: whole[name].to_numpy(float) for name in data.known},
        static={name: last[name].to_dict() for name in data.static},
    )  # fmt: skip


def on_the_grid(data: Data, past: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """The covariates of each series in the horizon after its own last row, without values."""
    parts = []
    for name, rows in past.groupby("unique_id"):
        grid = pd.date_range(rows.ds.max(), periods=data.horizon + 1, freq=data.frequency)
        known = pd.concat([rows.tail(1), after[after.unique_id == name]]).set_index("ds")
        ahead = known[list(data.known)].reindex(grid).ffill().iloc[1:]
        parts.append(ahead.assign(unique_id=name, y=np.nan).rename_axis("ds").reset_index())
    return pd.concat(parts)


def gain(sums: pd.DataFrame, way: str) -> dict[str, float]:
    """How much lower the WAPE with covariates is, as a share of the other's, and the bootstrap's standard error."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(sums), size=(DRAWS, len(sums)))
    ours, theirs = sums[WITH].to_numpy(), sums[way].to_numpy()
    draws = 1 - ours[drawn].sum(axis=1) / theirs[drawn].sum(axis=1)
    return {"share": float(1 - ours.sum() / theirs.sum()), "standard_error": float(draws.std(ddof=1))}


def lines(result: dict[str, Any]) -> list[str]:
    """The rows of the table."""
    found = [f"{way:16} WAPE {100 * wape:6.2f} %" for way, wape in result["wape"].items()]
    for way, gained in result["better"].items():
        share, error = 100 * gained["share"], 100 * gained["standard_error"]
        found.append(f"with covariates {share:+.1f} % ± {error:.1f} better than {way}")
    return [f"{result['points']} points of {result['units']} units", *found]


if __name__ == "__main__":
    main()
