"""A recipe's steps change what they say they change, and nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from apps.datasets.doctor import fixes
from apps.datasets.doctor.contracts import Step
from apps.engine.frequency import Frequency

START = datetime(2024, 1, 1)  # noqa: DTZ001 - as stored
NOW = datetime(2030, 1, 1)  # noqa: DTZ001 - as stored


def _table(values: list[float | None], days: list[int] | None = None) -> pl.DataFrame:
    days = days or list(range(len(values)))
    data = {
        "unique_id": ["a"] * len(values),
        "ds": [START + timedelta(days=day) for day in days],
        "y": values,
        "__row": list(range(2, len(values) + 2)),
    }
    return pl.DataFrame(data, schema_overrides={"ds": pl.Datetime("us"), "y": pl.Float64})


def _apply(table: pl.DataFrame, *steps: Step) -> fixes.Applied:
    return fixes.apply(table, steps, frequency=Frequency.parse("D"), covariates=(), now=NOW)


def _week(count: int = 60) -> list[float | None]:
    return [100 + 10 * (day % 7) + (day * 37 % 11) / 5 for day in range(count)]


@pytest.mark.parametrize(
    ("fix", "value"),
    [("keep_last", 9.0), ("keep_first", 130.0), ("sum", 139.0), ("mean", 69.5), ("max", 130.0)],
)
def test_of_conflicting_rows_one_stays(fix: str, value: float) -> None:
    values = _week()
    values[10], days = 130.0, list(range(60))
    table = _table([*values[:11], 9.0, *values[11:]], [*days[:11], 10, *days[11:]])
    done = _apply(table, Step("conflicting_rows", fix))
    assert done.table.filter(pl.col("ds") == START + timedelta(days=10))["y"].to_list() == [value]
    assert done.table.height == 60
    assert set(done.changes["ds"]) == {"2024-01-11"}


@pytest.mark.parametrize("fix", ["as_missing", "median", "clip"])
def test_an_outlier_is_mended_by_earlier_points_only(fix: str) -> None:
    values = _week()
    values[40] = 5000.0
    later = [*values[:50], *(400.0 for _ in range(10))]
    after = [_apply(_table(each), Step("outliers", fix)).table["y"][40] for each in (values, later)]
    known = [each for each in values[:40] if each is not None]
    assert after[0] == after[1]
    assert after[0] is None if fix == "as_missing" else min(known) <= after[0] <= max(known)


def test_a_recipe_changes_neither_the_table_given_nor_anything_without_findings() -> None:
    table = _table(_week())
    done = _apply(
        table, Step("outliers", "clip"), Step("conflicting_rows", "sum"), Step("sentinel", "as_missing")
    )
    assert done.table.equals(table)
    assert done.changes.height == 0


def test_a_step_for_certain_times_leaves_the_others() -> None:
    values = _week()
    values[20] = values[40] = 5000.0
    done = _apply(_table(values), Step("outliers", "as_missing", series=("a",), at=("2024-02-10",)))
    assert (done.table["y"][20], done.table["y"][40]) == (5000.0, None)
