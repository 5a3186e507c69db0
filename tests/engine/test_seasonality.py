"""What counts as a season."""

from __future__ import annotations

import numpy as np
import pytest

from apps.engine.seasonality import adjust, found_season, is_seasonal
from apps.engine.serving.predictors import NONE

MONTHS = 2 * np.pi * np.arange(120) / 12


@pytest.mark.parametrize("shift", [0.0, -300.0])
def test_a_season_is_seen_through_a_steep_trend(shift):
    y = 100 + 5.0 * np.arange(120) + 20 * np.sin(MONTHS) + np.random.default_rng(0).normal(0, 4, 120) + shift
    assert is_seasonal(y, 12)
    assert found_season(y, 12) == 12


def test_long_random_walks_are_not_taken_for_seasonal():
    rng = np.random.default_rng(1)
    walks = [1000 + np.cumsum(rng.normal(0, 3, 1000)) for _ in range(200)]
    assert np.mean([is_seasonal(y, 7) for y in walks]) < 0.25
    assert np.mean([is_seasonal(y, 24) for y in walks]) < 0.25


def test_three_seasons_are_enough_to_see_a_clear_one():
    rng = np.random.default_rng(4)
    clear = [100 + 10 * np.sin(MONTHS[:36]) + rng.normal(0, 3, 36) for _ in range(100)]
    assert np.mean([is_seasonal(y, 12) for y in clear]) > 0.95


def test_noise_is_not_seasonal_and_keeps_its_values():
    rng = np.random.default_rng(2)
    noise = [rng.normal(100, 5, 120) for _ in range(200)]
    assert np.mean([is_seasonal(y, 12) for y in noise]) < 0.12
    flat = next(y for y in noise if not is_seasonal(y, 12))
    assert adjust(flat, 12).kind == NONE
    assert np.array_equal(adjust(flat, 12).values, flat)


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_the_unit_does_not_matter(factor):
    y = 100 + 5 * np.sin(MONTHS) + np.random.default_rng(3).normal(0, 3, 120)
    assert is_seasonal(y, 12)
    assert is_seasonal(y * factor, 12)


def test_too_few_seasons_tell_nothing_and_constants_have_none():
    assert not is_seasonal(np.arange(29.0), 12)
    assert found_season(np.arange(29.0), 12) == 12
    assert found_season(np.full(60, 7.0), 12) == 1
