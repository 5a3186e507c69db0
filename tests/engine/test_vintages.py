"""A backtest sees of late and corrected points what was there when its last point had arrived."""

from __future__ import annotations

import numpy as np
import pytest

from apps.engine import errors
from apps.engine.frequency import Frequency
from apps.engine.panel import Panel
from apps.engine.vintages import Vintages, fill_unknown

DAY = np.timedelta64(1, "D")
START = np.datetime64("2024-01-01", "s")


def days(*numbers: float) -> np.ndarray:
    return START + np.asarray([int(number * 86_400) for number in numbers]).astype("timedelta64[s]")


def panel(vintages: Vintages, *series: list[float]) -> Panel:
    lengths = [len(each) for each in series]
    return Panel(
        tuple(f"s{number}" for number in range(len(series))),
        np.concatenate([np.asarray(each, float) for each in series]),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate([days(*range(length)) for length in lengths]),
        Frequency.parse("D", season_length=2),
        vintages=vintages,
    )


def told(*lines: tuple[int, int, float, float]) -> Vintages:
    """Lines of (series, position, day on which it became known, value)."""
    series, position, known, value = zip(*lines, strict=True)
    return Vintages(np.asarray(series), np.asarray(position), days(*known), np.asarray(value, float))


def test_a_corrected_point_has_its_earlier_value_before_the_correction() -> None:
    whole = panel(told((0, 1, 1, 20.0), (0, 1, 5, 2.0)), [1, 2, 3, 4, 5, 6, 7])
    assert whole.head(np.asarray([4])).values.tolist() == [1, 20, 3, 4]
    assert whole.head(np.asarray([6])).values.tolist() == [1, 2, 3, 4, 5, 6]


def test_a_point_that_had_not_arrived_is_filled_from_before() -> None:
    whole = panel(told((0, 2, 6, 3.0)), [1, 2, 3, 4, 5, 6, 7])
    assert whole.head(np.asarray([5])).values.tolist() == [1, 2, 1, 4, 5]
    assert whole.head(np.asarray([7])).values.tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_then_is_the_moment_at_which_the_last_point_arrived() -> None:
    late_together = told(*((0, position, 10, float(position)) for position in range(4)))
    whole = panel(late_together, [0, 1, 2, 3])
    assert whole.head(np.asarray([3])).values.tolist() == [0, 1, 2]
    a_day_late = panel(told((0, 1, 2.5, 20.0), (0, 2, 3, 3.0), (0, 1, 3.5, 2.0)), [1, 2, 3, 4])
    assert a_day_late.head(np.asarray([3])).values.tolist() == [1, 20, 3]


def test_each_series_has_its_own_then() -> None:
    whole = panel(told((0, 0, 3, 9.0), (1, 0, 3, 9.0)), [9, 1, 1, 1, 1], [9, 1, 1, 1, 1])
    assert whole.head(np.asarray([2, 4])).values.tolist() == [1, 1, 9, 1, 1, 1]


def test_a_point_that_was_taken_away_is_not_seen() -> None:
    whole = panel(told((0, 1, 1, 2.0), (0, 1, 2, np.nan)), [1, 2, 3, 4])
    assert whole.head(np.asarray([2])).values.tolist() == [1, 2]
    assert whole.head(np.asarray([3])).values.tolist() == [1, 1, 3]


def test_taking_series_keeps_their_own_lines() -> None:
    whole = panel(told((0, 1, 3, 2.0), (2, 1, 3, 5.0)), [1, 2, 3, 4], [1, 1, 1, 1], [4, 5, 6, 7])
    assert whole.take([2]).head(np.asarray([3])).values.tolist() == [4, 4, 6]
    assert whole.take([1]).head(np.asarray([3])).values.tolist() == [1, 1, 1]


def test_a_start_that_was_not_there_takes_the_first_value_that_was() -> None:
    filled = fill_unknown(np.asarray([np.nan, 3.0, np.nan, np.nan]), np.asarray([0, 3, 4]), 2)
    assert filled.tolist() == [3.0, 3.0, 3.0, 0.0]


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(errors.MalformedPanel):
        Vintages(np.zeros(1, int), np.zeros(2, int), days(1), np.zeros(1))
