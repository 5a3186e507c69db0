"""MSTL with exponential smoothing of what the seasons leave, form chosen by AICc."""

from __future__ import annotations

from apps.engine.forecasters.exponential import smooth
from apps.engine.forecasters.mstl import MSTL
from apps.engine.forecasters.paths import Ahead
from apps.engine.panel import Floats


class MSTLETS(MSTL):
    """Several seasons by STL, ETS(Z,Z,N) for the rest."""

    name = "mstl_ets"
    label = "MSTL with ETS"

    def prepare(self) -> None:
        """See `LocalForecaster`."""
        import statsforecast.ets  # noqa: F401 - it takes seconds
        import statsmodels.tsa.seasonal  # noqa: F401

    def trend(self, y: Floats, horizon: int, hint: str) -> Ahead:  # noqa: ARG002 - the search is cheap
        """See `MSTL`."""
        return smooth(y, "ZZN", horizon)
