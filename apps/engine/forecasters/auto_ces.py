"""Complex exponential smoothing, form chosen by AICc, estimated by statsforecast (Svetunkov, Kourentzes and Ord 2022).

The form is searched at a panel's earliest cutoff and re-estimated at later ones, as the exponential smoothing of
`auto_ets` is. Its standard deviations come from the impulse response of the linear model that it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.engine.forecasters.local import Unfit, choice, hint_of
from apps.engine.forecasters.paths import AdjustingForecaster, Ahead, split, spread_of_weights, whole_seasons
from apps.engine.panel import Floats

NO_SEASON, SIMPLE, FULL, BEST = "N", "S", "F", "Z"


class AutoCES(AdjustingForecaster):
    """Complex exponential smoothing; seasons longer than twelve are taken out beforehand."""

    name = "auto_ces"
    label = "AutoCES"
    min_points = 8
    longest_season = 12

    def prepare(self) -> None:
        """See `LocalForecaster`."""
        import statsforecast.ces  # noqa: F401 - it takes seconds

    def model(self, y: Floats, m: int, horizon: int, hint: str) -> Ahead:
        """See `AdjustingForecaster`."""
        from statsforecast.ces import forecast_ces

        form, searched_at = choice(hint, len(y))
        fitted = _estimate(y, m, BEST if form is None or (m == 1 and form != NO_SEASON) else form)
        found, m = fitted["seasontype"], int(fitted["m"])
        steps = whole_seasons(horizon, m)
        mean = np.asarray(forecast_ces(fitted, steps)["mean"], np.float64)  # type: ignore[no-untyped-call]
        level, base, season = split(mean, m, horizon)
        sigma = spread_of_weights(
            float(np.sqrt(fitted["sigma2"])), _response(found, fitted["par"], m, horizon)
        )
        return Ahead(level, base, sigma, season, hint_of(found, searched_at))


def _estimate(y: Floats, m: int, form: str) -> dict[str, Any]:
    from statsforecast.ces import auto_ces

    try:
        model: dict[str, Any] = auto_ces(y, m, form)  # type: ignore[no-untyped-call]
    except Exception as error:  # bare ones, for series that it fits exactly too
        raise Unfit("no form of complex exponential smoothing could be estimated") from error
    return model


def _response(form: str, par: dict[str, float], m: int, horizon: int) -> Floats:
    """What an error of 1 moves the forecasts of the next steps; f8[H-1]."""
    steps = np.arange(1, horizon)
    rounds, at_season = steps // m, steps % m == 0
    base = _complex(par["alpha_0"], par["alpha_1"], horizon)
    if form == NO_SEASON:
        return base[steps]
    if form == SIMPLE:
        return np.where(at_season, base[rounds], 0.0)
    seasonal = (
        _complex(par["beta_0"], par["beta_1"], horizon) if form == FULL else np.full(horizon, par["beta_0"])
    )
    return base[steps] + np.where(at_season, seasonal[rounds], 0.0)


def _complex(real: float, imaginary: float, horizon: int) -> Floats:
    """The response of the level of a complex smoother with parameter `real` + i `imaginary`; f8[H], 0 at the first."""
    level, potential = real - imaginary, real + imaginary
    response = np.zeros(horizon)
    for k in range(1, horizon):
        response[k] = level
        level, potential = level - (1 - imaginary) * potential, level + (1 - real) * potential
    return response
