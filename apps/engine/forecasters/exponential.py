"""Exponential smoothing without a season, estimated by statsforecast (Hyndman, Koehler, Ord and Snyder 2008)."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.engine.forecasters.paths import Ahead, last
from apps.engine.intervals import normal_width
from apps.engine.panel import Floats

SIGMA_LEVEL = 68


def smooth(y: Floats, form: str, horizon: int) -> Ahead:
    """The forecast of one form, "ANN", "AAdN" or "ZZN" (the best by AICc), with its own standard deviations."""
    from statsforecast.ets import ets_f, forecast_ets

    damped = "d" in form if "Z" not in form else None
    fitted: dict[str, Any] = ets_f(  # type: ignore[no-untyped-call]
        y, m=1, model=form.replace("d", ""), damped=damped
    )
    band: dict[str, Any] = forecast_ets(fitted, horizon, level=[SIGMA_LEVEL])  # type: ignore[no-untyped-call]
    width = band[f"hi-{SIGMA_LEVEL}"] - band[f"lo-{SIGMA_LEVEL}"]
    sigma = np.asarray(width / (2 * normal_width(SIGMA_LEVEL)), np.float64)
    return Ahead(float(last(fitted["states"])[0]), np.asarray(band["mean"], np.float64), sigma)
