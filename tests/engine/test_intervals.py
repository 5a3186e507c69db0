"""Conformal ranks, pooling and coverage."""

from __future__ import annotations

import numpy as np
import pytest

from apps.engine.intervals import MAX_SCORES, build_pool, conformal_quantile, needed, rank
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


def test_steps_with_enough_scores_keep_their_own():
    scores = np.column_stack([np.arange(1.0, 20.0), 10 * np.arange(1.0, 20.0)])
    pool = build_pool(scores, (95,))
    assert pool.pooling == "step"
    assert pool.quantile(95, 2).tolist() == [19.0, 190.0]


def test_steps_with_too_few_scores_borrow_from_their_neighbours():
    pool = build_pool(np.random.default_rng(0).random((5, 6)), (95,))
    assert pool.pooling == "neighbours"
    assert (pool.counts >= 19).all()
    assert pool.quantile(95, 6) is not None


def test_one_or_two_windows_of_one_series_do_not_count_as_many():
    pool = build_pool(np.random.default_rng(0).random((2, 24)), (80, 95))
    assert pool.quantile(95, 24) is None
    assert pool.quantile(80, 24) is None


def test_widths_never_shrink_with_the_horizon():
    scores = np.column_stack([np.full(30, 3.0), np.full(30, 1.0), np.full(30, 5.0)])
    assert build_pool(scores, (80,)).quantile(80, 3).tolist() == [3.0, 3.0, 5.0]


def test_thinning_a_large_pool_only_widens_the_band():
    values = np.random.default_rng(1).random((3 * MAX_SCORES + 7, 1))
    pool = build_pool(values, (80,))
    exact = conformal_quantile(np.sort(values[:, 0]), 80)
    assert exact <= pool.quantile(80, 1)[0] <= exact + 0.001


@pytest.mark.parametrize("level", [50, 80, 95])
def test_bands_cover_what_they_say_on_exchangeable_errors(level):
    rng = np.random.default_rng(2)
    hits = []
    for _ in range(400):
        widths = build_pool(np.abs(rng.standard_t(4, (40, 1))), (level,)).quantile(level, 1)
        hits.append(np.abs(rng.standard_t(4, 50)) <= widths[0])
    assert np.mean(hits) == pytest.approx(level / 100, abs=0.025)


def test_bands_are_nested_bounded_and_labelled_when_one_level_lacks_scores():
    points = Points(np.asarray([[1.0, 1.0]]), np.asarray([[0.01, 0.01]]))
    pool = build_pool(np.full((10, 2), 3.0), (80,))
    bands = make_bands(points, pool, (80, 95), scales=np.ones(1), lower=np.zeros(1))
    assert bands[80].calibrated
    assert not bands[95].calibrated
    assert bands[80].lo.tolist() == [[0.0, 0.0]]
    assert (bands[95].hi >= bands[80].hi).all()
    assert bands[80].hi.tolist() == [[4.0, 4.0]]
