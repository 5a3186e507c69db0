"""What the check says about series, and that it changes nothing."""

from __future__ import annotations

import pytest

from apps.datasets.reading.contracts import Finding
from apps.datasets.reading.read import read_csv
from tests.datasets.csv_files import HEADER, daily, days


def found(text: str) -> dict[str, Finding]:
    """The findings of a readable file, by code."""
    reading = read_csv(text.encode())
    assert reading.state == "readable", (reading.problems, reading.questions)
    return {finding.code: finding for finding in reading.findings}


def rows(values: list[object], series: str = "a", start: str = "2024-01-01") -> str:
    """Daily rows of one series."""
    return "".join(
        f"{series},{day},{value}\n" for day, value in zip(days(len(values), start), values, strict=True)
    )


def test_a_clean_file_has_no_findings() -> None:
    assert found(daily()) == {}


def test_a_gap_names_series_row_and_steps() -> None:
    text = daily().replace("b,2024-01-07,7.5\n", "").replace("b,2024-01-08,8.5\n", "")
    gap = found(text)["gaps"]
    assert (gap.severity, gap.series, gap.rows, gap.count) == ("warning", ("b",), (28,), 2)


def test_missing_values_are_named_and_kept() -> None:
    reading = read_csv(daily().replace("a,2024-01-04,4.5", "a,2024-01-04,").encode())
    assert reading.findings[0].code == "missing_values"
    assert reading.findings[0].rows == (5,)
    assert reading.samples[0].y[3] is None


def test_a_time_off_the_grid_is_an_error_with_its_row() -> None:
    text = f"{HEADER}\n" + "".join(
        f"a,{day}T{'06:30' if day.day == 9 else '00:00'},1{day.day}\n" for day in days(20)
    )
    irregular = found(text)["irregular"]
    assert (irregular.severity, irregular.rows, irregular.series) == ("error", (10,), ("a",))


def test_series_of_different_frequencies_are_an_error() -> None:
    weekly = "".join(f"b,{day},{number}\n" for number, day in enumerate(days(140)[::7]))
    assert found(daily("a", 30) + weekly)["mixed_frequency"].severity == "error"


@pytest.mark.parametrize(("value", "code"), [(7, "constant"), (0, "all_zero")])
def test_a_series_that_never_changes_is_named(value: int, code: str) -> None:
    finding = found(daily() + rows([value] * 20, "c"))[code]
    assert (finding.series, finding.rows) == (("c",), (42,))


def test_a_series_that_is_often_zero_is_named() -> None:
    assert found(daily() + rows([0, 0, 3] * 7, "c"))["intermittent"].series == ("c",)


def test_a_short_series_among_long_ones_is_a_warning() -> None:
    short = found(daily(count=30) + rows([1, 2, 3], "c", "2024-01-28"))["too_short"]
    assert (short.severity, short.series) == ("warning", ("c",))


def test_a_series_that_ended_early_is_named_at_its_last_row() -> None:
    stopped = found(daily(count=40) + rows(list(range(1, 21)), "c"))["stopped_early"]
    assert (stopped.series, stopped.rows) == (("c",), (101,))


def test_a_series_without_any_value_is_named() -> None:
    assert found(daily() + rows([""] * 9, "c"))["no_values"].series == ("c",)


def test_rows_after_the_last_value_are_what_is_known_of_the_future() -> None:
    past = "".join(f"a,{day},{number}.5,{number % 3}\n" for number, day in enumerate(days(20)))
    future = "".join(f"a,{day},,1\n" for day in days(5, "2024-01-21"))
    findings = found(f"unique_id,ds,y,promo\n{past}{future}")
    assert findings["future_rows"].count == 5
    assert "missing_values" not in findings


def test_an_empty_cell_of_a_covariate_is_named() -> None:
    past = "".join(
        f"a,{day},{number}.5,{'' if number == 3 else number % 3}\n" for number, day in enumerate(days(20))
    )
    assert found(f"unique_id,ds,y,promo\n{past}")["missing_covariate"].rows == (5,)


def test_zero_is_proposed_for_gaps_only_when_sales_leave_their_empty_days_out() -> None:
    sold = "".join(f"a,{day},{day.day}\n" for day in days(60) if day.weekday() not in (1, 4))
    with_zero = sold.replace("a,2024-01-03,3", "a,2024-01-03,0")
    rules = [read_csv(f"{HEADER}\n{text}".encode()).table for text in (sold, with_zero)]
    assert [table.gap_rule for table in rules if table] == ["zero", "season"]
