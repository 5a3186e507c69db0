"""From an expectation to a test: which table, what must hold in each of its rows, and how a failure is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from apps.datasets.expectations.contracts import Expectation, age_of
from apps.datasets.expectations.kinds import SERIES
from apps.datasets.expectations.tables import CannotCheck, Given, same_as_before, steps_between


@dataclass(frozen=True)
class Test:
    """``holds`` is true or false for each row of ``table``; ``value`` is what a failure shows.

    ``what`` names the rows, ``wrong`` says of failing ones what they are. Up to the share ``tolerated`` may fail.
    """

    table: pl.DataFrame
    holds: pl.Expr
    value: pl.Expr
    what: str
    wrong: str
    tolerated: float = 0.0


def build(expectation: Expectation, given: Given) -> Test:
    """The test of one expectation; raises ``CannotCheck``."""
    return _BUILDERS[expectation.kind](expectation, given)


def _range(expectation: Expectation, given: Given) -> Test:
    column, params = pl.col(expectation.column), expectation.params
    low, high = params["min"], params["max"]
    holds = (
        ~column.is_nan()
        if given.numbers(expectation.column)[expectation.column].dtype.is_float()
        else pl.lit(True)
    )
    if low is not None:
        holds &= column >= low if params["inclusive"] else column > low
    if high is not None:
        holds &= column <= high if params["inclusive"] else column < high
    return Test(
        given.numbers(expectation.column),
        holds.fill_null(True),
        column,
        f"values of “{expectation.column}”",
        f"are {_outside(low, high, params['inclusive'])}",
    )


def _outside(low: float | None, high: float | None, inclusive: bool) -> str:
    at = "" if inclusive else ", or at the limit"
    if low is None:
        return f"above {high:g}{at}"
    return f"below {low:g}{at}" if high is None else f"outside {low:g} to {high:g}{at}"


def _not_null(expectation: Expectation, given: Given) -> Test:
    table = given.column(expectation.column)
    column = pl.col(expectation.column)
    holds = column.is_not_null()
    if table[expectation.column].dtype.is_float():
        holds &= ~column.is_nan().fill_null(False)
    return Test(
        table,
        holds,
        column,
        f"values of “{expectation.column}”",
        "are missing",
        expectation.params["max_share"],
    )


def _freshness(expectation: Expectation, given: Given) -> Test:
    params = expectation.params
    if not given.table["ds"].dtype.is_temporal():
        raise CannotCheck("time is a whole number here, which no clock can be compared with.")
    now, newest = pl.lit(given.now, pl.Datetime("us")), pl.col("ds")
    if params["age"] is not None:
        holds, allowed = now - newest <= age_of(params["age"]), params["age"]
    else:
        holds = steps_between(newest, now, given.frequency) <= params["steps"]
        allowed = f"{params['steps']} step{'' if params['steps'] == 1 else 's'} of {given.frequency.alias}"
    wrong = f"no value in the {allowed} before {given.now:%Y-%m-%d %H:%M}"
    shown = pl.lit(None)  # the time says it
    if params["per"] == "series":
        return Test(given.series, holds.fill_null(False), shown, "series", f"have {wrong}")
    if given.series.is_empty():
        return _whole(False, 0, f"The data set has {wrong}")
    latest = given.series.sort("ds", descending=True, nulls_last=True, maintain_order=True).head(1)
    return Test(latest, holds.fill_null(False), shown, "", f"The data set has {wrong}")


def _completeness(expectation: Expectation, given: Given) -> Test:
    least = expectation.params["min_share"]
    table = given.completeness
    whole = expectation.params["per"] == "dataset"
    if whole:
        table = table.select(pl.col("present", "expected").sum())
    share = pl.col("present") / pl.col("expected")
    told = f"less than {least:.4g} of their steps from the first to the last value"
    if whole:
        told = f"All series together have {told}"
    holds = (share >= least) & share.is_not_nan()
    return Test(table, holds, share, "" if whole else "series", told if whole else f"have {told}")


def _unique(_expectation: Expectation, given: Given) -> Test:
    return Test(given.table, ~same_as_before(), pl.col("y"), "rows", "repeat a series and time")


def _allowed(expectation: Expectation, given: Given) -> Test:
    name, values = expectation.column, expectation.params["values"]
    table = given.series if name == SERIES else given.column(name)
    texts = isinstance(values[0], str)
    if texts != (table[name].dtype in (pl.String, pl.Categorical)):
        holding, stated = ("numbers", "texts") if texts else ("texts", "numbers")
        raise CannotCheck(
            f"the column “{name}” holds {holding}, and the values that are allowed are {stated}."
        )
    listed = pl.Series(values, dtype=pl.String if texts else pl.Float64)
    column = pl.col(name).cast(listed.dtype)
    what = "series" if name == SERIES else f"values of “{name}”"
    return Test(
        table, column.is_in(listed.implode()).fill_null(True), column, what, "are not among those allowed"
    )


def _pattern(expectation: Expectation, given: Given) -> Test:
    name, regex = expectation.column, expectation.params["regex"]
    table = given.series if name == SERIES else given.column(name)
    if table[name].dtype != pl.String:
        raise CannotCheck(f"the column “{name}” does not hold texts.")
    whole = rf"\A(?:{regex})\z"
    try:
        pl.Series([""]).str.contains(whole)
    except pl.exceptions.ComputeError:
        raise CannotCheck(f"the regular expression {regex!r} is not one that can be run here.") from None
    holds = pl.col(name).str.contains(whole).fill_null(True)
    what = "series" if name == SERIES else f"values of “{name}”"
    return Test(table, holds, pl.col(name), what, f"do not match {regex}")


def _monotonic(expectation: Expectation, given: Given) -> Test:
    column, params = pl.col(expectation.column), expectation.params
    before = column.shift()
    if params["direction"] == "increasing":
        holds, word = (column > before if params["strict"] else column >= before), "below"
    else:
        holds, word = (column < before if params["strict"] else column <= before), "above"
    first = pl.col("unique_id") != pl.col("unique_id").shift()
    return Test(
        given.present(expectation.column),
        (first | holds).fill_null(True),
        column,
        f"values of “{expectation.column}”",
        f"are {word}{' or equal to' if params['strict'] else ''} the one before in their series",
    )


def _row_count(expectation: Expectation, given: Given) -> Test:
    return _count(expectation, given.table.height, "rows")


def _series_count(expectation: Expectation, given: Given) -> Test:
    return _count(expectation, given.summary.series_count, "series")


def _count(expectation: Expectation, found: int, what: str) -> Test:
    low, high = expectation.params["min"], expectation.params["max"]
    ok = (low is None or found >= low) and (high is None or found <= high)
    bounds = (("at least", low), ("at most", high))
    wanted = " and ".join(f"{word} {bound:,}" for word, bound in bounds if bound is not None)
    return _whole(ok, found, f"The data set has {found:,} {what}, where {wanted} are expected")


def _change(expectation: Expectation, given: Given) -> Test:
    of, limit = expectation.params["of"], expectation.params["max_change"]
    before, after = _compared(expectation, given)
    if before is None:
        return _whole(True, after, "")
    if before == 0:
        ok, told = after == 0, "from 0"
    else:
        change = (after - before) / abs(before)
        ok, told = abs(change) <= limit, f"by {change:+.1%}, from {before:,.6g}"
    what = {"rows": "The number of rows", "series": "The number of series"}.get(
        of, f"The total of “{expectation.column}”"
    )
    return _whole(ok, after, f"{what} changed {told} to {after:,.6g}; at most {limit:.1%} is expected")


def _compared(expectation: Expectation, given: Given) -> tuple[float | None, float]:
    """The figure of the version before, None where there is none, and this one's."""
    old, new = given.previous, given.summary
    if expectation.params["of"] == "rows":
        return None if old is None else old.rows, new.rows
    if expectation.params["of"] == "series":
        return None if old is None else old.series_count, new.series_count
    if given.numbers(expectation.column) is not given.table:
        raise CannotCheck(f"the column “{expectation.column}” says the same at all times.")
    name = expectation.column
    return None if old is None else old.totals.get(name), new.totals[name]


def _whole(ok: bool, value: float, wrong: str) -> Test:
    table = pl.DataFrame({"holds": [ok], "value": [value]})
    return Test(table, pl.col("holds"), pl.col("value"), "", wrong)


_BUILDERS: Final[Mapping[str, Callable[[Expectation, Given], Test]]] = {
    "range": _range,
    "not_null": _not_null,
    "freshness": _freshness,
    "completeness": _completeness,
    "unique": _unique,
    "allowed": _allowed,
    "row_count": _row_count,
    "series_count": _series_count,
    "monotonic": _monotonic,
    "change": _change,
    "pattern": _pattern,
}
