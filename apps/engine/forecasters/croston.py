"""Croston's method (Croston 1972)."""

from __future__ import annotations

import numpy as np

from apps.engine.forecasters.intermittent import Intermittent
from apps.engine.panel import Floats


class Croston(Intermittent):
    """Demands and the intervals between them, smoothed apart."""

    name = "croston"
    label = "Croston"

    def demand(self, y: Floats) -> tuple[float, Floats]:
        """See `Intermittent`."""
        from statsforecast import models

        found = models.CrostonClassic().forecast(y, 1, fitted=True)
        return float(found["mean"][0]), np.asarray(found["fitted"], np.float64)
