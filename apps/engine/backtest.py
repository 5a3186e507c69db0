"""Rolling-origin backtests: where the windows lie, what each candidate forecasts there, and how far off it
was.

Cutoffs count back from each series' own end, so series of different length or end are all tested on their
latest points. A series too short for a window is left out of that window and flagged, never dropped from the
result.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from apps.engine import errors, metrics
from apps.engine.contracts import Spec
from apps.engine.forecasters.base import FitContext, Fitted, Forecaster
from apps.engine.panel import Floats, Ints, Panel
from apps.engine.serving.covariates import future_values
from apps.engine.serving.state import Points

MAX_WINDOWS = 10
SCORES_WANTED = 38


@dataclass(frozen=True)
class Window:
    """One cutoff: `panel` up to it, `rows` i8[R] of the full panel it holds, `actual` f8[R, H] after it.

    `scales`, `squared_scales` f8[R] are the MASE and RMSSE denominators of the training parts, `lower` f8[R]
    the bounds that were known there, `upper` f8[R] the caps.
    """

    panel: Panel
    rows: Ints
    actual: Floats
    scales: Floats
    squared_scales: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True)
class Outcome:
    """A forecaster's forecasts and own deviations in every window, f8[R, H] each, newest first, NaN where it has none; its
    newest window's hints for the fit on all points, and why it left series out there.
    """

    forecasts: list[Floats]
    sigmas: list[Floats]
    hints: Mapping[str, str]
    reasons: Mapping[str, str]


@dataclass(frozen=True)
class Errors:
    """Means over series of each series' mean over its windows; `step_mase` per horizon step."""

    mase: float
    smape: float
    rmsse: float
    wape: float
    step_mase: tuple[float, ...]


