"""How accurate are the forecasts, point and interval, on the series of the M4 and M3 competitions, and what do they cost?

    python benchmarks/accuracy.py --data DIR [--bench m4|m3] [--set dev] [--effort balanced] [--out forecasts.parquet]
        [--frequencies Yearly Monthly] [--limit 50] [--no-reference]

DIR holds `m4/{Frequency}_{set}_train.parquet` and `_test.parquet` (unique_id, ds, y; step), and where there are any the
competition's own forecasts (`m4/benchmarks_{set}.parquet`, `m3/published_{set}.parquet`), from which Theta is taken. Errors
are the competition's: sMAPE, MASE, OWA relative to its Naive2 on the same series; MSIS and coverage of the 95 % interval;
the overall line weighs the frequencies by the official numbers of series. Standard errors are over the series. The
reference for MSIS is statsforecast's AutoETS with its own intervals, one series after the other, in the same run.
"""

from __future__ import annotations

import argparse
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import running_stack

from apps.engine import Spec, forecast, from_columns

# season of the competition's scale, horizon, official number of series, seasons that the engine is told
BENCHES = {
    "m4": {
        "Yearly": (1, 6, 23000, 1), "Quarterly": (4, 8, 24000, 4), "Monthly": (12, 18, 48000, 12),
        "Weekly": (1, 13, 359, 52), "Daily": (1, 14, 4227, 7), "Hourly": (24, 48, 414, (24, 168)),
    },
    "m3": {
        "Yearly": (1, 6, 645, 1), "Quarterly": (4, 8, 756, 4), "Monthly": (12, 18, 1428, 12), "Other": (1, 8, 174, 1),
    },
}  # fmt: skip
LEVEL, PENALTY = 95, 40.0
Floats = np.ndarray


@dataclass(frozen=True)
class Series:
    """One frequency's series: histories and what came after, f8[n, h]; the competition's Naive2 and scales."""

    ids: list[str]
    past: list[Floats]
    actual: Floats
    naive2: Floats
    scales: Floats


@dataclass(frozen=True)
class Scores:
    """Errors of each series."""

    smape: Floats
    mase: Floats


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bench", choices=BENCHES, default="m4")
    parser.add_argument("--set", default="dev")
    parser.add_argument("--effort", choices=("fast", "balanced", "best"), default="balanced")
    parser.add_argument("--frequencies", nargs="*")
    parser.add_argument("--limit", type=int, default=10**9, help="series of each frequency")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--no-reference", action="store_true", help="without AutoETS's intervals")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows, frames = {}, []
    for name in options.frequencies or BENCHES[options.bench]:
        if (options.data / options.bench / f"{name}_{options.set}_train.parquet").exists():
            rows[name], frame = measure(options, name)
            frames.append(frame)
            print(line(name, rows[name]), flush=True)
    total = overall(rows, options.bench)
    print(line("overall", total))
    words = [options.bench, options.set, options.effort]
    results = {"conditions": running_stack.conditions(), "run": words, "overall": total, "frequencies": rows}
    running_stack.write("accuracy-" + "-".join(words), results)
    if options.out:
        pd.concat(frames).to_parquet(options.out)


def measure(options: argparse.Namespace, name: str) -> tuple[dict[str, Any], pd.DataFrame]:
    """The figures of one frequency, and the forecasts."""
    season, horizon, _, told = BENCHES[options.bench][name]
    long, series = read(options, name)
    place = long.groupby("unique_id").cumcount()
    panel = from_columns(long.unique_id, place, long.y, frequency=1, season_length=told)
    started = cpu_seconds()
    spec = Spec(horizon, levels=(LEVEL,), effort=options.effort, workers=options.workers, non_negative=True)
    result = forecast(panel, spec)
    seconds = (cpu_seconds() - started) / len(series.ids)
    place_of = {name: row for row, name in enumerate(result.series_ids)}
    order = [place_of[each] for each in series.ids]
    band = result.bands[LEVEL]
    mean, low, high = result.mean[order], band.lo[order], band.hi[order]
    reference = None if options.no_reference else auto_ets(series, season, horizon)
    row = scored(series, mean, low, high, reference)
    row |= against_theta(options, series, mean)
    row |= {"cpu_seconds_a_series": seconds, "choices": list(result.choices)}
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat(series.ids, horizon),
            "step": np.tile(np.arange(1, horizon + 1), len(series.ids)),
            "yhat": mean.ravel(), "lo95": low.ravel(), "hi95": high.ravel(),
        }
    )  # fmt: skip
    return row, frame


