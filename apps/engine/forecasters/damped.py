"""Damped trend exponential smoothing (Gardner and McKenzie 1985) on a seasonally adjusted series."""

from __future__ import annotations

from apps.engine.forecasters.exponential import smooth
from apps.engine.forecasters.paths import AdjustingForecaster, Ahead
from apps.engine.panel import Floats


class Damped(AdjustingForecaster):
    """ETS(A,Ad,N): a trend that levels off."""

    name = "damped"
    label = "Damped trend"
    min_points = 10

    def prepare(self) -> None:
        """See `LocalForecaster`."""
        import statsforecast.ets  # noqa: F401 - it takes seconds

    def model(self, y: Floats, m: int, horizon: int, hint: str) -> Ahead:  # noqa: ARG002 - the form is given
        """See `AdjustingForecaster`."""
        return smooth(y, "AAdN", horizon)
