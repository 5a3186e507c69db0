"""Which way of making the forecasts of a hierarchy add up is best, by backtest, and its weights."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from apps.engine import backtest, errors
from apps.engine.backtest import Window
from apps.engine.panel import Floats, Panel
from apps.engine.serving.reconcile import (
    BOTTOM_UP,
    MINT_SHRINK,
    TOP_DOWN,
    WLS_STRUCT,
    WLS_VAR,
    Reconciler,
    Structure,
)

WORDS = {
    BOTTOM_UP: "by summing the parts' forecasts",
    TOP_DOWN: "from the top down, in the proportions of the parts' forecasts",
    WLS_STRUCT: "by least squares, weighted by how many series each total has",
    WLS_VAR: "by least squares, weighted by the errors of each series",
    MINT_SHRINK: "by minimum trace, with shrunk covariances of the errors",
}
LIBRARY, IMPORT_SECONDS = "hierarchicalforecast", 8.0
LARGEST_MATRIX = 500
FEWEST_ERRORS = 10
SMALLEST_VARIANCE = 1e-8


@dataclass(frozen=True)
class Settled:
    """How forecasts are made to add up, what is said of the choice, and the backtest's forecasts so made, f8[R, H] a window,
    with weights from the other windows."""

    reconciler: Reconciler
    said: str
    held: list[Floats]


def settle(
    structure: Structure,
    panel: Panel,
    windows: Sequence[Window],
    held: Sequence[Floats],
    *,
    lower: Floats,
    left_seconds: float | None = None,
) -> Settled:
    """The method with the smallest error over the windows, whose forecasts are `held` f8[R, H] each.

    Minimum trace is not tried when its library could not be imported in `left_seconds` (None: no limit).
    """
    pairs = [complete(panel, window, mean) for window, mean in zip(windows, held, strict=False)]
    forecasts, actuals = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    scales = backtest.scales(panel)
    tried = {
        method: compare(structure, method, forecasts, actuals, scales=scales, lower=lower)
        for method in candidates(structure, forecasts)
        if method != MINT_SHRINK or _can_import(left_seconds)
    }
    method = min(tried, key=lambda name: tried[name])
    coherent = [
        _without(structure, method, forecasts, actuals, i).apply(forecast, lower)[window.rows]
        for i, (window, forecast) in enumerate(zip(windows, forecasts, strict=False))
    ]
    return Settled(fit(structure, method, forecasts, actuals), _said(method, tried), coherent)


def _can_import(left_seconds: float | None) -> bool:
    return left_seconds is None or LIBRARY in sys.modules or left_seconds > IMPORT_SECONDS


def _said(method: str, tried: Mapping[str, float]) -> str:
    said = f"Forecasts are made to add up {WORDS[method]}"
    if not np.isfinite(tried[method]):
        return f"{said}; there is no backtest to compare other ways by."
    if method == BOTTOM_UP:
        return f"{said}: no other way of {len(tried)} had a smaller error."
    plain = tried[BOTTOM_UP]
    ratio = f"{tried[method] / plain:.2f} of" if plain > 0 else "the same as"
    return f"{said}: error {ratio} that of the parts' sums."


def complete(panel: Panel, window: Window, forecast: Floats) -> tuple[Floats, Floats]:
    """Forecast and actual values of all series of `panel` in a window, both f8[S, H].

    A series that is too short for the window takes part with what it came to, 0 before its start; so totals stay whole.
    """
    horizon = forecast.shape[1]
    back = int(panel.lengths[window.rows[0]] - window.panel.lengths[0]) - horizon
    actual = np.zeros((len(panel), horizon))
    for s in range(len(panel)):
        values = panel.series(s)[: max(int(panel.lengths[s]) - back, 0)][-horizon:]
        actual[s, horizon - len(values) :] = values
    full = actual.copy()
    full[window.rows] = forecast
    return full, actual


def fit(
    structure: Structure, method: str, forecasts: Sequence[Floats], actuals: Sequence[Floats]
) -> Reconciler:
    """The reconciler of a method, its weights from the errors of backtest windows (f8[S, H] each)."""
    if method == WLS_STRUCT:
        return Reconciler(structure, method, structure.add_up(np.ones(len(structure))))
    if method == WLS_VAR:
        return Reconciler(structure, method, _variances(forecasts, actuals))
    if method == MINT_SHRINK:
        return Reconciler(structure, method, matrix=_mint(structure, forecasts, actuals))
    return Reconciler(structure, method)


def candidates(structure: Structure, forecasts: Sequence[Floats]) -> tuple[str, ...]:
    """Methods that can be tried on such forecasts; the first is the one to take where nothing can be compared.

    Proportions need forecasts without a sign change, weights the errors of another window, and covariances a hierarchy
    of at most LARGEST_MATRIX series and FEWEST_ERRORS errors of each.
    """
    found = [WLS_STRUCT, BOTTOM_UP]
    if forecasts and all((window >= 0).all() for window in forecasts):
        found.append(TOP_DOWN)
    if len(forecasts) > 1:
        found.append(WLS_VAR)
        errors_each = sum(window.shape[1] for window in forecasts[1:])
        if len(structure) <= LARGEST_MATRIX and errors_each >= FEWEST_ERRORS:
            found.append(MINT_SHRINK)
    return tuple(found)


def choose(
    structure: Structure,
    forecasts: Sequence[Floats],
    actuals: Sequence[Floats],
    *,
    scales: Floats,
    lower: Floats | None = None,
) -> str:
    """The method with the smallest error over the windows (f8[S, H] each), its weights from the other windows.

    The error is the mean over the levels of the tree of the mean absolute error in `scales` f8[S], so that a few totals
    count as much as many parts.
    """
    found = {
        m: compare(structure, m, forecasts, actuals, scales=scales, lower=lower)
        for m in candidates(structure, forecasts)
    }
    return min(found, key=lambda method: found[method])


def compare(
    structure: Structure,
    method: str,
    forecasts: Sequence[Floats],
    actuals: Sequence[Floats],
    *,
    scales: Floats,
    lower: Floats | None = None,
) -> float:
    """The error by which `choose` chooses; infinite when the method cannot be estimated."""
    found = []
    for i, (forecast, actual) in enumerate(zip(forecasts, actuals, strict=True)):
        try:
            reconciler = _without(structure, method, forecasts, actuals, i)
        except errors.EngineError:
            return float("inf")
        error = np.abs(reconciler.apply(forecast, lower) - actual).mean(axis=1) / scales
        found.append(_by_level(structure, error))
    return float(np.mean(found)) if found else float("inf")


def _without(
    structure: Structure, method: str, forecasts: Sequence[Floats], actuals: Sequence[Floats], window: int
) -> Reconciler:
    """The reconciler that the windows but one give."""
    others = [j for j in range(len(forecasts)) if j != window]
    return fit(structure, method, [forecasts[j] for j in others], [actuals[j] for j in others])


def _by_level(structure: Structure, error: Floats) -> float:
    """The mean over totals of each depth and over bottoms, each counted once."""
    kind = np.where(structure.is_bottom, structure.depths.max() + 1, structure.depths)
    kinds, codes = np.unique(kind, return_inverse=True)
    return float(np.mean(np.bincount(codes, error) / np.bincount(codes))) if len(kinds) else 0.0


def _variances(forecasts: Sequence[Floats], actuals: Sequence[Floats]) -> Floats:
    """Mean squared errors f8[S], kept off 0: a series that was foreseen exactly takes next to nothing of a change."""
    squares = np.concatenate(
        [(actual - forecast) ** 2 for forecast, actual in zip(forecasts, actuals, strict=True)], axis=1
    )
    found = squares.mean(axis=1)
    floor = SMALLEST_VARIANCE * float(found.mean())
    return np.asarray(np.maximum(found, floor if floor > 0 else 1.0), np.float64)


def _mint(structure: Structure, forecasts: Sequence[Floats], actuals: Sequence[Floats]) -> Floats:
    """The map f8[B, S] of MinT with shrunk covariances, estimated by hierarchicalforecast, which wants totals first."""
    from hierarchicalforecast.methods import MinTrace

    order = np.concatenate([structure.totals, structure.bottoms])
    summing = structure.matrix()[order]
    known, actual = np.concatenate(forecasts, axis=1)[order], np.concatenate(actuals, axis=1)[order]
    model = MinTrace("mint_shrink")
    try:
        model.fit(summing, known, actual, known)
    except Exception as error:
        if type(error) is not Exception:  # a bare one is its word for errors of 0 and what cannot be inverted
            raise
        raise errors.InvalidHierarchy(reason=f"its errors allow no covariances ({error})") from error
    matrix: Floats = np.zeros((len(structure.bottoms), len(order)))
    matrix[:, order] = model.P
    return matrix
