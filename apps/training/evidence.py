"""What the publish gate goes by: the kept forecasts of the backtest, and what the bundle would answer today.

The series are those that will be forecast, not a sample of others; what varies is how they go on. So intervals come from
forecasts drawn one by one (Student's, on the ratio), and from windows drawn whole (a bootstrap), whose series share what
happened then; whichever is wider counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from apps.engine.backtest import costed
from apps.engine.contracts import SERVED
from apps.engine.forecasters import NAIVE
from apps.registry.gate import SPANS, Coverage, Evidence, Sanity, Skill

if TYPE_CHECKING:
    from apps.engine import TrainResult
    from apps.engine.contracts import Backtest
    from apps.engine.panel import Panel
    from apps.engine.serving.loaded import LoadedBundle

Floats = NDArray[np.float64]
DRAWS: Final = 2000
NAMED: Final = 20


def of(
    result: TrainResult, panel: Panel, bundle: LoadedBundle, costs: tuple[float, float] | None
) -> Evidence:
    """What is known of a training's result. ``costs`` are those that its errors were weighed by."""
    kept = result.backtest
    return Evidence(
        skill=None if kept is None else skill(kept, costs),
        coverage=tuple(_coverage(result)),
        sanity=sanity(panel, bundle),
        is_naive=result.selected == NAIVE,
    )


def skill(kept: Backtest, costs: tuple[float, float] | None = None) -> Skill:
    """How much better than the seasonal naive, by scaled errors or, with ``costs``, by what they cost."""
    served = _by_unit(kept, _errors(kept, SERVED, costs))
    naive = _by_unit(kept, _errors(kept, NAIVE, costs))
    there = np.isfinite(served) & np.isfinite(naive)
    measure, windows = ("mase" if costs is None else "cost"), int(there.any(axis=0).sum())
    if not there.any() or naive[there].mean() <= 0:
        return Skill(int(there.sum()), windows, measure=measure)
    ours, theirs = np.where(there, served, 0.0), np.where(there, naive, 0.0)
    low, high = _interval(ours, theirs, 90)
    return Skill(
        units=int(there.sum()),
        windows=windows,
        error=float(served[there].mean()),
        naive_error=float(naive[there].mean()),
        skill=float(1 - ours.sum() / theirs.sum()),
        low=None if low is None or high is None else 1 - high,
        high=None if low is None or high is None else 1 - low,
        measure=measure,
    )


def sanity(panel: Panel, bundle: LoadedBundle) -> Sanity:
    """What the bundle would answer now to each series over its whole horizon, held against the panel's history."""
    said = bundle.predict(None, bundle.meta.horizon_max, bundle.meta.levels)
    bands = [said.bands[level] for level in sorted(bundle.meta.levels, reverse=True)]
    quantiles = np.stack([*(b.lo for b in bands), said.mean, *(b.hi for b in reversed(bands))])
    finite = np.isfinite(quantiles).all(axis=(0, 2))
    slack = 1e-9 * np.maximum(np.abs(said.mean), 1.0)
    with np.errstate(invalid="ignore"):
        crossed = (np.diff(quantiles, axis=0) < -slack).any(axis=(0, 2))
        off = np.abs(said.mean - np.clip(said.mean, *_ends(panel, said.series_ids))).max(axis=1)
    beyond = off > SPANS * _spans(panel, said.series_ids)
    names = np.asarray(said.series_ids, object)
    return Sanity(
        len(names), *(tuple(names[rows][:NAMED]) for rows in (~finite, finite & crossed, finite & beyond))
    )


def _coverage(result: TrainResult) -> Iterator[Coverage]:
    kept = result.backtest
    for level, share in sorted(result.coverage.items()):
        if share is None or kept is None or level not in kept.inside:
            yield Coverage(level, share)
            continue
        hits = _by_unit(kept, kept.inside[level])
        there = np.isfinite(hits)
        low, high = _interval(np.where(there, hits, 0.0), there.astype(np.float64), 95)
        yield Coverage(level, float(share), low, high)


def _errors(kept: Backtest, name: str, costs: tuple[float, float] | None) -> Floats:
    over, under = costs or (1.0, 1.0)
    found = costed(kept.y, kept.forecasts[name], (over, under)) * 2 / (over + under) / kept.scale
    return np.asarray(found, np.float64)


def _by_unit(kept: Backtest, values: Floats) -> Floats:
    """The mean of each series in each window, f8[S, K]; NaN where there is none, or where a step has none."""
    shape = (len(kept.series_ids), int(kept.window.max()))
    place = kept.series * shape[1] + kept.window - 1
    count = np.bincount(place, minlength=shape[0] * shape[1])
    total = np.bincount(place, values, minlength=shape[0] * shape[1])
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).reshape(shape)


def _interval(above: Floats, below: Floats, percent: float) -> tuple[float | None, float | None]:
    """A two-sided interval of so many percent around the ratio of sums, f8[S, K] each: the wider side of both ways to draw.
    None for a single unit."""
    units = below > 0
    if units.sum() < 2:
        return None, None
    ways = [_one_by_one(above, below, percent)]
    if units.any(axis=0).sum() > 1:
        ways.append(_by_window(above.sum(axis=0), below.sum(axis=0), percent))
    return min(low for low, _ in ways), max(high for _, high in ways)


def _one_by_one(above: Floats, below: Floats, percent: float) -> tuple[float, float]:
    """Student's interval of a ratio of means, from the residuals that it leaves (Cochran 1977, 6.4): within each series where
    there are several windows, else between the series."""
    units, ratio = below > 0, above.sum() / below.sum()
    left = np.where(units, above - ratio * below, 0.0)
    counts = units.sum(axis=1, keepdims=True)
    if (counts > 1).any():
        several = (counts > 1)[:, 0]
        counts, left, units = counts[several], left[several], units[several]
        left = np.where(units, left - left.sum(axis=1, keepdims=True) / counts, 0.0)
        free = int(counts.sum()) - len(counts)
        variance = float((left**2 * counts / (counts - 1)).sum())
    else:
        free = int(counts.sum()) - 1
        variance = float((left**2).sum()) * (free + 1) / free
    half = float(stdtrit(free, 0.5 + percent / 200)) * math.sqrt(variance) / float(below.sum())
    return float(ratio) - half, float(ratio) + half


def _by_window(above: Floats, below: Floats, percent: float) -> tuple[float, float]:
    """Percentiles over draws of whole windows, f8[K] each."""
    count = len(above)
    weights = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), DRAWS)
    top, bottom = weights @ above, weights @ below
    low, high = np.percentile(top[bottom > 0] / bottom[bottom > 0], (50 - percent / 2, 50 + percent / 2))
    return float(low), float(high)


def _ends(panel: Panel, names: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Smallest and largest value of each series, f8[S, 1]."""
    where = {name: row for row, name in enumerate(panel.series_ids)}
    found = [_ends_of(panel.series(where[name])) if name in where else (-np.inf, np.inf) for name in names]
    low, high = np.asarray(found, np.float64).T
    return low[:, None], high[:, None]


def _ends_of(values: Floats) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if len(values) else (-np.inf, np.inf)


def _spans(panel: Panel, names: tuple[str, ...]) -> Floats:
    """How far each series reaches: its range, or its largest size if that is more; where both are 0, the widest of all."""
    low, high = (each[:, 0] for each in _ends(panel, names))
    spans = np.maximum(high - low, np.maximum(np.abs(low), np.abs(high)))
    known = spans[np.isfinite(spans)]
    return np.where(spans > 0, spans, known.max() if len(known) else np.inf)
