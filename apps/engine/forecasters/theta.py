"""Dynamic optimised Theta per series (Fiorucci et al. 2016), estimated by statsforecast."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from apps.engine.forecasters.base import Estimate, FitContext, Forecaster, plausible
from apps.engine.panel import Floats, Panel
from apps.engine.serving.predictors import ADDITIVE, MULTIPLICATIVE, NONE, cycle
from apps.engine.serving.state import State

POINTS_KEPT = 600
BURN_IN = 3


class Theta(Forecaster):
    """Dynamic optimised Theta on a seasonally adjusted series; reads the last POINTS_KEPT points or ten
    seasons.
    """

    name = "theta"
    label = "Dynamic optimised Theta"
    min_points = 5

    def _fit(self, panel: Panel, context: FitContext) -> Estimate:
        import statsforecast.theta  # noqa: F401 - imported once, before the loop, because it takes seconds

        series, horizon, season = len(panel), context.horizon, panel.frequency.season_length
        state = _empty(series, season, horizon)
        reasons = {}
        for s, series_id in enumerate(panel.series_ids):
            one = _estimate(panel.series(s), season, horizon)
            if isinstance(one, str):
                reasons[series_id] = one
                continue
            state.fitted[s] = True
            for name, value in one.items():
                state.arrays[name][s] = value
        return Estimate(state, reasons)


def _empty(series: int, season: int, horizon: int) -> State:
    arrays: dict[str, Any] = {
        name: np.zeros(series) for name in ("level", "mean", "a", "b", "n", "alpha", "theta")
    }
    arrays |= {"season": np.zeros((series, season)), "season_kind": np.zeros(series, np.int8)}
    arrays["sigma"] = np.zeros((series, horizon))
    return State("theta", np.zeros(series, bool), {}, arrays)


def _estimate(y: Floats, season: int, horizon: int) -> dict[str, Any] | str:
    """One series' end state by array name, or why there is none."""
    if len(y) < Theta.min_points:
        return f"it has {len(y)} points, {Theta.min_points} are needed"
    y = y[-max(POINTS_KEPT, 10 * season) :]
    if np.ptp(y) == 0:
        return _constant(float(y[-1]), len(y))
    from statsforecast.theta import auto_theta, forecast_theta

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            model: dict[str, Any] = auto_theta(y.copy(), m=season, model="DOTM")  # type: ignore[no-untyped-call]
        except Exception as error:  # noqa: BLE001 - it raises bare Exceptions where the search fails
            return str(error)
        ahead: Floats = forecast_theta(model, horizon)["mean"]  # type: ignore[no-untyped-call]
    return (
        _end_state(model, season, horizon)
        if plausible(ahead, y)
        else "its forecasts leave the range of the data"
    )


def _constant(value: float, n: int) -> dict[str, Any]:
    return {"level": value, "mean": value, "a": value, "b": 0.0, "n": n, "alpha": 0.5, "theta": 1.0}


def _end_state(model: dict[str, Any], season: int, horizon: int) -> dict[str, Any] | str:
    level, mean, a, b, _ = (float(v) for v in model["states"][-1])
    alpha, theta = float(model["par"]["alpha"]), float(model["par"]["theta"])
    if not np.isfinite([level, mean, a, b, alpha, theta]).all():
        return "its parameters are not finite"
    ahead, kind = np.zeros(season), NONE
    if model.get("decompose", False):
        ahead = np.asarray(model["seas_forecast"]["mean"], np.float64)
        kind = MULTIPLICATIVE if model["decomposition_type"] == "multiplicative" else ADDITIVE
    residuals = np.asarray(model["residuals"], np.float64)
    late = residuals[BURN_IN:] if len(residuals) > BURN_IN + 1 else residuals
    sigma = float(late.std(ddof=1)) * np.sqrt(1 + alpha**2 * np.arange(horizon))
    if kind == MULTIPLICATIVE:
        sigma = sigma * cycle(ahead[None, :], horizon)[0]
    return {
        "level": level, "mean": mean, "a": a, "b": b, "n": model["n"], "alpha": alpha, "theta": theta,
        "season": ahead, "season_kind": kind, "sigma": sigma,
    }  # fmt: skip