def read(options: argparse.Namespace, name: str) -> tuple[pd.DataFrame, Series]:
    season, horizon, _, _ = BENCHES[options.bench][name]
    stem = options.data / options.bench / f"{name}_{options.set}"
    past, after = pd.read_parquet(f"{stem}_train.parquet"), pd.read_parquet(f"{stem}_test.parquet")
    ids = list(after.unique_id.unique())[: options.limit]
    past = past[past.unique_id.isin(ids)]
    history = {k: g.to_numpy(float) for k, g in past.groupby("unique_id").y}
    coming = {k: g.to_numpy(float) for k, g in after.sort_values("step").groupby("unique_id").y}
    values = [history[each] for each in ids]
    naive = np.stack([naive2(y, horizon, season) for y in values])
    scales = np.asarray([np.abs(y[season:] - y[:-season]).mean() for y in values])
    return past, Series(ids, values, np.stack([coming[each] for each in ids]), naive, scales)


def scored(
    series: Series, mean: Floats, low: Floats, high: Floats, reference: tuple[Floats, Floats] | None
) -> dict[str, Any]:
    ours, naive = errors(series, mean), errors(series, series.naive2)
    share = owa_shares(ours, naive)
    row: dict[str, Any] = {
        "series": len(series.ids), "smape": ours.smape.mean(), "mase": ours.mase.mean(),
        "naive2_smape": naive.smape.mean(), "naive2_mase": naive.mase.mean(),
        "owa": share.mean(), "owa_se": deviation(share),
        "coverage": ((series.actual >= low) & (series.actual <= high)).mean(),
        "msis": interval_scores(series, low, high).mean(),
    }  # fmt: skip
    if reference is not None:
        row["msis_auto_ets"] = interval_scores(series, *reference).mean()
        row["msis_ratio"] = row["msis"] / row["msis_auto_ets"]
        row["coverage_auto_ets"] = ((series.actual >= reference[0]) & (series.actual <= reference[1])).mean()
    return row


def errors(series: Series, forecast_: Floats) -> Scores:
    """The competition's sMAPE and MASE of each series; negative forecasts count as 0 there."""
    f, y = np.maximum(forecast_, 0), series.actual
    size = np.abs(y) + np.abs(f)
    ratio = np.divide(200 * np.abs(y - f), size, out=np.zeros_like(size), where=size > 0)
    return Scores(ratio.mean(axis=1), (np.abs(y - f) / series.scales[:, None]).mean(axis=1))


def owa_shares(ours: Scores, naive: Scores) -> Floats:
    """What each series adds to the OWA; their mean is the OWA."""
    return (ours.smape / naive.smape.mean() + ours.mase / naive.mase.mean()) / 2


def interval_scores(series: Series, low: Floats, high: Floats) -> Floats:
    """MSIS of each series."""
    y = series.actual
    score = (high - low) + PENALTY * (np.maximum(low - y, 0) + np.maximum(y - high, 0))
    return score.mean(axis=1) / series.scales


def against_theta(options: argparse.Namespace, series: Series, mean: Floats) -> dict[str, Any]:
    """OWA minus that of the competition's Theta on the same series, with the standard error of the paired difference."""
    theirs = published_theta(options, series)
    if theirs is None:
        return {}
    naive = errors(series, series.naive2)
    gap = owa_shares(errors(series, mean), naive) - owa_shares(errors(series, theirs), naive)
    return {"theta_gap": gap.mean(), "theta_gap_se": deviation(gap)}


def published_theta(options: argparse.Namespace, series: Series) -> Floats | None:
    folder = options.data / options.bench
    if (path := folder / f"benchmarks_{options.set}.parquet").exists():
        found = pd.read_parquet(path).rename(columns={"Theta": "theta"})
    elif (path := folder / f"published_{options.set}.parquet").exists():
        found = pd.read_parquet(path)
        found = found[found.method == "THETA"].rename(columns={"yhat": "theta"})
    else:
        return None
    wide = found.pivot(index="unique_id", columns="step", values="theta")
    return wide.loc[series.ids, range(1, series.actual.shape[1] + 1)].to_numpy(float)


def auto_ets(series: Series, season: int, horizon: int) -> tuple[Floats, Floats]:
    """AutoETS's own 95 % intervals, f8[n, h] each; the last value, without width, where it fails."""
    import warnings

    from statsforecast.models import AutoETS

    low, high = [], []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for y in series.past:
            try:
                made = AutoETS(season_length=season).forecast(
                    y[-max(400, 10 * season) :].copy(), horizon, level=[LEVEL]
                )
                low.append(made[f"lo-{LEVEL}"])
                high.append(made[f"hi-{LEVEL}"])
            except Exception:  # noqa: BLE001 - it raises bare Exceptions; the reference must go on
                low.append(np.repeat(y[-1], horizon))
                high.append(np.repeat(y[-1], horizon))
    last = np.asarray([y[-1] for y in series.past])[:, None]
    return tuple(np.where(np.isfinite(each), each, last) for each in (np.stack(low), np.stack(high)))


