"""One LightGBM for the whole panel: direct multi-horizon, the step is a feature, all values scale-free.

Known-future covariates are features at the target's time. Training takes their true values there; a forecast
takes them by the rule in `serving.covariates`, and the backtest by the same rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.engine.features import FeatureSpec
from apps.engine.forecasters import pooled
from apps.engine.forecasters.base import Estimate, FitContext, Forecaster
from apps.engine.panel import Floats, Panel
from apps.engine.serving.state import State

MAX_ROWS = 25_000
TREES = 100
FOR_COVARIATES = {
    "rows": 2,
    "trees": 3,
}  # as many times: their effects are finer than the course of the values
MOST_TREES = 600
SMALLER_STEPS = (
    0.7  # the power of patience by which trees correct less, so that more of them go a little further
)
PARAMETERS: dict[str, Any] = {
    "objective": "regression_l1",
    "learning_rate": 0.08,
    "num_leaves": 24,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "max_bin": 63,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


class LightGBMGlobal(Forecaster):
    """Gradient-boosted trees over all series and steps."""

    name = "lightgbm_global"
    label = "LightGBM, one model for all series"
    min_points = 4
    of_panel = True
    library = "lightgbm"
    import_seconds = 4.0

    def _fit(self, panel: Panel, context: FitContext) -> Estimate:
        spec, reasons = pooled.planned(panel), pooled.too_short(panel, self.min_points)
        fitted = panel.lengths >= self.min_points
        if not fitted.any():
            return Estimate(State(self.name, fitted), reasons)
        rows = pooled.training_rows(
            panel,
            spec,
            context.horizon,
            most=MAX_ROWS * max(_times("rows", spec), min(context.patience, 2)),
            seed=context.seed,
            usable=np.flatnonzero(fitted),
        )
        if (missing := self.lacks(rows)) is not None:
            return Estimate(
                State(self.name, np.zeros(len(panel), bool)), dict.fromkeys(panel.series_ids, missing)
            )
        text, residuals = self.learn(rows, spec, context)
        arrays = {
            "residual_sd": pooled.spread(residuals, rows.steps, context.horizon),
            "static": pooled.codes(panel, spec),
        }
        return Estimate(State(self.name, fitted, {"features": spec.as_json()}, arrays, text), reasons)

    def lacks(self, rows: pooled.Rows) -> str | None:
        """What is missing to learn from these rows, in words; None when nothing is."""
        return None if len(rows.target) > 1 else "the panel's series are too short to learn from"

    def learn(self, rows: pooled.Rows, spec: FeatureSpec, context: FitContext) -> tuple[str, Floats]:
        """The text of the model, and its residuals f8[R] in its units."""
        text, raw = boost(rows, rows.target, spec, context, PARAMETERS)
        return text, rows.target - raw


def boost(
    rows: pooled.Rows, target: Floats, spec: FeatureSpec, context: FitContext, parameters: dict[str, Any]
) -> tuple[str, Floats]:
    """The text of a model of `target` f8[R], and what it says of its own rows, raw, f8[R]."""
    import lightgbm

    rate = parameters["learning_rate"] / context.patience**SMALLER_STEPS
    trees = min(TREES * _times("trees", spec) * context.patience, MOST_TREES)
    settings = {**parameters, "learning_rate": rate, "seed": context.seed, "num_threads": context.threads}
    names = [f"f{i}" for i in range(len(spec.names))]
    categories = [f"f{i}" for i, name in enumerate(spec.names) if name.startswith("static_")]
    data = lightgbm.Dataset(
        rows.x, target, weight=rows.weight / rows.weight.mean(), feature_name=names, categorical_feature=categories,
        free_raw_data=False,
    )  # fmt: skip
    booster = lightgbm.train(settings, data, num_boost_round=trees)
    predicted = booster.predict(rows.x, raw_score=True, num_threads=context.threads)
    return _portable(booster.model_to_string()), np.asarray(predicted, np.float64)


def _times(what: str, spec: FeatureSpec) -> int:
    return FOR_COVARIATES[what] if spec.covariates else 1


def _portable(text: str) -> str:
    """The model text without the number of threads, so that equal models are equal bytes on every machine."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("[num_threads:")) + "\n"
