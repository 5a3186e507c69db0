"""One LightGBM for the whole panel with a Tweedie loss: for demand, many of whose values may be 0.

The target is how far a value lies above the floor, as a multiple of the size of the values before; the model says its
logarithm.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from apps.engine.features import FeatureSpec
from apps.engine.forecasters import pooled
from apps.engine.forecasters.base import FitContext
from apps.engine.forecasters.lightgbm_global import PARAMETERS, LightGBMGlobal, boost
from apps.engine.panel import Floats
from apps.engine.serving.pooled import LARGEST_LOG


class LightGBMTweedie(LightGBMGlobal):
    """Gradient-boosted trees over all series and steps, for amounts that are never below a floor."""

    name = "lightgbm_tweedie"
    label = "LightGBM for demand (Tweedie)"
    parameters: ClassVar[dict[str, Any]] = {
        **PARAMETERS,
        "objective": "tweedie",
        "tweedie_variance_power": 1.2,
    }

    def lacks(self, rows: pooled.Rows) -> str | None:
        """See `LightGBMGlobal`."""
        return super().lacks(rows) or (
            None if rows.ratio.any() else "nothing in the panel is ever above its floor"
        )

    def learn(self, rows: pooled.Rows, spec: FeatureSpec, context: FitContext) -> tuple[str, Floats]:
        """See `LightGBMGlobal`."""
        text, raw = boost(rows, rows.ratio, spec, context, self.parameters)
        return text, rows.ratio - np.exp(np.minimum(raw, LARGEST_LOG))
