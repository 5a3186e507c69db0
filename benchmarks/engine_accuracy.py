"""How accurate is the automatic choice? Prints a table and writes a JSON file; forecasts go to a Parquet file
on request.

    python benchmarks/engine_accuracy.py --data DIR [--limit 50] [--frequencies Yearly Monthly] [--out
    forecasts.parquet]

DIR holds `m4/{Frequency}_dev_train.parquet` and `_test.parquet` (unique_id, ds, y; step). OWA is relative to
Naive2 as the M4 competition defines it, on the same series.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from apps.engine import Spec, from_columns, load_bundle, train
from apps.engine.metrics import coverage, mase, naive_scale, smape
from apps.engine.seasonality import adjust, is_seasonal
from apps.engine.serving.predictors import combine, cycle

SETS = {
    "Yearly": (1, 6, 23000), "Quarterly": (4, 8, 24000), "Monthly": (12, 18, 48000), "Weekly": (1, 13, 359),
    "Daily": (1, 14, 4227), "Hourly": (24, 48, 414),
}  # fmt: skip
SEASONS = {**{name: spec[0] for name, spec in SETS.items()}, "Weekly": 52, "Daily": 7}


def naive2(y: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """The competition's Naive2: the last seasonally adjusted value, season put back."""
    if not is_seasonal(y, season):
        return np.repeat(y[-1], horizon)
    adjusted = adjust(y, season)
    flat = np.repeat(adjusted.values[-1], horizon)[None, :]
    return combine(flat, cycle(adjusted.ahead[None, :], horizon), np.asarray([adjusted.kind]))[0]


def measure(
    folder: Path, name: str, limit: int, candidates: tuple[str, ...] | None
) -> tuple[dict, pd.DataFrame]:
    season, horizon, _ = SETS[name]
    past = pd.read_parquet(folder / "m4" / f"{name}_dev_train.parquet")
    after = pd.read_parquet(folder / "m4" / f"{name}_dev_test.parquet")
    ids = list(past.unique_id.unique())[:limit]
    past, after = past[past.unique_id.isin(ids)].copy(), after[after.unique_id.isin(ids)]
    position = past.groupby("unique_id").cumcount()
    panel = from_columns(past.unique_id, position, past.y, frequency=1, season_length=SEASONS[name])
    started = time.process_time()
    result = train(panel, Spec(horizon, levels=(95,), candidates=candidates))
    seconds = time.process_time() - started
    loaded = load_bundle(result.bundle, result.sha256)
    forecast = loaded.predict(None, horizon, (95,))
    actual = {k: g.sort_values("step").y.to_numpy(float) for k, g in after.groupby("unique_id")}
    row = _scores(panel, forecast, actual, season, horizon)
    board = {c.name: None if c.mase is None else round(c.mase, 3) for c in result.leaderboard}
    row |= {"selected": result.selected, "cpu_seconds_a_series": seconds / len(ids), "leaderboard": board}
    return row, _frame(forecast, horizon)


def _scores(panel, forecast, actual: dict, season: int, horizon: int) -> dict:
    ours, theirs, inside = [], [], []
    for i, series_id in enumerate(forecast.series_ids):
        y, past = actual[series_id], panel.series(i)
        scale = naive_scale(past, season)
        f = np.maximum(forecast.mean[i], 0)
        reference = naive2(past, horizon, season)
        ours.append((smape(y, f), mase(y, f, scale)))
        theirs.append((smape(y, reference), mase(y, reference, scale)))
        inside.append(coverage(y, forecast.bands[95].lo[i], forecast.bands[95].hi[i]))
    a, b = np.mean(ours, axis=0), np.mean(theirs, axis=0)
    return {
        "series": len(ours),
        "smape": a[0],
        "mase": a[1],
        "owa": float((a / b).mean()),
        "coverage95": float(np.mean(inside)),
        "naive2": b.tolist(),
    }


def _frame(forecast, horizon: int) -> pd.DataFrame:
    band = forecast.bands[95]
    return pd.DataFrame(
        {
            "unique_id": np.repeat(forecast.series_ids, horizon),
            "step": np.tile(np.arange(1, horizon + 1), len(forecast.series_ids)),
            "yhat": forecast.mean.ravel(), "lo95": band.lo.ravel(), "hi95": band.hi.ravel(),
        }
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=10_000)
    parser.add_argument("--frequencies", nargs="*", default=list(SETS))
    parser.add_argument("--candidates", nargs="*", default=None)
    parser.add_argument("--out", type=Path)
    parser.add_argument(
        "--json", type=Path, default=Path(__file__).parent / "results" / "engine_accuracy.json"
    )
    options = parser.parse_args()
    rows, frames = {}, []
    for name in options.frequencies:
        candidates = tuple(options.candidates) if options.candidates else None
        rows[name], frame = measure(options.data, name, options.limit, candidates)
        frames.append(frame)
        r = rows[name]
        print(
            f"{name:10} n={r['series']:4} sMAPE {r['smape']:7.3f} MASE {r['mase']:6.3f} OWA {r['owa']:.3f} "
            f"cov95 {r['coverage95']:.3f} {r['cpu_seconds_a_series']:.3f} CPU s {r['selected']} {r['leaderboard']}",
            flush=True,
        )
    weights = np.asarray([SETS[n][2] for n in rows], float) / sum(SETS[n][2] for n in rows)
    totals = weights @ np.asarray([[r["smape"], r["mase"], *r["naive2"]] for r in rows.values()])
    owa = float((totals[0] / totals[2] + totals[1] / totals[3]) / 2)
    print(f"Overall OWA (weighted by the official counts) {owa:.4f}")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"overall_owa": owa, "frequencies": rows}, indent=2, default=float))
    if options.out:
        pd.concat(frames).to_parquet(options.out)


if __name__ == "__main__":
    main()
