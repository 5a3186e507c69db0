"""Weights learned from a backtest: near equal without evidence, never for a member that is worse than the naive."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.engine.ensemble import PANEL_SHARE, SMALLEST, Evidence, mixed, single, weigh

NAIVE, GOOD, FAIR, BAD = range(4)
SINGLES = np.zeros(4, bool)


def evidence(*errors: float, windows: int = 2, series: int = 50, points: int = 12) -> Evidence:
    """The same errors of the members on every series and window."""
    return Evidence(np.tile(np.asarray(errors), (windows, series, 1)), points, NAIVE, SINGLES[: len(errors)])


def all_can(seen: Evidence) -> np.ndarray:
    return np.ones(seen.errors.shape[1:], bool)


def test_members_that_are_as_good_as_each_other_count_the_same():
    seen = evidence(1.0, 0.8, 0.8, 0.8)
    assert weigh(seen, all_can(seen)) == pytest.approx(np.tile([0, 1 / 3, 1 / 3, 1 / 3], (50, 1)))


def test_models_of_the_whole_panel_start_with_their_share():
    seen = replace(evidence(1.0, 0.8, 0.8, 0.8), of_panel=np.arange(4) == BAD)
    assert weigh(seen, all_can(seen))[0] == pytest.approx(
        [0, (1 - PANEL_SHARE) / 2, (1 - PANEL_SHARE) / 2, PANEL_SHARE]
    )
    alone = replace(seen, of_panel=np.arange(4) != NAIVE)
    assert weigh(alone, all_can(alone))[0] == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3])


def test_the_better_one_counts_more_and_the_others_still_count():
    seen = evidence(1.0, 0.6, 0.9, 0.9)
    weights = weigh(seen, all_can(seen))[0]
    assert weights[GOOD] > 2 * weights[FAIR] > 0.1


def test_one_worse_than_the_naive_gets_nothing():
    seen = evidence(1.0, 0.7, 0.9, 1.5)
    weights = weigh(seen, all_can(seen))
    assert (weights[:, BAD] == 0).all()
    assert (weights[:, NAIVE] == 0).all()


def test_where_all_are_worse_the_naive_serves_alone():
    seen = evidence(1.0, 1.5, 1.6, 2.0)
    assert (weigh(seen, all_can(seen))[:, NAIVE] == 1).all()


def test_a_series_own_errors_count_the_more_the_more_it_was_tested():
    errors = np.full((2, 50, 4), 0.8)
    errors[:, :, NAIVE] = 1.0
    errors[:, 0, GOOD], errors[:, 0, FAIR] = 0.4, 0.9
    shares = [
        weigh(Evidence(errors, points, NAIVE, SINGLES), np.ones((50, 4), bool))[0, GOOD]
        for points in (2, 12, 300)
    ]
    assert 1 / 3 < shares[0] < shares[1] < shares[2]
    other = weigh(Evidence(errors, 12, NAIVE, SINGLES), np.ones((50, 4), bool))[1]
    assert other[GOOD] == pytest.approx(other[FAIR], abs=0.05)


def test_where_only_some_members_see_covariates_what_the_panel_says_counts_more():
    seen = evidence(1.0, 0.6, 0.9, 0.9)
    told = replace(seen, covariates=True)
    plain, informed = (weigh(each, all_can(each))[0] for each in (seen, told))
    assert 0.5 < plain[GOOD] < 0.6
    assert 0.8 < informed[GOOD] < 0.9
    alike = replace(evidence(1.0, 0.8, 0.8, 0.8), covariates=True)
    assert weigh(alike, all_can(alike))[0, GOOD] == pytest.approx(1 / 3)


def test_a_member_that_cannot_serve_a_series_gets_nothing_there():
    seen = evidence(1.0, 0.7, 0.9, 0.9)
    can = all_can(seen)
    can[3, GOOD] = False
    weights = weigh(seen, can)
    assert weights[3, GOOD] == 0
    assert weights[3, FAIR] > weights[4, FAIR]


def test_a_series_nobody_tested_takes_the_panels_weights():
    seen = evidence(1.0, 0.6, 0.9, 0.9)
    seen.errors[:, 7] = np.nan
    weights = weigh(seen, all_can(seen))
    assert weights[7, GOOD] > weights[7, FAIR] > 0


@given(st.integers(0, 10_000))
def test_weights_are_shares_whatever_the_errors(seed):
    rng = np.random.default_rng(seed)
    errors = rng.lognormal(0, 2, (2, 9, 5)) * (rng.random((2, 9, 5)) > 0.1)
    errors[rng.random(errors.shape) < 0.2] = np.nan
    can = rng.random((9, 5)) < 0.8
    can[:, NAIVE] = True
    weights = weigh(Evidence(errors, 6, NAIVE, np.arange(5) == 4), can)
    assert weights.sum(axis=1) == pytest.approx(np.ones(9))
    assert ((weights == 0) | (weights >= SMALLEST)).all()
    assert not weights[~can].any()


def test_leaving_a_window_out_leaves_the_others():
    seen = evidence(1.0, 0.5)
    assert seen.without(0).errors.shape == (1, 50, 2)
    assert evidence(1.0, 0.5, windows=1).without(0).errors.shape == (1, 50, 2)


def test_one_alone_serves_what_it_can_and_the_naive_the_rest():
    can = np.asarray([[True, True], [True, False]])
    assert single(1, 0, can).tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_a_member_without_a_forecast_cedes_its_weight_and_spread_counts_in_the_deviation():
    means = [np.asarray([[10.0], [10.0]]), np.asarray([[20.0], [np.nan]])]
    mean, sigma = mixed(means, [np.ones((2, 1)), np.ones((2, 1))], np.full((2, 2), 0.5))
    assert mean.ravel().tolist() == [15.0, 10.0]
    assert sigma.ravel() == pytest.approx([np.sqrt(1 + 25), 1.0])
