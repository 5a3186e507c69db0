"""The trees of `lightgbm_global` as they were trained on other series: nothing is learnt here."""

from __future__ import annotations

import numpy as np

from apps.engine.forecasters import pooled
from apps.engine.forecasters.base import Estimate, FitContext, Forecaster
from apps.engine.panel import Panel
from apps.engine.pretrained import SOURCE
from apps.engine.serving.state import State

NONE_GIVEN = "no pretrained model was given (Spec.pretrained)"


class PretrainedGlobal(Forecaster):
    """Gradient-boosted trees from an earlier training on other series; sees no covariates."""

    name = "pretrained_global"
    label = "LightGBM, trained before on other series"
    min_points = 4
    of_panel = True

    def _fit(self, panel: Panel, context: FitContext) -> Estimate:
        trees = context.pretrained
        refused = NONE_GIVEN if trees is None else trees.refuses(panel, context.horizon)
        if trees is None or refused is not None:
            reasons = dict.fromkeys(panel.series_ids, str(refused))
            return Estimate(State(SOURCE, np.zeros(len(panel), bool)), reasons)
        arrays = {
            "residual_sd": trees.residual_sd[: context.horizon],
            "static": np.zeros((len(panel), 0)),
        }
        meta = {"features": trees.features.as_json(), "pretrained": trees.sha256}
        reasons = {**_constant(panel), **pooled.too_short(panel, self.min_points)}
        fitted = np.asarray([series_id not in reasons for series_id in panel.series_ids])
        return Estimate(State(SOURCE, fitted, meta, arrays, trees.text), reasons)


def _constant(panel: Panel) -> dict[str, str]:
    """Series without a scale of their own: what trees say of them would be in the units of other series."""
    return {
        series_id: "it never changes"
        for s, series_id in enumerate(panel.series_ids)
        if np.ptp(panel.series(s)) == 0
    }
