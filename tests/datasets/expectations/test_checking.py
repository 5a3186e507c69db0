"""Expectations on a long table: what fails, where, and in which words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.datasets.expectations.checking import EXAMPLES, check, summarise
from apps.datasets.expectations.contracts import Failing, Result, Summary, parse

at = datetime.fromisoformat  # a time without a zone, as tables hold them
FIRST = at("2024-01-01")
DAY = timedelta(days=1)
NAN = float("nan")


def table(**series: list[tuple[int, float | None]]) -> pl.DataFrame:
    """Series of (day, value), in the order of a file with a header."""
    rows = [(name, day, y) for name, points in series.items() for day, y in points]
    return pl.DataFrame(
        {
            "unique_id": pl.Series([name for name, _, _ in rows], dtype=pl.String),
            "ds": pl.Series([FIRST + DAY * day for _, day, _ in rows], dtype=pl.Datetime("us")),
            "y": pl.Series([y for _, _, y in rows], dtype=pl.Float64),
            "__row": pl.Series(range(2, len(rows) + 2), dtype=pl.Int64),
        }
    )


def daily(*values: float | None) -> list[tuple[int, float | None]]:
    return list(enumerate(values))


def run(points: pl.DataFrame, kind: str, **members: Any) -> Result:
    how: dict[str, Any] = {"previous": None, "frequency": "D", "now": at("2024-01-05 12:00")}
    how |= {name: members.pop(name) for name in [*how, "statics"] if name in members}
    (result,) = check(points, parse([{"name": "it", "kind": kind, **members}]), **how)
    return result


def rows(result: Result) -> list[int | None]:
    return [place.row for place in result.examples]


SHOP = table(a=daily(1.0, 2.0, 3.0), b=daily(10.0, None, 30.0))


def test_a_value_out_of_range_is_named_with_its_row_series_time_and_value() -> None:
    result = run(SHOP, "range", max=20)
    assert not result.passed
    assert (result.failing, result.checked) == (1, 6)
    assert result.examples == (Failing(7, "b", "2024-01-03", 30.0),)
    assert result.message == (
        "“it” fails: 1 of 6 values of “y” are above 20; the first: row 7, series “b”, 2024-01-03: 30."
    )


@pytest.mark.parametrize(
    ("members", "failing"),
    [
        ({"min": 2}, [2]),
        ({"min": 1}, []),
        ({"min": 1, "inclusive": False}, [2]),
        ({"max": 30}, []),
        ({"max": 30, "inclusive": False}, [7]),
        ({"min": 2, "max": 10}, [2, 7]),
    ],
)
def test_limits_belong_to_the_range_unless_said_otherwise_and_missing_values_are_not_its_matter(
    members: dict[str, Any], failing: list[int]
) -> None:
    assert rows(run(SHOP, "range", **members)) == failing


def test_what_is_no_number_lies_in_no_range_and_travels_as_text() -> None:
    result = run(table(a=daily(1.0, NAN, float("inf"))), "range", min=0, max=5)
    assert [place.value for place in result.examples] == ["nan", "inf"]
    assert rows(run(table(a=daily(1.0, NAN)), "range", min=0)) == [3]


def test_missing_values_may_be_up_to_the_share_that_was_stated() -> None:
    assert rows(run(SHOP, "not_null")) == [6]
    assert rows(run(table(a=daily(NAN)), "not_null")) == [2]
    tolerated = run(SHOP, "not_null", max_share=0.2)
    assert (tolerated.passed, tolerated.failing) == (True, 1)
    assert tolerated.message == (
        "“it” holds: 1 of 6 values of “y” are missing (16.67%; up to 20.00% may be)."
    )
    assert not run(SHOP, "not_null", max_share=0.16).passed


def test_freshness_looks_at_the_newest_value_of_all_or_of_each_series() -> None:
    points = table(a=daily(1, 2, 3), b=daily(1, 2, 3, 4), c=[*daily(1), (90, None)])
    assert run(points, "freshness", steps=1).passed
    stale = run(points, "freshness", steps=1, per="series")
    assert [(place.series, place.row, place.ds) for place in stale.examples] == [
        ("a", 4, "2024-01-03"),
        ("c", 9, "2024-01-01"),
    ]
    assert "2 of 3 series have no value in the 1 step of D before 2024-01-05 12:00" in stale.message
    assert run(points, "freshness", steps=2, per="series").failing == 1


def test_freshness_of_the_whole_names_the_newest_there_is() -> None:
    result = run(SHOP, "freshness", age="24 hours")
    assert result.message == (
        "“it” fails: The data set has no value in the 24 hours before 2024-01-05 12:00; "
        "the newest: row 4, series “a”, 2024-01-03."
    )
    assert run(SHOP, "freshness", age="60 hours").passed
    assert not run(SHOP, "freshness", age="59 hours").passed


def test_a_series_without_any_value_is_not_fresh() -> None:
    result = run(table(a=daily(1.0), b=daily(None)), "freshness", steps=10, per="series")
    assert result.examples == (Failing(None, "b", None, None),)


def test_the_clock_of_another_zone_is_taken_as_utc() -> None:
    plus = datetime(2024, 1, 4, 2, tzinfo=UTC).astimezone(ZoneInfo("Asia/Tokyo"))
    assert run(SHOP, "freshness", age="26 hours", now=plus).passed
    assert not run(SHOP, "freshness", age="25 hours", now=plus).passed


@pytest.mark.parametrize(
    ("frequency", "last", "now", "steps"),
    [
        ("MS", at("2024-01-01"), at("2024-03-31"), 2),
        ("ME", at("2024-02-29"), at("2024-03-30"), 1),
        ("QS", at("2024-01-01"), at("2024-07-02"), 2),
        ("B", at("2024-01-05"), at("2024-01-08 09:00"), 1),
        ("h", at("2024-01-05 06:00"), at("2024-01-05 08:59"), 2),
    ],
)
def test_steps_are_those_of_the_calendar(frequency: str, last: datetime, now: datetime, steps: int) -> None:
    points = table(a=daily(1.0)).with_columns(ds=pl.lit(last, pl.Datetime("us")))
    assert run(points, "freshness", steps=steps, frequency=frequency, now=now).passed
    assert not run(points, "freshness", steps=steps - 1, frequency=frequency, now=now).passed


def test_completeness_counts_the_steps_that_have_a_value_from_the_first_to_the_last() -> None:
    points = table(a=daily(1, 2, 3), b=[(0, 1.0), (1, None), (3, 2.0)], c=[(0, None)])
    result = run(points, "completeness", min_share=0.9)
    assert [(place.series, place.value) for place in result.examples] == [("b", 0.5), ("c", 0.0)]
    assert result.message.endswith("the first: row 7, series “b”, 2024-01-04: 0.5.")
    assert run(points, "completeness", min_share=0.5).failing == 1


def test_completeness_of_the_whole_adds_the_series_up() -> None:
    points = table(a=daily(1, 2, 3, 4, 5, 6), b=[(0, 1.0), (3, 2.0)])
    assert run(points, "completeness", min_share=0.8, per="dataset").passed
    result = run(points, "completeness", min_share=0.81, per="dataset")
    assert result.message == (
        "“it” fails: All series together have less than 0.81 of their steps from the first to the last value."
    )
    assert [place.value for place in result.examples] == [0.8]


def test_neither_doubles_nor_times_off_the_grid_fill_a_gap() -> None:
    doubled = table(a=[(0, 1.0), (0, 1.0), (3, 1.0), (3, 1.0)])
    assert [place.value for place in run(doubled, "completeness", min_share=1).examples] == [0.5]
    off = table(a=[(0, 1.0), (1, 1.0), (2, 1.0)]).with_columns(
        ds=pl.col("ds") + pl.when(pl.col("__row") == 3).then(pl.duration(hours=1)).otherwise(pl.duration())
    )
    assert run(off, "completeness", min_share=0.6).passed
    assert not run(off, "completeness", min_share=0.7).passed


def test_large_tables_are_counted_in_slices_of_whole_series(monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.datasets.expectations import tables

    points = table(**{f"s{each}": [(0, 1.0), (1, 1.0), (each + 1, 1.0)] for each in range(1, 9)})
    whole = run(points, "completeness", min_share=0.9)
    monkeypatch.setattr(tables, "SLICE_ROWS", 4)
    assert run(points, "completeness", min_share=0.9) == whole
    assert whole.failing == 7


def test_repeated_times_are_named_from_the_second_on() -> None:
    result = run(table(a=[(0, 1.0), (0, 2.0), (0, 3.0), (1, 4.0)], b=[(1, 5.0)]), "unique")
    assert rows(result) == [3, 4]
    assert "2 of 5 rows repeat a series and time" in result.message


def test_series_may_be_only_those_that_are_allowed_and_each_is_told_once() -> None:
    result = run(SHOP, "allowed", values=["a", "c"])
    assert (result.failing, result.checked) == (1, 2)
    assert [place.series for place in result.examples] == ["b"]


def test_categories_are_looked_up_in_the_static_columns_too() -> None:
    statics = pl.DataFrame({"unique_id": ["a", "b"], "region": ["north", "Nroth"]})
    result = run(SHOP, "allowed", column="region", values=["north", "south"], statics=statics)
    assert result.examples == (Failing(None, "b", None, "Nroth"),)


def test_numbers_are_allowed_as_numbers() -> None:
    points = SHOP.with_columns(promotion=pl.Series([0.0, 1.0, None, 2.0, 1.0, 0.0]))
    assert rows(run(points, "allowed", column="promotion", values=[0, 1])) == [5]


@pytest.mark.parametrize(
    ("kind", "members", "passed"),
    [
        ("row_count", {"min": 6, "max": 6}, True),
        ("row_count", {"min": 7}, False),
        ("row_count", {"max": 5}, False),
        ("series_count", {"min": 2, "max": 2}, True),
        ("series_count", {"min": 3}, False),
    ],
)
def test_counts_have_bounds(kind: str, members: dict[str, int], passed: bool) -> None:
    assert run(SHOP, kind, **members).passed is passed


def test_a_count_says_what_it_found_and_what_was_expected() -> None:
    assert run(SHOP, "row_count", min=10, max=2000).message == (
        "“it” fails: The data set has 6 rows, where at least 10 and at most 2,000 are expected."
    )


def test_monotonic_compares_within_a_series_and_over_missing_values() -> None:
    points = table(a=[*daily(1.0, None, 0.5), (3, 0.5)], b=daily(0.1, 0.2))
    assert rows(run(points, "monotonic")) == [4]
    assert rows(run(points, "monotonic", strict=True)) == [4, 5]
    assert rows(run(points, "monotonic", direction="decreasing")) == [7]


def test_change_is_relative_to_the_version_before() -> None:
    before = Summary(6, 2, {"y": 40.0})
    assert run(SHOP, "change", max_change=0.15, previous=before).passed
    result = run(SHOP, "change", max_change=0.1, previous=before)
    assert result.message == (
        "“it” fails: The total of “y” changed by +15.0%, from 40 to 46; at most 10.0% is expected."
    )
    assert not run(SHOP, "change", max_change=0.1, of="rows", previous=Summary(9, 2)).passed
    assert not run(SHOP, "change", max_change=0.1, of="series", previous=Summary(6, 1)).passed


def test_change_has_nothing_to_say_without_a_version_before_and_much_where_it_was_zero() -> None:
    assert run(SHOP, "change", max_change=0.1).passed
    assert not run(SHOP, "change", max_change=9, previous=Summary(6, 2, {"y": 0.0})).passed
    negative = Summary(6, 2, {"y": -46.0})
    assert not run(SHOP, "change", max_change=1.9, previous=negative).passed
    assert run(SHOP, "change", max_change=2, previous=negative).passed


def test_a_summary_is_what_the_next_version_is_compared_with() -> None:
    assert summarise(SHOP.with_columns(price=pl.lit(2.0))) == Summary(6, 2, {"y": 46.0, "price": 12.0})


def test_series_ids_match_a_pattern_from_beginning_to_end() -> None:
    points = table(**{"store-1": daily(1.0), "store-1x": daily(1.0), "store-1\nz": daily(1.0)})
    result = run(points, "pattern", regex=r"store-\d|nothing")
    assert [place.series for place in result.examples] == ["store-1x", "store-1\nz"]


@pytest.mark.parametrize(
    ("kind", "members", "reason"),
    [
        ("range", {"column": "price", "min": 0}, "there is no column “price”; there are unique_id, y."),
        ("range", {"column": "unique_id", "min": 0}, "the column “unique_id” does not hold numbers."),
        ("allowed", {"values": [1]}, "holds texts, and the values that are allowed are numbers"),
        ("pattern", {"column": "y", "regex": "a"}, "does not hold texts"),
        ("pattern", {"regex": "(?:a{1000}){1000}"}, "is not one that can be run here"),
        ("freshness", {"steps": 1, "frequency": None}, "no regular grid"),
        ("completeness", {"min_share": 1, "frequency": None}, "no regular grid"),
    ],
)
def test_what_cannot_be_checked_fails_and_says_why(kind: str, members: dict[str, Any], reason: str) -> None:
    result = run(SHOP, kind, **members)
    assert (result.passed, result.measured, result.examples) == (False, False, ())
    assert result.message.startswith("“it” could not be checked: ")
    assert reason in result.message


def test_whole_numbers_as_time_have_steps_but_no_clock() -> None:
    points = table(a=daily(1, 2, 3)).with_columns(ds=pl.Series([10, 20, 50], dtype=pl.Int64))
    assert "no clock" in run(points, "freshness", steps=1, frequency="10").message
    result = run(points, "completeness", min_share=0.9, frequency="10")
    assert result.examples == (Failing(4, "a", 50, 0.6),)


def test_only_the_first_twenty_failures_are_named_and_all_are_counted() -> None:
    result = run(table(a=daily(*[5.0] * 50)), "range", max=1)
    assert (result.failing, len(result.examples), EXAMPLES) == (50, 20, 20)
    assert rows(result) == list(range(2, 22))


def test_a_table_without_rows_is_neither_fresh_nor_complete() -> None:
    empty = SHOP.clear()
    assert not run(empty, "freshness", steps=1).passed
    assert not run(empty, "completeness", min_share=0, per="dataset").passed
    assert run(empty, "range", min=0).passed


def test_results_come_in_the_order_in_which_the_expectations_were_stated() -> None:
    stated = [
        {"name": "c", "kind": "row_count", "min": 100},
        {"name": "a", "kind": "range", "max": 5, "severity": "warn"},
        {"name": "d", "kind": "range", "column": "none", "max": 5},
        {"name": "b", "kind": "unique"},
        {"name": "e", "kind": "range", "min": 5},
    ]
    results = check(SHOP, parse(stated), previous=None, frequency="D", now=FIRST)
    assert [(each.name, each.passed, each.severity) for each in results] == [
        ("c", False, "block"),
        ("a", False, "warn"),
        ("d", False, "block"),
        ("b", True, "block"),
        ("e", False, "block"),
    ]
    assert [rows(each) for each in results] == [[None], [5, 7], [], [], [2, 3, 4]]


def test_rows_without_numbers_are_named_by_series_and_time() -> None:
    result = run(SHOP.drop("__row"), "range", max=20)
    assert result.message.endswith("the first: series “b”, 2024-01-03: 30.")


VALUES = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.integers(0, 12),
        st.one_of(st.none(), st.floats(-100, 100, allow_nan=False).map(lambda each: round(each, 3))),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(VALUES, st.floats(-50, 0), st.floats(0, 50))
def test_what_is_found_is_what_a_loop_over_the_rows_finds(
    points: list[tuple[str, int, float | None]], low: float, high: float
) -> None:
    ordered = sorted(points, key=lambda each: each[:2])
    series: dict[str, list[tuple[int, float | None]]] = {}
    for name, day, y in ordered:
        series.setdefault(name, []).append((day, y))
    made = table(**series)
    outside = [at for at, (_, _, y) in enumerate(ordered, 2) if y is not None and not low <= y <= high]
    assert run(made, "range", min=low, max=high).failing == len(outside)
    assert rows(run(made, "range", min=low, max=high)) == outside[:EXAMPLES]
    again = [at for at in range(1, len(ordered)) if ordered[at][:2] == ordered[at - 1][:2]]
    assert rows(run(made, "unique")) == [at + 2 for at in again][:EXAMPLES]
    shares = {
        name: len({day for day, y in each if y is not None}) / (max(there) - min(there) + 1)
        for name, each in series.items()
        if (there := [day for day, y in each if y is not None])
    }
    found = run(made, "completeness", min_share=1)
    assert {place.series: place.value for place in found.examples if place.value} == {
        name: share for name, share in shares.items() if share < 1
    }
