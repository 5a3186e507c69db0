"""Bundles of several members with weights, made from fitted forecasters whatever a backtest would say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from apps.engine import Spec, bundle
from apps.engine.calibration import Calibrated
from apps.engine.forecasters import PRETRAINED, REGISTRY, FitContext, Fitted
from apps.engine.forecasters.base import make_tails
from apps.engine.intervals import SCALE_ONLY, build_pool
from apps.engine.packing import Chosen, pack_model
from apps.engine.panel import Panel
from apps.engine.serving.loaded import assemble
from apps.engine.serving.predictors import PREDICTORS
from apps.engine.serving.state import State

from . import panels


def fitted(name: str, panel: Panel, horizon: int = 14) -> Fitted:
    """A forecaster by name, fitted; "paths" is one that keeps its forecasts."""
    if name == "paths":
        return paths(panel, horizon)
    trees = panels.trained_before(panel.frequency, horizon) if name == PRETRAINED else None
    return REGISTRY[name].fit(panel, FitContext(horizon, seed=1, pretrained=trees))


def paths(panel: Panel, horizon: int = 14) -> Fitted:
    """Forecasts kept as their parts: the last value, a line and a wave."""
    steps = np.arange(1, horizon + 1)
    levels = np.asarray([panel.series(s)[-1] for s in range(len(panel))])
    arrays = {
        "level": levels,
        "trend": np.tile(0.1 * steps, (len(panel), 1)),
        "season": np.outer(np.ones(len(panel)), np.sin(steps)),
        "sigma": np.tile(np.sqrt(steps), (len(panel), 1)),
    }
    state = State("paths", np.ones(len(panel), bool), arrays=arrays)
    tails = make_tails(panel, horizon)
    return Fitted("paths", panel.series_ids, state, tails, PREDICTORS["paths"](state, tails), {})


def packed(
    name: str, panel: Panel, horizon: int = 14, scaled_errors: np.ndarray | None = None, **spec
) -> bytes:
    """A bundle in which the named forecaster serves; `scaled_errors` f8[U, H] are those of a backtest, in units of the
    series' scales."""
    chosen = Chosen(name, name.replace("_", " "), [fitted(name, panel, horizon)], np.ones((len(panel), 1)))
    scores = np.zeros((0, horizon)) if scaled_errors is None else scaled_errors
    pool = replace(build_pool(scores, (80,)), unit=SCALE_ONLY)
    calibrated = Calibrated(pool, scores, [], {}, [])
    return pack_model(panel, Spec(horizon, **spec), chosen, calibrated, notes=[], flags={})


def ensemble(names: Sequence[str], panel: Panel, horizon: int = 14, weights=None, **spec) -> bytes:
    """A bundle of the named forecasters; `weights` f8[S, M], or equal ones."""
    members = [fitted(name, panel, horizon) for name in names]
    shares = np.full((len(panel), len(names)), 1 / len(names)) if weights is None else np.asarray(weights)
    content = bundle.unpack(packed(names[0], panel, horizon, **spec))
    arrays = {name: array for name, array in content.arrays.items() if not name.startswith("members/")}
    texts = {}
    for i, member in enumerate(members):
        state = member.state
        arrays |= {f"members/{i}/{name}": array for name, array in state.arrays.items()}
        arrays[f"members/{i}/fitted"] = state.fitted
        texts |= {f"members/{i}/model": state.text} if state.text else {}
    listed = [{"name": m.name, "kind": m.state.kind, "meta": dict(m.state.meta)} for m in members]
    meta = {**content.meta, "kind": "ensemble", "name": "ensemble", "label": "Ensemble", "members": listed}
    return repacked(bundle.Content(meta, {**arrays, "weights": shares}, texts))


def repacked(content: bundle.Content) -> bytes:
    """The content with test vectors of its own."""
    loaded = assemble(content, "")
    names = [loaded.meta.series_ids[row] for row in content.arrays["vectors/rows"]]
    mean = loaded.predict(names, loaded.meta.horizon_max).mean
    return bundle.pack(replace(content, arrays={**content.arrays, "vectors/mean": mean}))


ALL = ("seasonal_naive", "auto_ets", "theta", "lightgbm_global", "paths")


def five(panel: Panel | None = None, horizon: int = 14) -> bytes:
    """One member of every kind with equal weights."""
    return ensemble(ALL, panels.monthly() if panel is None else panel, horizon)
