"""Conformal ranks, pooling and coverage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apps.engine.intervals import (
    BLENDED,
    MAX_SCORES,
    SCALE_ONLY,
    Pool,
    Unit,
    build_pool,
    conformal_quantile,
    expected_error,
    needed,
    rank,
)
from apps.engine.serving.loaded import make_bands
from apps.engine.serving.state import Points


@pytest.mark.parametrize(("level", "scores"), [(95, 19), (80, 4), (50, 1), (90, 9), (99, 99)])
def test_a_level_needs_just_so_many_scores(level, scores):
    assert needed(level) == scores
    assert rank(scores, level) == scores
    assert rank(scores - 1, level) > scores - 1


@pytest.mark.parametrize(
    ("count", "level", "expected"),
    [
        (19, 95, 19),
        (20, 95, 20),
        (39, 95, 38),
        (99, 95, 95),
        (4, 80, 4),
        (9, 80, 8),
        (10, 80, 9),
        (99, 80, 80),
    ],
)
def test_the_rank_is_the_one_worked_out_by_hand(count, level, expected):
    assert conformal_quantile(np.arange(1.0, count + 1), level) == expected


def test_too_few_scores_give_no_quantile():
    assert conformal_quantile(np.arange(18.0), 95) is None
    assert conformal_quantile(np.zeros(0), 80) is None


def both_ways(sizes: np.ndarray) -> np.ndarray:
    """Errors of these sizes, each of them once below and once above the forecast."""
    return np.concatenate([sizes, -sizes])


def test_steps_with_enough_scores_keep_their_own():
    sizes = np.column_stack([np.arange(1.0, 20.0), 10 * np.arange(1.0, 20.0)])
    pool = build_pool(both_ways(sizes), (95,))
    assert pool.pooling == "step"
    below, above = pool.widths(95, 2)
    assert below.tolist() == above.tolist() == [19.0, 190.0]


def test_steps_with_too_few_scores_borrow_from_their_neighbours():
    pool = build_pool(np.random.default_rng(0).random((5, 6)), (95,))
    assert pool.pooling == "neighbours"
    assert (pool.counts >= 19).all()
    assert pool.widths(95, 6) is not None


def test_one_or_two_windows_of_one_series_do_not_count_as_many():
    pool = build_pool(np.random.default_rng(0).random((2, 24)), (80, 95))
    assert pool.widths(95, 24) is None
    assert pool.widths(80, 24) is None


def test_errors_that_lean_to_one_side_give_a_band_that_does():
    skewed = np.random.default_rng(0).exponential(1.0, (500, 1)) - 0.2
    below, above = build_pool(skewed, (90,)).widths(90, 1)
    assert above[0] > 1.5 * below[0]
    assert build_pool(-skewed, (90,)).widths(90, 1).below[0] == pytest.approx(above[0])


def test_with_enough_for_the_level_but_not_for_each_tail_both_sides_are_as_wide():
    below, above = build_pool(np.random.default_rng(0).normal(0.5, 1, (19, 1)), (95,)).widths(95, 1)
    assert below == above


def test_sizes_of_early_bundles_never_shrink_with_the_step():
    sizes = np.column_stack([np.full(30, 3.0), np.full(30, 1.0), np.full(30, 5.0)])
    early = replace(build_pool(sizes, (80,)), signed=False, unit=SCALE_ONLY)
    assert early.widths(80, 3).above.tolist() == [3.0, 3.0, 5.0]


def test_thinning_a_large_pool_only_widens_the_band():
    values = np.random.default_rng(1).normal(0, 1, (3 * MAX_SCORES + 7, 1))
    below, above = build_pool(values, (80,)).widths(80, 1)
    whole = np.sort(values[:, 0])
    exact = Pool(whole[None, :], np.asarray([len(whole)]), "step").widths(80, 1)
    assert exact.above[0] <= above[0] <= exact.above[0] + 0.002
    assert exact.below[0] <= below[0] <= exact.below[0] + 0.002


@pytest.mark.parametrize("level", [50, 80, 95])
@pytest.mark.parametrize("skew", [0.0, 1.0])
def test_bands_cover_what_they_say_on_exchangeable_errors(level, skew):
    rng = np.random.default_rng(2)
    draw = lambda shape: rng.standard_t(4, shape) + skew * rng.exponential(1.0, shape)  # noqa: E731
    hits = []
    for _ in range(400):
        widths = build_pool(draw((60, 1)), (level,)).widths(level, 1)
        later = draw(50)
        hits.append((later <= widths.above[0]) & (later >= -widths.below[0]))
    assert np.mean(hits) >= level / 100 - 0.025


def test_the_unit_is_the_scale_that_grows_where_a_model_has_no_deviation_of_its_own():
    scales = np.asarray([2.0])
    assert expected_error(SCALE_ONLY, np.ones((1, 4)), scales).tolist() == [[2.0] * 4]
    grown = 2.0 * np.sqrt([1.0, 2.0, 3.0, 4.0])
    for nothing in (np.zeros((1, 4)), np.full((1, 4), np.inf), np.full((1, 4), np.nan)):
        assert expected_error(BLENDED, nothing, scales)[0] == pytest.approx(grown)
    assert expected_error(Unit(1.0, 0.5), np.full((1, 4), 7.0), scales).tolist() == [[7.0] * 4]
    between = expected_error(BLENDED, np.full((1, 4), 7.0), scales)[0]
    assert ((between > grown) & (between < 7.0)).all()


def test_bands_are_nested_bounded_and_labelled_when_one_level_lacks_scores():
    points = Points(np.asarray([[1.0, 1.0]]), np.asarray([[0.01, 0.01]]))
    pool = replace(build_pool(both_ways(np.full((5, 2), 3.0)), (80,)), unit=SCALE_ONLY)
    bands = make_bands(points, pool, (80, 95), scales=np.ones(1), lower=np.zeros(1), upper=3.5)
    assert bands[80].calibrated
    assert not bands[95].calibrated
    assert bands[80].lo.tolist() == [[0.0, 0.0]]
    assert (bands[95].hi >= bands[80].hi).all()
    assert bands[80].hi.tolist() == [[3.5, 3.5]]
