"""Forecasts are told apart into components that add up to them."""

from __future__ import annotations

import numpy as np
import pytest

from apps.engine import bundle, errors, load_bundle
from apps.engine.features import FeatureSpec
from apps.engine.serving.components import KINDS, kind_of_column

from . import ensembles, panels


def loaded(name: str, panel=None):
    panel = panels.retail() if panel is None else panel
    return load_bundle(ensembles.five(panel) if name == "ensemble" else ensembles.packed(name, panel))


@pytest.mark.parametrize("name", [*ensembles.ALL, "ensemble"])
@pytest.mark.parametrize("panel", [panels.retail, panels.monthly])
def test_components_add_up_to_the_forecast(name, panel):
    model = loaded(name, panel())
    found = model.components(["series-3", "series-1"], 9)
    forecast = model.predict(["series-3", "series-1"], 9)
    assert found.series_ids == ("series-3", "series-1")
    assert np.array_equal(found.mean, forecast.mean)
    assert np.array_equal(found.ds[0], forecast.ds[0])
    total = sum(part.values for part in found.parts)
    assert np.abs(total - found.mean).max() <= 1e-9 * np.abs(found.mean).max()
    kinds = [KINDS.index(part.kind) for part in found.parts]
    assert kinds == sorted(kinds)


@pytest.mark.parametrize("name", [name for name in ensembles.ALL if name != "paths"])
def test_the_season_carries_the_wave_of_the_data(name):
    wave = 30 * np.sin(2 * np.pi * np.arange(96) / 12)
    model = loaded(name, panels.build([100 + wave + y * 0.01 for y in panels.seasonal(4, 96)]))
    season = model.components(["series-0"], 12).of("season")[0]
    assert np.corrcoef(season, wave[:12])[0, 1] > 0.9


def test_covariates_stand_by_name_and_a_promotion_raises_the_forecast():
    model = loaded("lightgbm_global")
    future = {"series-1": {"price": [10.0] * 3, "promotion": [0.0, 1.0, 0.0]}}
    found = {part.name: part for part in model.components(["series-1"], 3, future).parts}
    assert found["promotion"].kind == found["price"].kind == "covariates"
    assert found["promotion"].values[0].argmax() == 1
    assert found["promotion"].values[0, 1] > 5


def test_covariates_that_the_bundle_calls_events_are_of_that_kind():
    content = bundle.unpack(ensembles.packed("lightgbm_global", panels.retail()))
    data = bundle.pack(
        bundle.Content({**content.meta, "events": ["promotion"]}, content.arrays, content.texts)
    )
    found = load_bundle(data).components(None, 3)
    assert {part.name: part.kind for part in found.parts}["promotion"] == "events"
    assert np.array_equal(found.of("events"), next(p.values for p in found.parts if p.name == "promotion"))


def test_what_a_bound_did_is_a_part_of_its_own():
    rng = np.random.default_rng(0)
    falling = [np.maximum(np.linspace(60, 2, 60) + rng.normal(0, 0.2, 60), 0) for _ in range(2)]
    found = loaded("auto_ets", panels.build(falling)).components(None, 14)
    assert (found.mean[:, -1] == 0.0).all()
    assert found.parts[-1].kind == "bound"
    assert (found.of("bound")[:, -1] > 0).all()
    assert found.of("bound")[0, 0] == 0.0


def test_a_constant_series_has_a_level_and_nothing_else():
    panel = panels.build([np.full(40, 7.5), np.full(40, 3.0)])
    found = loaded("auto_ets", panel).components(None, 4)
    assert [part.kind for part in found.parts] == ["level"]


def test_a_series_without_weight_on_a_member_has_nothing_of_it():
    shares = np.asarray([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [1.0, 0.0]])
    model = load_bundle(ensembles.ensemble(("theta", "lightgbm_global"), panels.retail(), weights=shares))
    found = model.components(None, 14).of("covariates")
    assert (found[[0, 3]] == 0.0).all()
    assert (found[[1, 2]] != 0.0).any(axis=1).all()


def test_every_column_of_the_trees_has_its_kind():
    panel = panels.retail()
    spec = FeatureSpec.plan(panel.frequency, panel.known_future)
    kinds = {name: kind_of_column(spec, name) for name in spec.names}
    assert kinds["step"] == kinds["trend"] == "trend"
    assert kinds["lag_3"] == kinds["mean_long"] == "level"
    assert kinds["season_2"] == kinds["day_of_week"] == "season"
    assert kinds["x_price"] == "x_price"
    assert kinds["spread"] == kind_of_column(spec, "something new") == "remainder"


def test_a_request_that_cannot_be_forecast_cannot_be_told_apart():
    model = loaded("seasonal_naive")
    with pytest.raises(errors.InvalidHorizon):
        model.components(None, 15)
    with pytest.raises(errors.UnknownSeries):
        model.components(["nobody"], 3)
