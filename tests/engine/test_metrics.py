"""Metrics agree with figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from apps.engine import metrics

Y = np.asarray([10.0, 20.0, 30.0])
F = np.asarray([12.0, 18.0, 33.0])


def test_point_metrics_agree_with_the_hand():
    assert metrics.mae(Y, F) == pytest.approx(7 / 3)
    assert metrics.rmse(Y, F) == pytest.approx(np.sqrt(17 / 3))
    assert metrics.wape(Y, F) == pytest.approx(7 / 60)
    assert metrics.bias(Y, F) == pytest.approx(1.0)
    assert metrics.smape(Y, F) == pytest.approx(np.mean([200 * 2 / 22, 200 * 2 / 38, 200 * 3 / 63]))


def test_scales_are_the_seasonal_naive_errors():
    history = np.asarray([1.0, 2.0, 3.0, 5.0])
    assert metrics.naive_scale(history, 2) == pytest.approx((2 + 3) / 2)
    assert metrics.squared_scale(history, 2) == pytest.approx(np.sqrt((4 + 9) / 2))


@pytest.mark.parametrize(("history", "scale"), [([5.0, 5.0, 5.0], 5.0), ([0.0, 0.0], 1.0), ([3.0], 3.0)])
def test_a_scale_is_never_zero(history, scale):
    assert metrics.naive_scale(np.asarray(history), 12) == scale


def test_zero_over_zero_counts_as_no_error():
    assert metrics.smape(np.zeros(3), np.zeros(3)) == 0.0
    assert np.isnan(metrics.wape(np.zeros(3), np.ones(3)))


def test_missing_actuals_are_left_out():
    y = np.asarray([10.0, np.nan, 30.0])
    assert metrics.mae(y, F) == pytest.approx(2.5)
    assert metrics.coverage(y, F - 2.5, F + 2.5) == pytest.approx(0.5)


def test_interval_metrics_agree_with_the_hand():
    lo, hi = np.asarray([8.0, 21.0, 0.0]), np.asarray([12.0, 25.0, 40.0])
    assert metrics.coverage(Y, lo, hi) == pytest.approx(2 / 3)
    assert metrics.msis(Y, lo, hi, 2.0, 80) == pytest.approx((4 + 4 + 40 + 10 * 1) / 3 / 2)
    assert metrics.pinball(Y, F, 0.9) == pytest.approx((0.1 * 2 + 0.9 * 2 + 0.1 * 3) / 3)
