"""What trees that were trained before on other series are worth to small panels.

    python benchmarks/pretrained.py --data DIR [--effort fast] [--size 10] [--trained-on 4000] [--limit 200]

DIR holds `m4_pool/{Frequency}_pool.parquet` (unique_id, ds, y, is_test), from whose past the trees are trained, and the other
series of `benchmarks/accuracy.py`, which are forecast in panels of `--size` series with and without the trees. Errors are the
competition's OWA; the difference is paired over the series, with its standard error.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import accuracy
import numpy as np
import pandas as pd
import running_stack

from apps.engine import Spec, forecast, from_columns, pretrained, train
from apps.engine.panel import Panel

Floats = np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--effort", choices=("fast", "balanced", "best"), default="fast")
    parser.add_argument("--size", type=int, default=10, help="series of a panel")
    parser.add_argument("--trained-on", type=int, default=4000, help="series that the trees learn from")
    parser.add_argument("--limit", type=int, default=200, help="series that are forecast")
    options = parser.parse_args()
    options.bench, options.set = "m4", "dev"
    rows = {name: measure(options, name) for name in ("Yearly", "Quarterly")}
    results = {"conditions": running_stack.conditions(), "effort": options.effort, "frequencies": rows}
    running_stack.write(f"pretrained-{options.effort}", results)


def measure(options: argparse.Namespace, name: str) -> dict[str, Any]:
    """The figures of one frequency."""
    _, horizon, _, season = accuracy.BENCHES["m4"][name]
    long, series = accuracy.read(options, name)
    started = time.process_time()
    trees = pretrained.read(trained(options, name, horizon, season))
    seconds = time.process_time() - started
    naive = accuracy.errors(series, series.naive2)
    shares = {}
    for label, given in (("without", None), ("with", trees)):
        spec = Spec(horizon, effort=options.effort, non_negative=True, pretrained=given)
        mean = np.concatenate([_mean(long, ids, season, spec) for ids in batches(series.ids, options.size)])
        shares[label] = accuracy.owa_shares(accuracy.errors(series, mean), naive)
    gap = shares["with"] - shares["without"]
    row = {label: share.mean() for label, share in shares.items()}
    row |= {"gap": gap.mean(), "gap_se": accuracy.deviation(gap), "series": len(gap), "training_cpu": seconds}
    print(
        f"{name:10} n={len(gap):4} OWA without {row['without']:.4f} with {row['with']:.4f} difference "
        f"{row['gap']:+.4f} ± {row['gap_se']:.4f}; trees trained in {seconds:.0f} CPU s",
        flush=True,
    )
    return row


def trained(options: argparse.Namespace, name: str, horizon: int, season: int) -> bytes:
    """A bundle of trees that learnt from the past of the pool's first series."""
    pool = pd.read_parquet(options.data / "m4_pool" / f"{name}_pool.parquet")
    pool = pool[~pool.is_test]
    pool = pool[pool.unique_id.isin(pool.unique_id.unique()[: options.trained_on])]
    spec = Spec(horizon, forecaster=pretrained.SOURCE, effort="best", windows=1)
    return train(panel_of(pool, season), spec).bundle


def panel_of(long: pd.DataFrame, season: int) -> Panel:
    """The panel of a long table, with a counted time."""
    place = long.groupby("unique_id").cumcount()
    return from_columns(long.unique_id, place, long.y, frequency=1, season_length=season)


def batches(ids: list[str], size: int) -> list[list[str]]:
    """The names in groups."""
    return [ids[at : at + size] for at in range(0, len(ids), size)]


def _mean(long: pd.DataFrame, ids: list[str], season: int, spec: Spec) -> Floats:
    result = forecast(panel_of(long[long.unique_id.isin(ids)], season), spec)
    place = {name: row for row, name in enumerate(result.series_ids)}
    return result.mean[[place[each] for each in ids]]


if __name__ == "__main__":
    main()
