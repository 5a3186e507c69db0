"""Explanations add up to the forecast they explain."""

from __future__ import annotations

import numpy as np
import pytest

from apps.engine import Spec, errors, load_bundle, train
from apps.engine.explain import explain
from apps.engine.forecasters import PRETRAINED, REGISTRY

from . import ensembles, panels
from .ensembles import packed


@pytest.mark.parametrize("name", list(REGISTRY))
@pytest.mark.parametrize("step", [1, 13])
def test_base_and_parts_add_up_to_the_prediction(name, step):
    data = packed(name, panels.suited(name))
    found = explain(data, "series-2", step, 0)
    assert found.base + sum(part.value for part in found.parts) == pytest.approx(found.prediction, rel=1e-6)
    assert found.prediction == load_bundle(data).predict(["series-2"], 14, ()).mean[0, step - 1]
    trees = name in {"lightgbm_global", PRETRAINED}
    assert found.method == ("shap.TreeExplainer" if trees else "components")
    assert all(part.label for part in found.parts)


def test_trees_name_their_reasons_as_people_do():
    found = explain(packed("lightgbm_global", panels.monthly()), "series-0", 13, 0)
    labels = {part.label for part in found.parts}
    assert {"usual season", "value 24 months before", "month of year", "recent trend"} <= labels
    history = panels.monthly().series(0)
    assert found.inputs["season_1"] == pytest.approx(history[-12])
    assert found.base_label == "latest value without its season"


def test_a_promotion_shows_as_a_part_that_raises_the_forecast():
    spec = Spec(7, effort="fast", candidates=("lightgbm_global",), future_covariates="request", windows=2)
    data = train(panels.retail(), spec).bundle
    future = {"series-1": {"price": [10.0] * 3, "promotion": [0.0, 1.0, 0.0]}}
    found = explain(data, "series-1", 2, 0, future, 3)
    parts = {part.name: part for part in found.parts}
    assert parts["x_promotion"].label == "promotion"
    assert parts["x_promotion"].value > 5
    assert found.inputs["x_promotion"] == 1.0
    assert found.inputs["x_price"] == 10.0
    assert found.prediction == load_bundle(data).predict(["series-1"], 3, (), future).mean[0, 1]


def test_a_bounded_forecast_shows_the_bound_as_a_part():
    falling = [
        np.maximum(np.linspace(60, 2, 60) + np.random.default_rng(s).normal(0, 0.2, 60), 0) for s in range(2)
    ]
    found = explain(packed("auto_ets", panels.build(falling)), "series-0", 14, 0)
    assert found.prediction == 0.0
    assert found.parts[-1].name == "bound"
    assert found.parts[-1].value > 0
    assert found.base + sum(part.value for part in found.parts) == pytest.approx(0.0, abs=1e-9)


def test_a_step_or_series_that_the_model_lacks_is_refused():
    data = packed("seasonal_naive", panels.monthly())
    with pytest.raises(errors.InvalidHorizon):
        explain(data, "series-0", 15, 0)
    with pytest.raises(errors.InvalidHorizon):
        explain(data, "series-0", 0, 0)
    with pytest.raises(errors.UnknownSeries):
        explain(data, "nobody", 1, 0)


def test_an_ensemble_is_explained_in_the_words_of_one_model():
    data = ensembles.five(panels.retail())
    found = explain(data, "series-1", 5, 0)
    assert found.base + sum(part.value for part in found.parts) == pytest.approx(found.prediction, rel=1e-9)
    names = [part.name for part in found.parts]
    assert len(names) == len(set(names))
    assert {"season", "trend", "recent_level", "x_price", "x_promotion"} <= set(names)
    assert not any(name[0].isdigit() or name.startswith("season_") for name in names)
    assert set(found.inputs) == {"x_price", "x_promotion"}
    assert found.method == "shap.TreeExplainer and components"


def test_an_ensemble_gives_a_covariate_the_share_of_the_member_that_uses_it():
    panel = panels.retail()
    alone = explain(packed("lightgbm_global", panel), "series-1", 5, 0)
    shares = np.tile([0.75, 0.25], (4, 1))
    mixed = explain(ensembles.ensemble(("lightgbm_global", "theta"), panel, weights=shares), "series-1", 5, 0)
    price = {part.name: part.value for part in alone.parts}["x_price"]
    assert {part.name: part.value for part in mixed.parts}["x_price"] == pytest.approx(0.75 * price)
