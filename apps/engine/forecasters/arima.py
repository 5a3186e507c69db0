"""ARIMA, orders chosen stepwise with approximation, estimated by statsforecast (Hyndman and Khandakar 2008)."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.engine.forecasters.local import choice, hint_of
from apps.engine.forecasters.paths import Ahead, split, whole_seasons
from apps.engine.panel import Floats

MOST = 3  # autoregressive and moving average terms each


def arima(y: Floats, m: int, horizon: int, hint: str) -> Ahead:
    """The forecast of the orders that `hint` names ("1,1,2,0,0,0,1@72"), or of the best ones; `m` 1: without a season."""
    orders, searched_at = choice(hint, len(y))
    model = _again(y, m, orders) if orders else None
    if model is None:
        model, searched_at = _search(y, m), len(y)
    steps = whole_seasons(horizon, m)
    mean, sigma = _predict(model, len(y), steps)
    hint = hint_of(_orders(model), searched_at)
    if m == 1:
        return Ahead(float(y[-1]), mean, sigma, hint=hint)
    level, base, season = split(mean, m, horizon)
    return Ahead(level, base, sigma[:horizon], season, hint)


def _search(y: Floats, m: int) -> dict[str, Any]:
    from statsforecast.arima import auto_arima_f

    model: dict[str, Any] = auto_arima_f(  # type: ignore[no-untyped-call]
        y, max_p=MOST, max_q=MOST, max_P=1, max_Q=1, seasonal=m > 1, period=m, approximation=True
    )
    return model


def _again(y: Floats, m: int, orders: str) -> dict[str, Any] | None:
    """The model of known orders; None when it cannot be estimated."""
    from statsforecast.arima import Arima

    p, d, q, sp, sd, sq, constant = (int(each) for each in orders.split(","))
    if m == 1 and sp + sd + sq:
        return None
    seasonal = {"order": (sp, sd, sq), "period": m}
    try:
        model: dict[str, Any] = Arima(  # type: ignore[no-untyped-call]
            y, (p, d, q), seasonal, include_constant=bool(constant), method="CSS-ML"
        )
    except Exception:  # noqa: BLE001 - orders that no longer suit are searched anew
        return None
    return model if np.isfinite(model["sigma2"]) else None


def _orders(model: dict[str, Any]) -> str:
    p, q, sp, sq, _, d, sd = (int(each) for each in model["arma"])
    constant = int(not {"drift", "intercept"}.isdisjoint(model["coef"]))
    return ",".join(str(each) for each in (p, d, q, sp, sd, sq, constant))


def _predict(model: dict[str, Any], length: int, steps: int) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the next steps; f8[steps] each."""
    from statsforecast.arima import change_drift_name, predict_arima

    times = None
    if "drift" in model["coef"]:
        times = np.arange(length + 1.0, length + steps + 1.0)[:, None]
        model = {**model, "coef": change_drift_name(model["coef"], inverse=True)}  # type: ignore[no-untyped-call]
    mean, sigma = predict_arima(model, steps, times)  # type: ignore[no-untyped-call]
    return np.asarray(mean, np.float64), np.asarray(sigma, np.float64)
