"""Models that one fit serves all series with: their features and training rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apps.engine import LoadedBundle, Spec, load_bundle, train
from apps.engine.designs import Source, design
from apps.engine.features import FeatureSpec
from apps.engine.forecasters import REGISTRY, FitContext, pooled
from apps.engine.forecasters.base import make_tails
from apps.engine.frequency import Frequency
from apps.engine.panel import Panel
from apps.engine.update import update

from . import panels


def rows_of(panel, most: int = 40_000, horizon: int = 6) -> pooled.Rows:
    usable = np.arange(len(panel))
    return pooled.training_rows(panel, pooled.planned(panel), horizon, most=most, seed=0, usable=usable)


def test_every_column_has_a_name_and_the_target_leads_back_to_the_value():
    panel = panels.retail()
    spec = pooled.planned(panel)
    origins, steps = np.asarray([60, 90]), np.asarray([[1, 3], [2, 7]])
    made = design(spec, pooled.source_of(panel, 1, 7, np.zeros(0)), origins, steps)
    assert made.x.shape == (4, len(spec.names))
    values = panel.series(1)[origins[:, None] + steps]
    assert made.value(made.target(values).ravel()) == pytest.approx(values)


@pytest.mark.parametrize("frequency", ["MS", "QS", "W-SUN", "h", "D", "YS"])
def test_the_end_of_a_series_has_the_features_that_the_whole_has(frequency):
    grid = Frequency.parse(frequency)
    panel = panels.build(panels.seasonal(1, 400, grid.season_length), frequency)
    spec, steps, tails = pooled.planned(panel), np.arange(1, 7)[None, :], make_tails(panel, 6)
    whole = design(spec, pooled.source_of(panel, 0, 6, np.zeros(0)), np.asarray([399]), steps)
    kept = tails.series(0)
    source = Source(kept, grid, tails.times(0)[0], 400 - len(kept))
    end = design(spec, source, np.asarray([len(kept) - 1]), steps)
    assert end.x == pytest.approx(whole.x, rel=1e-9, abs=1e-9, nan_ok=True)
    assert end.season == pytest.approx(whole.season, rel=1e-9, abs=1e-9)


def test_features_see_nothing_behind_their_origin():
    y = panels.seasonal(1, 120)[0]
    changed = np.concatenate([y[:90], y[90:] * 7])
    spec, grid = FeatureSpec.plan(Frequency.parse("MS"), {}), Frequency.parse("MS")
    origins, steps = np.asarray([60, 89]), np.tile(np.arange(1, 13), (2, 1))
    one, other = (
        design(spec, Source(values, grid, np.datetime64("2015-01-01", "s")), origins, steps)
        for values in (y, changed)
    )
    assert np.array_equal(one.x, other.x, equal_nan=True)
    assert np.array_equal(one.season, other.season)


def test_a_pattern_that_repeats_is_found_and_noise_has_next_to_none():
    rng = np.random.default_rng(0)
    wave = 10 * np.sin(2 * np.pi * np.arange(12) / 12)
    steps = np.arange(1, 13)[None, :]
    for y, expected in ((np.tile(wave, 8) + 50, wave), (rng.normal(50, 5, 96), np.zeros(12))):
        panel = panels.build([y])
        made = design(
            pooled.planned(panel), pooled.source_of(panel, 0, 12, np.zeros(0)), np.asarray([95]), steps
        )
        assert np.abs(made.season[0] - expected).max() < 2.5


def test_rows_are_shared_out_evenly_and_no_series_outweighs_another():
    panel = panels.build([*panels.seasonal(3, 400), *panels.seasonal(1, 40)])
    found = rows_of(panel, 400)
    assert 200 < len(found.target) <= 500
    sums = [found.weight[found.weight == each].sum() for each in np.unique(found.weight)]
    assert found.weight.sum() == pytest.approx(4.0)
    assert max(sums) <= 4.0
    assert set(found.steps) == set(range(1, 7))


def test_attributes_and_past_covariates_become_columns_by_name():
    plain = panels.monthly()
    panel = type(plain)(
        plain.series_ids, plain.values, plain.indptr, plain.ds, plain.frequency,
        static={"brand": ["b", "a", "b", "c"]}, past={"visits": plain.values * 2},
    )  # fmt: skip
    spec = pooled.planned(panel)
    assert spec.static == {"brand": ("a", "b", "c")}
    assert pooled.codes(panel, spec)[:, 0].tolist() == [1, 0, 1, 2]
    assert spec.codes({"brand": "new"}).tolist() == [-1]
    assert {"past_0_visits", "past_2_visits", "static_brand"} <= set(spec.names)
    assert FeatureSpec.from_json(spec.as_json()) == spec


def by_lightgbm(text: str, panel: Panel, horizon: int) -> np.ndarray:
    """What LightGBM itself says of the features of the whole panel, as the training makes them; f8[S, H]."""
    import lightgbm

    spec, booster = pooled.planned(panel), lightgbm.Booster(model_str=text)
    coded, steps, said = pooled.codes(panel, spec), np.arange(1, horizon + 1)[None, :], []
    for s in range(len(panel)):
        source = pooled.source_of(panel, s, horizon, coded[s])
        made = design(spec, source, np.asarray([len(source.y) - 1]), steps)
        said.append(made.value(np.asarray(booster.predict(made.x)))[0])
    return np.stack(said)


def served(loaded: LoadedBundle, horizon: int) -> np.ndarray:
    return loaded.predict(None, horizon).mean


def test_a_model_that_knows_visits_only_of_the_past_serves_the_numbers_of_the_training():
    whole = panels.visited(12)
    panel = whole.head(whole.lengths - 3)
    spec = Spec(3, forecaster="lightgbm_global", effort="fast")
    data = train(panel, spec).bundle
    trees = REGISTRY["lightgbm_global"].fit(panel, FitContext(3)).state.text
    assert served(load_bundle(data), 3) == pytest.approx(by_lightgbm(trees, panel, 3), rel=1e-9)
    moved = update(data, whole)
    assert served(load_bundle(moved), 3) == pytest.approx(by_lightgbm(trees, whole, 3), rel=1e-9)
    coming = np.stack([whole.series(s)[-3] for s in range(len(whole))])
    blind = load_bundle(train(replace(panel, past={}), spec).bundle)
    ours, theirs = (np.abs(served(each, 3)[:, 0] - coming).mean() for each in (load_bundle(data), blind))
    assert ours < 0.3 * theirs
