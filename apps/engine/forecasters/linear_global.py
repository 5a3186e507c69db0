"""One line for the whole panel: least absolute errors with a small ridge, on the features of the trees."""

from __future__ import annotations

import numpy as np

from apps.engine.features import FeatureSpec
from apps.engine.forecasters import pooled
from apps.engine.forecasters.base import Estimate, FitContext, Forecaster
from apps.engine.panel import Floats, Panel
from apps.engine.serving.lines import expanded, said
from apps.engine.serving.state import State

MAX_ROWS = 20_000
ROUNDS = 8
RIDGE = 1e-2
CLOSEST = 0.1  # of the typical error: rows closer than this weigh alike


class LinearGlobal(Forecaster):
    """A linear model over all series, with its own slope over the steps for each feature."""

    name = "linear_global"
    label = "Linear model, one for all series"
    min_points = 4
    of_panel = True

    def _fit(self, panel: Panel, context: FitContext) -> Estimate:
        spec, reasons = pooled.planned(panel), pooled.too_short(panel, self.min_points)
        fitted = panel.lengths >= self.min_points
        if not fitted.any():
            return Estimate(State(self.name, fitted), reasons)
        rows = pooled.training_rows(
            panel, spec, context.horizon, most=MAX_ROWS, seed=context.seed, usable=np.flatnonzero(fitted)
        )
        arrays = _line(rows, spec)
        arrays["static"] = pooled.codes(panel, spec)
        meta = {"features": spec.as_json()}
        predicted = said(arrays, expanded(spec, rows.x))
        arrays["residual_sd"] = pooled.spread(rows.target - predicted, rows.steps, context.horizon)
        return Estimate(State(self.name, fitted, meta, arrays), reasons)


def _line(rows: pooled.Rows, spec: FeatureSpec) -> dict[str, Floats]:
    """Means and deviations of the expanded columns f8[C], coefficients f8[C] and the intercept."""
    x = expanded(spec, rows.x)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation[deviation < 1e-9 * np.maximum(np.abs(mean), 1e-9)] = np.inf
    z = np.hstack([np.ones((len(x), 1)), (x - mean) / deviation])
    weight = rows.weight / rows.weight.mean()
    line = _least_absolute(z, rows.target, weight)
    inverse = 1.0 / deviation
    return {"mean": mean, "inverse": inverse, "slope": line[1:], "intercept": line[:1]}


def _least_absolute(z: Floats, target: Floats, weight: Floats) -> Floats:
    """Coefficients by iteratively reweighted least squares; f8[C]."""
    ridge = np.full(z.shape[1], RIDGE * len(z))
    ridge[0] = 0.0
    each = weight
    line: Floats = np.zeros(z.shape[1])
    for _ in range(ROUNDS):
        line = np.asarray(np.linalg.lstsq(*_normal(z, target, each, ridge), rcond=None)[0], np.float64)
        error = np.abs(target - z @ line)
        each = weight / np.maximum(error, CLOSEST * max(float(np.median(error)), 1e-9))
        each /= each.mean()
    return line


def _normal(z: Floats, target: Floats, weight: Floats, ridge: Floats) -> tuple[Floats, Floats]:
    """The normal equations, left and right."""
    weighted = z * weight[:, None]
    return weighted.T @ z + np.diag(ridge), weighted.T @ target
