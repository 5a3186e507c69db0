"""Run expectations on a long table: pandera says which rows fail, all tests of a table in one pass."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrorReason, SchemaErrors

from apps.datasets.expectations.building import Test, build
from apps.datasets.expectations.contracts import Expectation, Failing, Result, Summary
from apps.datasets.expectations.tables import ROW, CannotCheck, Given
from apps.datasets.reading.contracts import shorten
from apps.datasets.reading.samples import spoken

EXAMPLES: Final = 20


def check(
    table: pl.DataFrame,
    expectations: Sequence[Expectation],
    *,
    previous: Summary | None,
    frequency: str | None,
    now: datetime,
    statics: pl.DataFrame | None = None,
) -> list[Result]:
    """How each expectation fares on a long table (sorted by unique_id, ds, __row), in their order.

    ``previous`` is the version before (None: there is none), ``frequency`` the alias of the grid, ``now`` the moment in
    the zone of the table's times (aware: UTC), ``statics`` one row a series with its static columns.
    """
    given = Given(table, previous=previous, frequency=frequency, now=now, statics=statics)
    return check_given(given, expectations)


def summarise(table: pl.DataFrame) -> Summary:
    """What the version after this one will be compared with."""
    return Given(table, previous=None, frequency=None, now=datetime.min).summary  # noqa: DTZ901 - nothing looks at it


def check_given(given: Given, expectations: Sequence[Expectation]) -> list[Result]:
    """As ``check``, on what was gathered."""
    tests: dict[str, Test] = {}
    unmade: dict[str, str] = {}
    for expectation in expectations:
        try:
            tests[expectation.name] = build(expectation, given)
        except CannotCheck as reason:
            unmade[expectation.name] = str(reason)
    failing = _failing(tests)
    return [
        _not_made(each, unmade[each.name])
        if each.name in unmade
        else _result(each, tests[each.name], failing.get(each.name))
        for each in expectations
    ]


def _failing(tests: Mapping[str, Test]) -> dict[str, pl.Series]:
    """Of each test that fails somewhere, the positions."""
    by_table: dict[int, dict[str, Test]] = {}
    for name, test in tests.items():
        by_table.setdefault(id(test.table), {})[name] = test
    found: dict[str, pl.Series] = {}
    for group in by_table.values():
        found |= _validate(next(iter(group.values())).table, group)
    return found


def _validate(table: pl.DataFrame, tests: Mapping[str, Test]) -> dict[str, pl.Series]:
    # All failing rows as text would take gigabytes: the positions are enough.
    checks = [
        pa.Check(functools.partial(_evaluate, test.holds), name=name, n_failure_cases=1)
        for name, test in tests.items()
    ]
    try:
        pa.DataFrameSchema(checks=checks).validate(table, lazy=True)
    except SchemaErrors as errors:
        return dict(_positions(error) for error in errors.schema_errors)
    return {}


def _evaluate(holds: pl.Expr, data: Any) -> pl.LazyFrame:
    frame: pl.LazyFrame = data.lazyframe
    return frame.select(holds.alias("holds"))


def _positions(error: Any) -> tuple[str, pl.Series]:
    if error.reason_code is not SchemaErrorReason.DATAFRAME_CHECK:
        raise error
    passed: pl.Series = error.check_output["check_output"]
    return str(error.check.name), (~passed).arg_true()


def _result(expectation: Expectation, test: Test, failing: pl.Series | None) -> Result:
    count, checked = (0 if failing is None else failing.len()), test.table.height
    places = [] if failing is None else _examples(test, failing.head(EXAMPLES))
    passed = count <= test.tolerated * checked
    return Result(
        name=expectation.name,
        kind=expectation.kind,
        column=expectation.column,
        severity=expectation.severity,
        passed=passed,
        message=_message(expectation, test, count, passed, places),
        failing=count,
        checked=checked,
        examples=tuple(places),
    )


def _not_made(expectation: Expectation, reason: str) -> Result:
    message = f"“{expectation.name}” could not be checked: {reason}"
    return Result(
        name=expectation.name,
        kind=expectation.kind,
        column=expectation.column,
        severity=expectation.severity,
        passed=False,
        message=message,
        measured=False,
    )


def _examples(test: Test, positions: pl.Series) -> list[Failing]:
    shown = test.table.select(_context(test.table.columns, test.value))[positions]
    return [_place(row) for row in shown.iter_rows(named=True)]


def _context(columns: Iterable[str], value: pl.Expr) -> list[pl.Expr]:
    names = {"row": ROW, "series": "unique_id", "ds": "ds"}
    kept = [pl.col(name).alias(alias) for alias, name in names.items() if name in columns]
    return [*kept, value.alias("value")]


def _place(row: Mapping[str, Any]) -> Failing:
    ds = row.get("ds")
    if ds is not None and not isinstance(ds, int):
        ds = spoken(ds)
    return Failing(row.get("row"), row.get("series"), ds, _plain(row["value"]))


def _plain(value: Any) -> str | float | int | None:
    """A value that JSON has."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return shorten(spoken(value) if isinstance(value, datetime) else str(value))


def _message(
    expectation: Expectation, test: Test, count: int, passed: bool, places: Sequence[Failing]
) -> str:
    checked = test.table.height
    if not count:
        return f"“{expectation.name}” holds{f' for all {checked:,} {test.what}' if test.what else ''}."
    if not test.what:
        told = test.wrong
    else:
        told = f"{count:,} of {checked:,} {test.what} {test.wrong}"
        if test.tolerated:
            told += f" ({count / checked:.2%}; up to {test.tolerated:.2%} may be)"
    if passed:
        return f"“{expectation.name}” holds: {told}."
    return f"“{expectation.name}” fails: {told}{_where(places[0], test)}."


def _where(place: Failing, test: Test) -> str:
    parts = [
        f"row {place.row}" if place.row is not None else "",
        f"series “{shorten(place.series)}”" if place.series is not None else "",
        str(place.ds) if place.ds is not None else "",
    ]
    where = ", ".join(part for part in parts if part)
    if not where:
        return ""
    is_told = place.value is not None and place.value != place.series
    return f"; the {'first' if test.what else 'newest'}: {where}" + (
        f": {_short(place.value)}" if is_told else ""
    )


def _short(value: str | float | int | None) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
