"""Demand and its probability, smoothed apart (Teunter, Syntetos and Babai 2011)."""

from __future__ import annotations

import numpy as np

from apps.engine.forecasters.intermittent import Intermittent
from apps.engine.panel import Floats

WEIGHT_OF_DEMAND = 0.2
WEIGHT_OF_PROBABILITY = 0.2


class TSB(Intermittent):
    """Falls while there is no demand, so it follows what goes out of use."""

    name = "tsb"
    label = "TSB"

    def demand(self, y: Floats) -> tuple[float, Floats]:
        """See `Intermittent`."""
        from statsforecast import models

        found = models.TSB(WEIGHT_OF_DEMAND, WEIGHT_OF_PROBABILITY).forecast(y, 1, fitted=True)
        return float(found["mean"][0]), np.asarray(found["fitted"], np.float64)
