"""One LightGBM for the whole panel: direct multi-horizon, the step is a feature, all values scale-free.

Known-future covariates are features at the target's time. Training takes their true values there; a forecast
takes them by the rule in `serving.covariates`, and the backtest by the same rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from apps.engine.features import FeatureSpec, design
from apps.engine.forecasters.base import Estimate, FitContext, Forecaster
from apps.engine.panel import Floats, Ints, Panel
from apps.engine.serving.state import State

MAX_ROWS = 30_000
TREES = 120
CLIP = 20.0
PARAMETERS: dict[str, Any] = {
    "objective": "regression_l1",
    "learning_rate": 0.1,
    "num_leaves": 24,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
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
        spec = FeatureSpec.plan(panel.frequency, panel.known_future)
        fitted = panel.lengths >= self.min_points
        reasons = {
            panel.series_ids[s]: f"it has {panel.lengths[s]} points, {self.min_points} are needed"
            for s in np.flatnonzero(~fitted)
        }
        x, target, steps = training_rows(panel, spec, context.horizon)
        if len(target) < 2:
            return Estimate(State("lightgbm_global", np.zeros(len(panel), bool)), reasons)
        text, residuals = _boost(x, target, spec, context)
        spread = _spread(residuals, steps, context.horizon)
        meta = {"features": spec.as_json()}
        return Estimate(State("lightgbm_global", fitted, meta, {"residual_sd": spread}, text), reasons)


def training_rows(panel: Panel, spec: FeatureSpec, horizon: int) -> tuple[Floats, Floats, Ints]:
    """Features f8[R, F], scaled targets f8[R] and steps i8[R] of at most about MAX_ROWS rows, latest origins
    first kept.
    """
    usable = np.maximum(panel.lengths - _first_origin(panel.lengths, spec) - 1, 0)
    stride = row_stride(int(usable.sum()) * horizon, spec.season)
    blocks = [_series_rows(panel, s, spec, horizon, stride) for s in range(len(panel))]
    x = np.concatenate([block[0] for block in blocks])
    return x, np.concatenate([block[1] for block in blocks]), np.concatenate([block[2] for block in blocks])


def row_stride(rows: int, season: int) -> int:
    """Every how many origins one is used: few enough rows, and no common factor with the season, so that the kept
    origins still fall on every position in it.
    """
    stride = max(1, -(-rows // MAX_ROWS))
    while math.gcd(stride, season) > 1:
        stride += 1
    return stride


def _first_origin(lengths: Ints, spec: FeatureSpec) -> Ints:
    """The first origin that has seen a season, or half the series where it is shorter."""
    return np.maximum(np.minimum(spec.season, lengths // 2), 1)


def _series_rows(
    panel: Panel, s: int, spec: FeatureSpec, horizon: int, stride: int
) -> tuple[Floats, Floats, Ints]:
    y = panel.series(s)
    first = int(_first_origin(panel.lengths[s : s + 1], spec)[0])
    origins = np.arange(len(y) - 2, first - 1, -stride)[::-1]
    if not len(origins) or len(y) < LightGBMGlobal.min_points:
        return np.zeros((0, len(spec.names))), np.zeros(0), np.zeros(0, np.int64)
    steps = np.arange(1, horizon + 1)
    made = design(
        spec,
        y,
        origins,
        steps,
        frequency=panel.frequency,
        start=panel.times(s)[0],
        offset=0,
        covariates=_padded(panel, s, horizon),
    )
    position = (origins[:, None] + steps[None, :]).ravel()
    inside = position < len(y)
    target = (y[np.minimum(position, len(y) - 1)] - np.repeat(made.anchor, horizon)) / np.repeat(
        made.scale, horizon
    )
    kept = inside & np.isfinite(target)
    return made.x[kept], np.clip(target[kept], -CLIP, CLIP), np.tile(steps, len(origins))[kept]


def _padded(panel: Panel, s: int, horizon: int) -> Mapping[str, Floats]:
    """Covariates of one series, extended over the horizon; what lies beyond the data is never a training
    row.
    """
    part = panel.slice_of(s)
    return {
        name: np.concatenate([c[part], np.full(horizon, np.nan)]) for name, c in panel.known_future.items()
    }


def _boost(x: Floats, target: Floats, spec: FeatureSpec, context: FitContext) -> tuple[str, Floats]:
    import lightgbm

    parameters = {**PARAMETERS, "seed": context.seed, "num_threads": context.threads}
    names = [f"f{i}" for i in range(len(spec.names))]
    data = lightgbm.Dataset(x, target, feature_name=names, free_raw_data=False)
    booster = lightgbm.train(parameters, data, num_boost_round=TREES)
    predicted = np.asarray(booster.predict(x, num_threads=context.threads), np.float64)
    return _portable(booster.model_to_string()), target - predicted


def _portable(text: str) -> str:
    """The model text without the number of threads, so that equal models are equal bytes on every machine."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("[num_threads:")) + "\n"


def _spread(residuals: Floats, steps: Ints, horizon: int) -> Floats:
    """Standard deviation of the scaled training residuals for each step; f8[H], never falling with the
    step.
    """
    overall = float(residuals.std())
    each = [
        float(residuals[steps == k].std()) if (steps == k).sum() > 1 else overall
        for k in range(1, horizon + 1)
    ]
    return np.maximum.accumulate(np.asarray(each))
