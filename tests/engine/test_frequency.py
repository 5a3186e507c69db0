"""Frequencies are parsed, inferred and walked."""

from __future__ import annotations

import numpy as np
import pytest

from apps.engine import errors
from apps.engine.frequency import Frequency, infer

SEASONS = [
    ("D", 7), ("d", 7), ("h", 24), ("H", 24), ("15min", 96), ("15T", 96), ("min", 1440),
    ("30min", 48), ("2h", 12),
    ("W", 52), ("W-MON", 52), ("MS", 12), ("M", 12), ("ME", 12), ("QS", 4), ("Q", 4), ("QS-FEB", 4), ("YS", 1),
    ("A", 1), ("B", 5), ("2MS", 6), ("7D", 1), (1, 1), ("1", 1), (3, 1), ("s", 60),
]  # fmt: skip
INFERRED = [
    (["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"], "ME"),
    (["2024-01-01", "2024-02-01", "2024-03-01"], "MS"),
    (["2023-01-01", "2023-04-01", "2023-07-01"], "QS"),
    (["2023-03-31", "2023-06-30", "2023-09-30"], "QE"),
    (["2023-02-01", "2023-05-01", "2023-08-01"], "QS-FEB"),
    (["2020-01-01", "2021-01-01", "2022-01-01"], "YS"),
    (["2020-12-31", "2021-12-31", "2022-12-31"], "YE"),
    (["2020-07-01", "2021-07-01", "2022-07-01"], "YS-JUL"),
    (["2024-01-07", "2024-01-14", "2024-01-21"], "W-SUN"),
    (["2024-01-01", "2024-01-02", "2024-01-03"], "D"),
    (["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-06"], "D"),
    ([f"2024-01-{day:02}" for day in (1, 2, 3, 4, 5, 8, 9, 10)], "B"),
    (["2024-01-01T00", "2024-01-01T01", "2024-01-01T02"], "h"),
    (["2024-01-01T00:00", "2024-01-01T00:15", "2024-01-01T00:30"], "15min"),
    (["2024-01-01T00:00:00", "2024-01-01T00:00:10", "2024-01-01T00:00:20"], "10s"),
    (["2021-02-01", "2021-03-01", "2021-04-01"], "MS"),
]  # fmt: skip


@pytest.mark.parametrize(("alias", "season"), SEASONS)
def test_a_frequency_knows_its_season(alias, season):
    assert Frequency.parse(alias).season_length == season


@pytest.mark.parametrize("alias", [a for a, _ in SEASONS])
def test_a_parsed_alias_reads_back_as_itself(alias):
    parsed = Frequency.parse(alias)
    assert Frequency.parse(parsed.alias) == parsed
    assert Frequency.from_json(parsed.as_json()) == parsed


@pytest.mark.parametrize(
    "value", ["", "fortnight", "W-XYZ", "0D", "-1D", 0, -3, None, 1.5, True, "MS-", "D-MON"]
)
def test_anything_else_is_refused_by_name(value):
    with pytest.raises(errors.UnknownFrequency) as caught:
        Frequency.parse(value)
    assert caught.value.fields["value"] == value


@pytest.mark.parametrize(("times", "alias"), INFERRED)
def test_the_frequency_is_inferred_from_the_times(times, alias):
    ds = np.asarray(times, "datetime64[s]")
    found = infer(ds)
    assert found.alias == alias
    assert (found.index(ds) >= 0).all()


def test_integer_times_infer_an_integer_step():
    assert infer(np.asarray([10, 12, 14, 18])).multiple == 2


@pytest.mark.parametrize("times", [["2024-01-01", "2024-01-02"], ["2024-01-01", "2024-01-01", "2024-01-02"]])
def test_too_few_or_doubled_times_are_not_guessed_at(times):
    with pytest.raises(errors.FrequencyNotInferred):
        infer(np.asarray(times, "datetime64[s]"))


@pytest.mark.parametrize(
    ("alias", "start", "expected"),
    [
        ("ME", "2024-01-31", ["2024-01-31", "2024-02-29", "2024-03-31"]),
        ("MS", "2023-12-01", ["2023-12-01", "2024-01-01", "2024-02-01"]),
        ("QE", "2023-12-31", ["2023-12-31", "2024-03-31", "2024-06-30"]),
        ("YS", "2024-01-01", ["2024-01-01", "2025-01-01", "2026-01-01"]),
        ("B", "2024-01-05", ["2024-01-05", "2024-01-08", "2024-01-09"]),
        ("W-SUN", "2024-02-25", ["2024-02-25", "2024-03-03", "2024-03-10"]),
        ("D", "2024-02-28", ["2024-02-28", "2024-02-29", "2024-03-01"]),
    ],
)
def test_a_range_walks_the_calendar(alias, start, expected):
    assert list(Frequency.parse(alias).range(np.datetime64(start), 3)) == list(
        np.asarray(expected, "datetime64[s]")
    )


def test_the_future_starts_one_step_after_the_last_time():
    assert list(Frequency.parse(5).future(20, 2)) == [25, 30]


def test_a_time_off_the_grid_has_no_index():
    ds = np.asarray(["2024-01-01", "2024-02-01", "2024-02-15"], "datetime64[s]")
    assert list(Frequency.parse("MS").index(ds)) == [0, 1, -1]
