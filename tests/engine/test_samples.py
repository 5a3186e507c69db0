"""Sample paths are possible futures: as wide as the errors were, and each in one piece."""

from __future__ import annotations

import numpy as np
import pytest

from apps.engine import errors, load_bundle

from . import ensembles, panels

HORIZON = 8


def walk_errors(count: int = 300, seed: int = 0) -> np.ndarray:
    """Signed errors that grow and lean to one side."""
    steps = np.random.default_rng(seed).normal(0.05, 0.2, (count, HORIZON))
    return np.cumsum(steps, axis=1)


def model(scaled_errors: np.ndarray | None = None, name: str = "theta", panel=None, **spec):
    panel = panels.monthly() if panel is None else panel
    return load_bundle(ensembles.packed(name, panel, HORIZON, scaled_errors, **spec))


def test_paths_are_the_forecast_plus_whole_rows_of_the_backtest_s_errors():
    scaled = walk_errors()
    loaded = model(scaled)
    assert loaded.sampled_from == "backtest"
    found = loaded.samples(["series-2"], HORIZON, 500, 7)
    assert found.shape == (1, 500, HORIZON)
    mean = loaded.predict(["series-2"], HORIZON).mean
    errors_drawn = (found - mean[:, None, :])[0] / loaded.scales[2]
    distance = np.abs(errors_drawn[:, None, :] - scaled[None, :, :]).max(axis=2).min(axis=1)
    assert distance.max() < 1e-9
    assert len(np.unique(errors_drawn.round(9), axis=0)) > 200


def test_steps_of_a_path_belong_together():
    found = model(walk_errors()).samples(["series-0"], HORIZON, 2000, 1)[0]
    assert np.corrcoef(found[:, -1], found[:, -2])[0, 1] > 0.8


def test_without_errors_paths_are_random_walks_as_wide_as_the_model_says():
    loaded = model()
    assert loaded.sampled_from == "normal"
    found = loaded.samples(["series-1"], HORIZON, 8000, 1)[0]
    sigma = loaded.members[0].predict(np.asarray([1]), HORIZON, {}).sigma[0]
    assert found.std(axis=0) == pytest.approx(sigma, rel=0.05)
    assert found.mean(axis=0) == pytest.approx(
        loaded.predict(["series-1"], HORIZON).mean[0], abs=0.05 * sigma.max()
    )
    assert np.corrcoef(found[:, -1], found[:, -2])[0, 1] > 0.8


@pytest.mark.parametrize("scaled", [None, walk_errors()])
def test_the_same_seed_gives_the_same_paths_whatever_is_asked_beside(scaled):
    loaded = model(scaled)
    whole = loaded.samples(None, HORIZON, 50, 3)
    assert np.array_equal(loaded.samples(["series-2"], HORIZON, 50, 3)[0], whole[2])
    assert np.array_equal(loaded.samples(["series-2"], 3, 50, 3)[0], whole[2][:, :3])
    assert not np.array_equal(loaded.samples(["series-2"], HORIZON, 50, 4)[0], whole[2])
    assert not np.array_equal(whole[0] - whole[0].mean(axis=0), whole[1] - whole[1].mean(axis=0))


def test_paths_keep_within_the_bounds():
    rng = np.random.default_rng(0)
    small = [np.abs(rng.normal(0, 1, 60)) for _ in range(2)]
    found = model(panel=panels.build(small)).samples(None, HORIZON, 500, 0)
    assert found.min() == 0.0


def test_paths_follow_the_covariates_of_the_request():
    loaded = model(name="lightgbm_global", panel=panels.retail())
    future = {"series-0": {"price": [10.0] * 3, "promotion": [0.0, 1.0, 0.0]}}
    found = loaded.samples(["series-0"], 3, 400, 0, future).mean(axis=1)[0]
    assert found[1] > 1.3 * found[0]


def test_a_few_rows_of_errors_are_not_enough():
    assert model(walk_errors(3)).sampled_from == "normal"
    missing = walk_errors(10)
    missing[:7, -1] = np.nan
    assert model(missing).sampled_from == "normal"


@pytest.mark.parametrize(
    ("count", "seed", "field"),
    [
        (0, 1, "count"),
        (10_001, 1, "count"),
        (2.0, 1, "count"),
        (True, 1, "count"),
        (5, -1, "seed"),
        (5, "7", "seed"),
    ],
)
def test_counts_and_seeds_out_of_range_are_refused(count, seed, field):
    with pytest.raises(errors.InvalidSampling, match=field):
        model().samples(None, HORIZON, count, seed)
