"""Simple exponential smoothing (Brown 1956) on a seasonally adjusted series."""

from __future__ import annotations

from apps.engine.forecasters.exponential import smooth
from apps.engine.forecasters.paths import AdjustingForecaster, Ahead
from apps.engine.panel import Floats


class SimpleSmoothing(AdjustingForecaster):
    """ETS(A,N,N): a level and no trend."""

    name = "ses"
    label = "Simple exponential smoothing"
    min_points = 7

    def prepare(self) -> None:
        """See `LocalForecaster`."""
        import statsforecast.ets  # noqa: F401 - it takes seconds

    def model(self, y: Floats, m: int, horizon: int, hint: str) -> Ahead:  # noqa: ARG002 - the form is given
        """See `AdjustingForecaster`."""
        return smooth(y, "ANN", horizon)