def naive2(y: Floats, horizon: int, season: int) -> Floats:
    """The competition's Naive2: the last value of the series without its season, season put back."""
    if not is_seasonal(y, season):
        return np.repeat(y[-1], horizon)
    index = seasonal_indices(y, season)
    level = y[-1] / index[(len(y) - 1) % season]
    return level * index[(len(y) + np.arange(horizon)) % season]


def is_seasonal(y: Floats, season: int) -> bool:
    """The competition's test: the autocorrelation at the season, at 90 %."""
    if season == 1 or len(y) < 3 * season:
        return False
    centred = y - y.mean()
    total = centred @ centred
    if total == 0:
        return False
    found = np.asarray([centred[k:] @ centred[:-k] for k in range(1, season + 1)]) / total
    spread = np.concatenate([[1.0], 2 * found[:-1] ** 2]).sum()
    return bool(abs(found[-1]) > 1.645 * np.sqrt(spread / len(y)))


def seasonal_indices(y: Floats, season: int) -> Floats:
    """Classical multiplicative decomposition."""
    weights = np.ones(season) / season
    if season % 2 == 0:
        weights = np.concatenate([[0.5], np.ones(season - 1), [0.5]]) / season
    half = len(weights) // 2
    trend = np.convolve(y, weights, mode="valid")
    ratio = np.full(len(y), np.nan)
    ratio[half : len(y) - half] = y[half : len(y) - half] / trend
    index = np.asarray([np.nanmean(ratio[p::season]) for p in range(season)])
    return index / index.mean()


def overall(rows: dict[str, dict[str, Any]], bench: str) -> dict[str, Any]:
    """The frequencies weighed by the official numbers of series; CPU by the series that were measured."""
    weights = np.asarray([BENCHES[bench][name][2] for name in rows], float)
    weights /= weights.sum()

    def mean(field: str) -> float:
        return float(weights @ [row[field] for row in rows.values()])

    relative = [mean(f) / mean(f"naive2_{f}") for f in ("smape", "mase")]
    counts = np.asarray([row["series"] for row in rows.values()], float)
    total = {name: mean(name) for name in ("smape", "mase", "coverage", "msis")}
    total |= {"series": int(counts.sum()), "owa": sum(relative) / 2}
    total["owa_se"] = float(np.sqrt(((weights * [row["owa_se"] for row in rows.values()]) ** 2).sum()))
    if all("msis_ratio" in row for row in rows.values()):
        total["msis_ratio"] = total["msis"] / mean("msis_auto_ets")
        total["coverage_auto_ets"] = mean("coverage_auto_ets")
    if all("theta_gap" in row for row in rows.values()):
        total["theta_gap"] = mean("theta_gap")
        gaps = [row["theta_gap_se"] for row in rows.values()]
        total["theta_gap_se"] = float(np.sqrt(((weights * gaps) ** 2).sum()))
    each = [row["cpu_seconds_a_series"] for row in rows.values()]
    total["cpu_seconds_a_series"] = float(counts @ each / counts.sum())
    return total


def line(name: str, row: dict[str, Any]) -> str:
    """A row of the table."""
    parts = [
        f"{name:10} n={row['series']:5} sMAPE {row['smape']:7.3f} MASE {row['mase']:6.3f}",
        f"OWA {row['owa']:.4f} ± {row['owa_se']:.3f}",
        f"coverage {100 * row['coverage']:5.1f} % MSIS {row['msis']:7.2f}",
    ]
    if "msis_ratio" in row:
        parts.append(
            f"({row['msis_ratio']:.3f} of AutoETS's, which covers {100 * row['coverage_auto_ets']:.1f} %)"
        )
    if "theta_gap" in row:
        parts.append(f"to Theta {row['theta_gap']:+.4f} ± {row['theta_gap_se']:.3f}")
    return " ".join([*parts, f"{row['cpu_seconds_a_series']:.3f} CPU s a series"])


def deviation(values: Floats) -> float:
    """Standard error of the mean."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def cpu_seconds() -> float:
    """CPU of this process and of its children that ended."""
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in found)


if __name__ == "__main__":
    main()
