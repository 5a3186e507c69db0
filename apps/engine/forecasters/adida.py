"""Aggregate, forecast, disaggregate (Nikolopoulos, Syntetos, Boylan, Petropoulos and Assimakopoulos 2011)."""

from __future__ import annotations

import numpy as np

from apps.engine.forecasters.intermittent import Intermittent
from apps.engine.panel import Floats


class ADIDA(Intermittent):
    """Smooths sums over the average interval between demands."""

    name = "adida"
    label = "ADIDA"

    def demand(self, y: Floats) -> tuple[float, Floats]:
        """See `Intermittent`."""
        from statsforecast import models

        found = models.ADIDA().forecast(y, 1, fitted=True)
        return float(found["mean"][0]), np.asarray(found["fitted"], np.float64)
