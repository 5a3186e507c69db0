"""MSTL with a non-seasonal ARIMA of what the seasons leave."""

from __future__ import annotations

from apps.engine.forecasters.arima import arima
from apps.engine.forecasters.mstl import MSTL
from apps.engine.forecasters.paths import Ahead
from apps.engine.panel import Floats


class MSTLARIMA(MSTL):
    """Several seasons by STL, ARIMA for the rest."""

    name = "mstl_arima"
    label = "MSTL with ARIMA"

    def prepare(self) -> None:
        """See `LocalForecaster`."""
        import statsforecast.arima  # noqa: F401 - it takes seconds
        import statsmodels.tsa.seasonal  # noqa: F401

    def trend(self, y: Floats, horizon: int, hint: str) -> Ahead:
        """See `MSTL`."""
        return arima(y, 1, horizon, hint)
