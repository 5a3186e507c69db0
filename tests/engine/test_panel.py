"""Panels hold what fits together and refuse the rest, naming series and row."""

from __future__ import annotations

import numpy as np
import pytest

from apps.engine import errors
from apps.engine.panel import fill_gaps, from_columns

from . import panels

DAYS = np.arange("2024-01-01", "2024-01-07", dtype="datetime64[D]").astype("datetime64[s]")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_with_series_and_time(value):
    with pytest.raises(errors.NonFiniteValue) as caught:
        from_columns(["a"] * 6, DAYS, [1, 2, value, 4, 5, 6])
    assert caught.value.fields["series_id"] == "a"
    assert caught.value.fields["position"] == 2
    assert "2024-01-03" in caught.value.detail


def test_a_covariate_that_is_not_finite_is_refused_by_its_name():
    with pytest.raises(errors.NonFiniteValue, match="price"):
        from_columns(["a"] * 6, DAYS, [1, 2, 3, 4, 5, 6], known_future={"price": [1, np.nan, 1, 1, 1, 1]})


def test_a_doubled_time_is_refused():
    with pytest.raises(errors.DuplicateTimestamp, match="2024-01-02"):
        from_columns(["a"] * 3, DAYS[[0, 1, 1]], [1, 2, 3], frequency="D")


def test_a_time_off_the_grid_is_refused():
    with pytest.raises(errors.OffGrid, match="2024-01-02"):
        from_columns(["a"] * 3, DAYS[[0, 1, 2]], [1, 2, 3], frequency="2D")


def test_an_empty_panel_is_refused():
    with pytest.raises(errors.EmptyPanel):
        from_columns([], [], [])


def test_rows_in_any_order_make_the_same_panel():
    order = np.random.default_rng(0).permutation(6)
    ids = np.asarray(["b", "b", "b", "a", "a", "a"])
    ds = DAYS[[0, 1, 2, 0, 1, 2]]
    y = np.arange(6.0)
    panel = from_columns(ids[order], ds[order], y[order])
    assert panel.series_ids == ("a", "b")
    assert panel.series(0).tolist() == [3, 4, 5]
    assert panel.series(1).tolist() == [0, 1, 2]


def test_covariates_after_the_last_value_become_the_known_future():
    panel = from_columns(
        ["a"] * 6, DAYS, [1, 2, 3, 4, np.nan, np.nan], known_future={"price": [1, 2, 3, 4, 5, 6]}
    )
    assert panel.values.tolist() == [1, 2, 3, 4]
    assert panel.known_future["price"].tolist() == [1, 2, 3, 4]
    assert panel.future["price"].tolist() == [[5, 6]]


def test_a_gap_is_filled_with_the_season_before_and_counted():
    y = np.arange(20.0)
    keep = np.ones(20, bool)
    keep[[9, 10]] = False
    days = np.arange("2024-01-01", "2024-01-21", dtype="datetime64[D]").astype("datetime64[s]")
    panel, filled = fill_gaps(from_columns(["a"] * 18, days[keep], y[keep]))
    assert filled == {"a": 2}
    assert panel.values[[9, 10]].tolist() == [2, 3]
    assert np.delete(panel.values, [9, 10]).tolist() == np.delete(y, [9, 10]).tolist()


def test_a_cut_panel_knows_the_covariates_beyond_the_cut_and_no_value_beyond_it():
    panel = panels.retail(2, 30)
    cut = panel.head(np.asarray([20, 25]))
    assert cut.lengths.tolist() == [20, 25]
    assert cut.series(1).tolist() == panel.series(1)[:25].tolist()
    assert cut.future["price"][0].tolist() == panel.known_future["price"][20:30].tolist()
    assert np.isnan(cut.future["price"][1, 5:]).all()


def test_a_series_cut_to_nothing_is_left_out():
    assert panels.monthly(3).head(np.asarray([5, 0, 7])).series_ids == ("series-0", "series-2")