def plan(
    panel: Panel, spec: Spec, wanted: int, *, hidden: Collection[str] = (), upper: Floats | None = None
) -> list[Window]:
    """The windows, newest first: `wanted`, and more where few series would give too few errors to calibrate intervals
    (but what the spec says, exactly); empty when no series is long enough for even one.

    `hidden` names covariates that are not known beyond a cutoff; `upper` f8[S] caps each series (None: all as the spec says).
    Windows overlap when the history is too short for disjoint ones.
    """
    horizon = spec.horizon
    needed = _shortest_training(panel, horizon)
    if needed is None:
        return []
    wanted = spec.windows or min(max(wanted, -(-SCORES_WANTED // len(panel))), MAX_WINDOWS)
    stride = _stride(panel, horizon, needed, wanted)
    caps = np.full(len(panel), upper_bound(spec)) if upper is None else upper
    planned = []
    for i in range(wanted):
        lengths = panel.lengths - horizon - i * stride
        rows = np.flatnonzero(lengths >= needed)
        if len(rows):
            planned.append(_blind(_window(panel, rows, lengths, spec, caps), hidden))
    return planned


def run(
    forecaster: Forecaster, windows: Sequence[Window], context: FitContext, tick: Callable[[int], None]
) -> Outcome:
    """Forecast every window, oldest first. `tick` is told how many windows are done.

    Raises whatever the forecaster raises, and OutOfTime when the context's clock has run out.
    """
    forecasts, sigmas = [], []
    hints: Mapping[str, str] = {}
    reasons: Mapping[str, str] = {}
    for done, window in enumerate(reversed(windows)):
        fitted = forecaster.fit(window.panel, replace(context, hints=hints))
        if context.clock.is_over():
            raise errors.OutOfTime(forecaster=forecaster.label)
        hints, reasons = fitted.hints, fitted.reasons
        points = predict_all(fitted, context.horizon)
        forecasts.append(bounded(points.mean, window.lower, window.upper))
        sigmas.append(points.sigma)
        tick(done + 1)
    return Outcome(forecasts[::-1], sigmas[::-1], hints, reasons)


def predict_all(fitted: Fitted, horizon: int) -> Points:
    """Forecasts of every series, f8[S, H] each; NaN rows where the forecaster has none."""
    rows = np.flatnonzero(fitted.state.fitted)
    names = [fitted.series_ids[r] for r in rows]
    covariates = tuple(sorted(fitted.tails.covariates))
    future, _ = future_values(fitted.tails, covariates, rows, names, horizon=horizon)
    shape = (len(fitted.series_ids), horizon)
    mean, sigma = np.full(shape, np.nan), np.full(shape, np.nan)
    found = fitted.predict(rows, horizon, future)
    mean[rows], sigma[rows] = found.mean, found.sigma
    mean[~np.isfinite(mean).all(axis=1)] = np.nan
    return Points(mean, sigma)


def bounded(mean: Floats, lower: Floats, upper: Floats) -> Floats:
    """`mean` f8[R, H] within `lower` and `upper` f8[R]; NaN stays NaN."""
    return np.minimum(np.maximum(mean, lower[:, None]), upper[:, None])


def filled(forecasts: Floats, stand_in: Floats) -> Floats:
    """`forecasts` with the stand-in's rows where there are none."""
    missing = np.asarray(np.isnan(forecasts).any(axis=1), np.bool_)
    return np.where(missing[:, None], stand_in, forecasts)


def errors_of(
    windows: Sequence[Window],
    outcomes: Sequence[Outcome],
    series: int,
    costs: tuple[float, float] | None = None,
) -> Floats:
    """Mean absolute scaled errors of each window, series and member: f8[K, S, M], NaN where there is no forecast. With
    `costs` (of a unit too much, too little) errors count by what they cost, as multiples of the mean cost of a unit."""
    share = 1.0 if costs is None else 2.0 / sum(costs)
    found = np.full((len(windows), series, len(outcomes)), np.nan)
    for k, window in enumerate(windows):
        for m, outcome in enumerate(outcomes):
            gap = costed(window.actual, outcome.forecasts[k], costs or (1.0, 1.0)).mean(axis=1)
            found[k, window.rows, m] = share * gap / window.scales
    return found


def costed(actual: Floats, forecast: Floats, costs: tuple[float, float]) -> Floats:
    """What each error costs: the first of `costs` for each unit too much, the second for each too little."""
    gap = forecast - actual
    return np.where(gap > 0, costs[0], costs[1]) * np.abs(gap)


def score(windows: Sequence[Window], forecasts: Sequence[Floats], series: int) -> Errors:
    """Errors of forecasts f8[R, H] a window over all windows of a panel with `series` series."""
    totals, counts = np.zeros((series, 3)), np.zeros(series)
    steps, absolute, size = [], 0.0, 0.0
    for window, f in zip(windows, forecasts, strict=True):
        for i, row in enumerate(window.rows):
            y = window.actual[i]
            totals[row] += (
                metrics.mase(y, f[i], window.scales[i]),
                metrics.smape(y, f[i]),
                metrics.rmsse(y, f[i], window.squared_scales[i]),
            )
            counts[row] += 1
        error = np.abs(window.actual - f)
        steps.append(error / window.scales[:, None])
        absolute, size = absolute + float(error.sum()), size + float(np.abs(window.actual).sum())
    means = (totals[counts > 0] / counts[counts > 0, None]).mean(axis=0)
    wape = absolute / size if size > 0 else float("nan")
    return Errors(
        float(means[0]),
        float(means[1]),
        float(means[2]),
        wape,
        tuple(np.concatenate(steps).mean(axis=0).tolist()),
    )


def lower_bounds(panel: Panel, non_negative: object) -> Floats:
    """Bounds below, f8[S]: 0 where forced or (with "auto") where the history never was negative, else
    -inf.
    """
    if isinstance(non_negative, bool):
        return np.full(len(panel), 0.0 if non_negative else -np.inf)
    smallest = np.minimum.reduceat(panel.values, panel.indptr[:-1])
    return np.where(smallest >= 0, 0.0, -np.inf)


def upper_bound(spec: Spec) -> float:
    """The cap of every forecast; infinite when there is none."""
    return np.inf if spec.upper is None else float(spec.upper)


def scales(panel: Panel) -> Floats:
    """The MASE denominator of each series; f8[S]."""
    season = panel.frequency.season_length
    return np.asarray([metrics.naive_scale(panel.series(s), season) for s in range(len(panel))])


def _shortest_training(panel: Panel, horizon: int) -> int | None:
    """Training points a window needs: two seasons if any series has them, else less; None when nothing is
    possible.
    """
    season = panel.frequency.season_length
    longest = int(panel.lengths.max()) - horizon
    for needed in (max(2 * season + 1, 8), max(season + 1, 6), 4):
        if longest >= needed:
            return needed
    return None


def _stride(panel: Panel, horizon: int, needed: int, windows: int) -> int:
    if windows == 1:
        return horizon
    lengths = panel.lengths[panel.lengths >= horizon + needed]
    room = int(np.median(lengths)) - horizon - needed
    return int(min(max(room // (windows - 1), 1), horizon))


def _blind(window: Window, hidden: Collection[str]) -> Window:
    """The window without what its `hidden` covariates were after the cutoff."""
    seen = {name: block for name, block in window.panel.future.items() if name not in hidden}
    return replace(window, panel=replace(window.panel, future=seen)) if hidden else window


def _window(panel: Panel, rows: Ints, lengths: Ints, spec: Spec, upper: Floats) -> Window:
    horizon = spec.horizon
    kept = np.zeros(len(panel), np.int64)
    kept[rows] = lengths[rows]
    train = panel.head(kept)
    actual = np.stack([panel.series(int(r))[lengths[r] : lengths[r] + horizon] for r in rows])
    season = panel.frequency.season_length
    squared = np.asarray([metrics.squared_scale(train.series(s), season) for s in range(len(train))])
    lower = lower_bounds(train, spec.non_negative)
    return Window(train, rows, actual, scales(train), squared, lower, upper[rows])
