"""Tables of every make can be examined, and what looks like a fault but is none is not called one."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from apps.datasets.doctor import fixes
from apps.datasets.doctor.contracts import Finding, Step
from apps.datasets.doctor.detect import About
from apps.datasets.doctor.examine import examine
from apps.engine.frequency import Frequency

START = datetime(2024, 1, 1)  # noqa: DTZ001 - as stored times are: without a zone
NOW = datetime(2030, 1, 1)  # noqa: DTZ001


def usual(count: int = 60) -> list[float | None]:
    """A week's pattern with some noise."""
    return [100 + 10 * (day % 7) + (day * 37 % 11) / 5 for day in range(count)]


def table(values: list[float | None], **columns: list[float | None]) -> pl.DataFrame:
    """Daily rows of one series."""
    times = [START + timedelta(days=day) for day in range(len(values))]
    data = {"unique_id": ["a"] * len(values), "ds": times, "y": values, **columns}
    floats = dict.fromkeys(("y", *columns), pl.Float64)
    frame = pl.DataFrame(data, schema_overrides={"ds": pl.Datetime("us"), **floats})
    return frame.with_row_index("__row", offset=2).with_columns(pl.col("__row").cast(pl.Int64))


def found(
    frame: pl.DataFrame,
    covariates: tuple[str, ...] = (),
    past: tuple[str, ...] = (),
    frequency: str | int = "D",
) -> dict[str, Finding]:
    """The findings of a table that are more than an info, by code."""
    about = About(covariates, past, Frequency.parse(frequency), {}, None, None, NOW)
    return {each.code: each for each in examine(frame, about).findings if each.severity != "info"}


@pytest.mark.parametrize("kind", [pl.Enum(["a"]), pl.Categorical(), pl.String()], ids=str)
def test_series_may_be_named_by_text_category_or_enum(kind: pl.DataType) -> None:
    values = [None if day == 9 else value for day, value in enumerate(usual())]
    told = found(table(values).with_columns(pl.col("unique_id").cast(kind)))
    assert {code: (each.series, each.rows) for code, each in told.items()} == {
        "missing_values": (("a",), (11,))
    }


def test_an_empty_table_has_no_findings() -> None:
    assert found(table([])) == {}


def test_whole_numbers_are_times_too() -> None:
    frame = table(usual()).with_columns(ds=pl.int_range(60, dtype=pl.Int64)).filter(pl.col("ds") != 30)
    told = found(frame, frequency=1)
    assert {code: (each.rows, each.count) for code, each in told.items()} == {"gaps": ((33,), 1)}


def test_nan_counts_as_no_value_and_an_infinity_as_none_that_is_finite() -> None:
    values = usual()
    values[9], values[20] = float("nan"), float("inf")
    told = found(table(values))
    assert {code: each.rows for code, each in told.items()} == {"missing_values": (11,), "non_finite": (22,)}
    assert told["non_finite"].severity == "error"


def test_an_infinity_can_count_as_missing_in_the_value_and_in_a_column() -> None:
    values, prices = usual(), usual()
    values[20] = prices[30] = float("inf")
    step = Step("non_finite", "as_missing")
    done = fixes.apply(
        table(values, price=prices), [step], frequency=Frequency.parse("D"), covariates=("price",), now=NOW
    )
    assert (done.table["y"][20], done.table["price"][30]) == (None, None)
    assert done.changes.select("column", "ds").rows() == [("y", "2024-01-21"), ("price", "2024-01-31")]


def test_negative_zero_is_zero_and_not_negative() -> None:
    values = [0.0 if day % 5 == 0 else value for day, value in enumerate(usual())]
    values[10] = -0.0
    assert found(table(values)) == {}


def test_a_series_that_only_repeats_itself_was_not_copied() -> None:
    assert found(table([(5.0, 9.0, 3.0, 7.0, 1.0, 8.0, 2.0)[day % 7] for day in range(140)])) == {}


def test_a_column_known_only_up_to_now_may_equal_the_value_but_not_a_later_one() -> None:
    values = usual()
    assert found(table(values, meter=values), past=("meter",)) == {}
    told = found(table(values, meter=[*values[1:], 1.0]), past=("meter",))
    assert told["covariate_leak"].column == "meter"


def test_the_value_of_the_step_before_gives_nothing_away_however_smooth_a_series_is() -> None:
    values: list[float | None] = [float(day * day) for day in range(120)]
    assert found(table(values, before=[0.0, *values[:-1]]), covariates=("before",)) == {}
    assert "covariate_leak" in found(table(values, same=values), covariates=("same",))


def test_a_date_decades_away_is_named_and_leaving_it_out_leaves_the_rest() -> None:
    frame = table(usual())
    epoch = pl.when(pl.col("__row") == 2).then(pl.datetime(1970, 1, 1)).otherwise("ds").alias("ds")
    frame = frame.with_columns(epoch.cast(pl.Datetime("us")))
    told = found(frame)
    assert {code: (each.rows, each.severity) for code, each in told.items()} == {"far_dates": ((2,), "error")}
    done = fixes.apply(
        frame, [Step("far_dates", "drop")], frequency=Frequency.parse("D"), covariates=(), now=NOW
    )
    assert done.table.equals(frame.tail(59))


def test_a_history_with_a_long_break_has_a_gap_and_no_far_dates() -> None:
    frame = table(usual(120)).filter(~pl.col("__row").is_between(12, 90))
    assert set(found(frame)) == {"gaps"}
