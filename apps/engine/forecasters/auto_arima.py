"""AutoARIMA (Hyndman and Khandakar 2008) on a seasonally adjusted series.

Seasonal orders are searched only for seasons of four steps or fewer: for longer ones a seasonal state space costs
seconds a series, and adjustment beforehand forecasts no worse.
"""

from __future__ import annotations

from apps.engine.forecasters.arima import arima
from apps.engine.forecasters.paths import AdjustingForecaster, Ahead
from apps.engine.panel import Floats


class AutoARIMA(AdjustingForecaster):
    """ARIMA with up to three terms of each kind."""

    name = "auto_arima"
    label = "AutoARIMA"
    min_points = 10
    longest_season = 4

    def prepare(self) -> None:
        """See `LocalForecaster`."""
        import statsforecast.arima  # noqa: F401 - it takes seconds

    def model(self, y: Floats, m: int, horizon: int, hint: str) -> Ahead:
        """See `AdjustingForecaster`."""
        return arima(y, m, horizon, hint)
