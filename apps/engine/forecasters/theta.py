"""Dynamic optimised Theta per series (Fiorucci et al. 2016), estimated by statsforecast."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.engine.forecasters.base import plausible
from apps.engine.forecasters.local import Grid, LocalForecaster, One, Unfit, unit_of
from apps.engine.panel import Floats
from apps.engine.seasonality import found_season
from apps.engine.serving.predictors import ADDITIVE, MULTIPLICATIVE, NONE, cycle

POINTS_KEPT = 600
BURN_IN = 3
REACH = 1024.0  # the library's search stops at changes of its error that small series do not reach


class Theta(LocalForecaster):
    """Dynamic optimised Theta on a seasonally adjusted series; reads the last POINTS_KEPT points or ten
    seasons.
    """

    name = "theta"
    label = "Dynamic optimised Theta"
    kind = "theta"
    min_points = 5

    def prepare(self) -> None:
        """See `LocalForecaster`."""
        import statsforecast.theta  # noqa: F401 - it takes seconds

    def constant(self, y: Floats, grid: Grid) -> One:
        """See `LocalForecaster`."""
        value = float(y[-1])
        state = {"level": value, "mean": value, "a": value, "b": 0.0, "n": len(y), "alpha": 0.5, "theta": 1.0}
        return One(_rest(state, np.zeros(grid.season), NONE, np.zeros(grid.horizon)))

    def estimate(self, y: Floats, grid: Grid, hint: str) -> One:  # noqa: ARG002 - there is nothing to reuse
        """See `LocalForecaster`."""
        from statsforecast.theta import auto_theta, forecast_theta

        y = y[-max(POINTS_KEPT, 10 * grid.season) :]
        unit = unit_of(y, REACH)
        m = found_season(y, grid.season)
        model: dict[str, Any] = auto_theta(y / unit, m=m, model="DOTM")  # type: ignore[no-untyped-call]
        ahead: Floats = forecast_theta(model, grid.horizon)["mean"] * unit  # type: ignore[no-untyped-call]
        if not plausible(ahead, y):
            raise Unfit("its forecasts leave the range of the data")
        return One(_end_state(model, grid.horizon, unit))


def _rest(state: dict[str, Any], season: Floats, kind: int, sigma: Floats) -> dict[str, Any]:
    return {**state, "season": season, "season_kind": np.int8(kind), "sigma": sigma}


def _end_state(model: dict[str, Any], horizon: int, unit: float) -> dict[str, Any]:
    level, mean, a, b, _ = (float(v) for v in model["states"][-1] * unit)
    alpha, theta = float(model["par"]["alpha"]), float(model["par"]["theta"])
    if not np.isfinite([level, mean, a, b, alpha, theta]).all():
        raise Unfit("its parameters are not finite")
    ahead, kind = season_of(model)
    ahead = ahead * unit if kind == ADDITIVE else ahead
    residuals = residuals_of(model)
    late = residuals[BURN_IN:] if len(residuals) > BURN_IN + 1 else residuals
    sigma = unit * float(late.std(ddof=1)) * np.sqrt(1 + alpha**2 * np.arange(horizon))
    if kind == MULTIPLICATIVE:
        sigma = sigma * cycle(ahead[None, :], horizon)[0]
    state = {
        "level": level, "mean": mean, "a": a, "b": b, "n": model["n"], "alpha": alpha, "theta": theta,
    }  # fmt: skip
    return _rest(state, ahead, kind, sigma)


def season_of(model: dict[str, Any]) -> tuple[Floats, int]:
    """The seasonal term of steps 1..m, and how it enters."""
    if not model.get("decompose", False):
        return np.zeros(int(model["m"])), NONE
    multiplicative = model["decomposition_type"] == "multiplicative"
    ahead = np.asarray(model["seas_forecast"]["mean"], np.float64)
    return ahead, MULTIPLICATIVE if multiplicative else ADDITIVE


def residuals_of(model: dict[str, Any]) -> Floats:
    """One-step errors on the seasonally adjusted series; f8[n].

    The library puts the season back into them, by adding it where it was taken out by differences.
    """
    residuals = np.asarray(model["residuals"], np.float64)
    ahead, kind = season_of(model)
    if kind == NONE:
        return residuals
    season = ahead[np.arange(-len(residuals), 0) % len(ahead)]
    return residuals / season if kind == MULTIPLICATIVE else residuals - season
