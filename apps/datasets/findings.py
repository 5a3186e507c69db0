"""Checks over all series of a long table: what stands out, where, why, what we propose. Nothing is changed.

Runs in the reading child (polars). Every check is one function of ``Context`` and one line in ``CHECKS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

import polars as pl

from apps.datasets.doctor.contracts import Finding
from apps.datasets.reading.build import ROW
from apps.datasets.reading.contracts import NAMED_ROWS, shorten
from apps.engine.frequency import Frequency

NAMED_SERIES = 5
MIN_POINTS = 8
ZERO_SHARE = 0.3
SPARSE_SHARE = 0.05
GAP_RULES = {
    "season": "the value one season earlier (the last value where there is none)",
    "previous": "the last value before the gap",
    "zero": "zero: no row means that nothing was sold",
}


@dataclass(frozen=True, slots=True)
class Context:
    """What the checks share.

    ``table``: unique_id, ds, y, covariates, ``__row`` and, with a frequency, ``step``; sorted by (unique_id,
    ds). ``past`` leaves out the rows after each series' last value; ``series`` has one row for each series
    with values: length, zeros, least, most, last (time), first_row and last_row of its past.
    """

    table: pl.DataFrame
    past: pl.DataFrame
    series: pl.DataFrame
    frequency: Frequency | None
    votes: dict[str, int]
    covariates: tuple[str, ...]


def make_context(
    table: pl.DataFrame, frequency: Frequency | None, votes: dict[str, int], covariates: tuple[str, ...]
) -> Context:
    """Prepare what the checks share."""
    last_value = pl.col("ds").filter(pl.col("y").is_not_null()).max().over("unique_id")
    past = table.filter(pl.col("ds") <= last_value)
    series = past.group_by("unique_id", maintain_order=True).agg(
        length=pl.col("y").count(),
        zeros=(pl.col("y") == 0).sum(),
        least=pl.col("y").min(),
        most=pl.col("y").max(),
        last=pl.col("ds").last(),
        first_row=pl.col(ROW).first(),
        last_row=pl.col(ROW).last(),
    )
    return Context(table, past, series, frequency, votes, covariates)


def find_all(context: Context) -> tuple[Finding, ...]:
    """All findings, the gravest first."""
    found = [finding for check in CHECKS for finding in check(context)]
    order = {"error": 0, "warning": 1, "info": 2}
    return tuple(sorted(found, key=lambda finding: order[finding.severity]))


def propose_gap_rule(context: Context) -> str:
    """How missing steps would best be filled for training.

    ``zero`` only when the file looks like sales without the empty days: whole, positive numbers, no zero
    written anywhere, and at least 5 % of the steps missing. Otherwise ``season``, which sees only the past.
    """
    values = context.past["y"].drop_nulls()
    written_without_zeros = bool((values > 0).all()) and bool((values == values.round()).all())
    gaps = count_missing_steps(context)
    sparse = gaps >= SPARSE_SHARE * (gaps + context.past.height)
    return "zero" if written_without_zeros and sparse and gaps else "season"


def count_missing_steps(context: Context) -> int:
    """Grid steps inside the series' past that have no value: no row, or a row without a value."""
    empty = context.past["y"].null_count()
    return empty + (int(_gaps(context)["missing"].sum()) if context.frequency else 0)


def _gaps(context: Context) -> pl.DataFrame:
    """The rows that come after missing steps, with how many are ``missing`` before each."""
    on_grid = context.past.filter(pl.col("step").is_not_null())
    distance = pl.col("step") - pl.col("step").shift().over("unique_id")
    return on_grid.with_columns(missing=distance - 1).filter(pl.col("missing") > 0)


class _Named(TypedDict):
    series: tuple[str, ...]
    series_count: int


class _Rows(TypedDict):
    rows: tuple[int, ...]
    count: int


def _named(frame: pl.DataFrame) -> _Named:
    ids = frame["unique_id"].unique(maintain_order=True)
    return {
        "series": tuple(shorten(name) for name in ids.head(NAMED_SERIES).to_list()),
        "series_count": ids.len(),
    }


def _rows(frame: pl.DataFrame, column: str = ROW, count: int | None = None) -> _Rows:
    rows = tuple(int(row) for row in frame[column].head(NAMED_ROWS).to_list())
    return {"rows": rows, "count": frame.height if count is None else count}


def _time(value: object) -> str:
    return str(value).removesuffix(" 00:00:00")


def _have(count: int) -> str:
    return "1 series has" if count == 1 else f"{count:,} series have"


def _steps(count: int) -> str:
    return f"{count:,} step" + ("" if count == 1 else "s")


def _check_frequency(context: Context) -> list[Finding]:
    if context.frequency is not None:
        return []
    return [
        Finding(
            code="no_frequency",
            severity="error",
            title="The frequency cannot be told",
            detail="No series has three values at regular times.",
            fix="Upload a longer history. The data is kept, but no model can be trained on it.",
            series_count=context.series.height,
        )
    ]


def _check_mixed_frequency(context: Context) -> list[Finding]:
    others = {
        alias: count
        for alias, count in context.votes.items()
        if context.frequency and alias != context.frequency.alias
    }
    if not others or (
        context.frequency is not None and context.frequency.unit == "D" and set(others) == {"B"}
    ):
        return []
    listed = ", ".join(f"{count} × {alias}" for alias, count in sorted({**context.votes}.items()))
    return [
        Finding(
            code="mixed_frequency",
            severity="error",
            title="Series have different frequencies",
            detail=f"Among the longest series: {listed}.",
            fix="Split the file, one data set for each frequency.",
            count=sum(others.values()),
        )
    ]


def _check_irregular(context: Context) -> list[Finding]:
    if context.frequency is None:
        return []
    off = context.table.filter(pl.col("step").is_null()).sort(ROW)
    if off.height == 0:
        return []
    return [
        Finding(
            code="irregular",
            severity="error",
            title="Some times lie off the regular grid",
            detail=f"The frequency is {context.frequency.alias}, but row {off[ROW][0]} has {off['ds'][0]}.",
            fix="Correct these times or sum the values up to regular periods, then upload again.",
            **_named(off),
            **_rows(off),
        )
    ]


def _check_gaps(context: Context) -> list[Finding]:
    if context.frequency is None:
        return []
    gaps = _gaps(context)
    if gaps.height == 0:
        return []
    missing = int(gaps["missing"].sum())
    longest = int(gaps.select(pl.col("missing").max()).item())
    return [
        Finding(
            code="gaps",
            severity="warning",
            title="Some series have gaps",
            detail=f"{_steps(missing)} of frequency {context.frequency.alias} without a row, the longest gap "
            f"{_steps(longest)}. The rows named come right after a gap.",
            fix="For training, each missing step is filled by the rule that is accepted with the data; "
            "the stored data keeps its gaps.",
            **_named(gaps),
            **_rows(gaps, count=missing),
        )
    ]


def _check_missing_values(context: Context) -> list[Finding]:
    empty = context.past.filter(pl.col("y").is_null()).sort(ROW)
    if empty.height == 0:
        return []
    return [
        Finding(
            code="missing_values",
            severity="warning",
            title="Some values are missing",
            detail=f"{empty.height:,} rows have a time but no value.",
            fix="For training they are filled like gaps, by the rule that is accepted with the data.",
            **_named(empty),
            **_rows(empty),
        )
    ]


def _check_missing_covariates(context: Context) -> list[Finding]:
    found = []
    for name in context.covariates:
        empty = context.table.filter(pl.col(name).is_null()).sort(ROW)
        if empty.height:
            found.append(
                Finding(
                    code="missing_covariate",
                    severity="warning",
                    title=f"Column “{shorten(name)}” has empty cells",
                    detail=f"{empty.height:,} rows have no value for it.",
                    fix="For training each takes the series' last known value, or 0.",
                    **_named(empty),
                    **_rows(empty),
                )
            )
    return found


def _check_no_values(context: Context) -> list[Finding]:
    without = context.table.join(context.series.filter(pl.col("length") > 0), on="unique_id", how="anti")
    if without.height == 0:
        return []
    return [
        Finding(
            code="no_values",
            severity="warning",
            title="Some series have no value at all",
            detail="Every value of these series is empty.",
            fix="They are kept in the data but left out of training.",
            **_named(without),
            **_rows(without.sort(ROW)),
        )
    ]


def _check_future_rows(context: Context) -> list[Finding]:
    later = context.table.height - context.past.height
    if later == 0 or not context.covariates:
        return []
    return [
        Finding(
            code="future_rows",
            severity="info",
            title="Rows after the last value",
            detail=f"{later:,} rows come after their series' last value.",
            fix="Their other columns are used as what is known about the future.",
            count=later,
        )
    ]


def _check_short(context: Context) -> list[Finding]:
    season = context.frequency.season_length if context.frequency else 1
    enough = max(MIN_POINTS, 2 * season)
    short = context.series.filter(pl.col("length") < enough)
    if short.height == 0:
        return []
    if int(context.series.select(pl.col("length").max()).item()) < MIN_POINTS:
        return [
            _short("error", "Too short to train", f"Upload at least {enough} values a series.", short, enough)
        ]
    fix = "They are forecast, but with little to learn from: expect wide bands."
    return [_short("warning", "Some series are short", fix, short, enough)]


def _short(severity: str, title: str, fix: str, short: pl.DataFrame, enough: int) -> Finding:
    longest = short.select(pl.col("length").max()).item()
    return Finding(
        code="too_short",
        severity=severity,
        title=title,
        detail=f"{_have(short.height)} fewer than {enough} values (the longest of them {longest}).",
        fix=fix,
        **_named(short),
        **_rows(short, "first_row"),
    )


def _check_constant(context: Context) -> list[Finding]:
    flat = context.series.filter((pl.col("least") == pl.col("most")) & (pl.col("length") >= MIN_POINTS))
    zero, constant = flat.filter(pl.col("most") == 0), flat.filter(pl.col("most") != 0)
    found = []
    for code, title, frame in (
        ("all_zero", "Some series are zero throughout", zero),
        ("constant", "Some series never change", constant),
    ):
        if frame.height:
            found.append(
                Finding(
                    code=code,
                    severity="warning",
                    title=title,
                    detail=f"{_have(frame.height)} the same value at every time.",
                    fix="Check that the right column was taken; otherwise the forecast is that value.",
                    **_named(frame),
                    **_rows(frame, "first_row"),
                )
            )
    return found


def _check_intermittent(context: Context) -> list[Finding]:
    share = pl.col("zeros") / pl.col("length")
    sparse = context.series.filter(
        (share >= ZERO_SHARE) & (pl.col("most") != pl.col("least")) & (pl.col("length") >= MIN_POINTS)
    )
    if sparse.height == 0:
        return []
    return [
        Finding(
            code="intermittent",
            severity="info",
            title="Some series are often zero",
            detail=f"{sparse.height:,} series: zero in at least {ZERO_SHARE:.0%} of their times.",
            fix="Nothing to do; single points of such series cannot be foreseen, their mean can.",
            **_named(sparse),
            **_rows(sparse, "first_row"),
        )
    ]


def _check_stopped(context: Context) -> list[Finding]:
    if context.frequency is None or context.series.height < 2:
        return []
    ends = context.past.group_by("unique_id", maintain_order=True).agg(
        last=pl.col("ds").last(), spacing=pl.col("ds").diff().median(), last_row=pl.col(ROW).last()
    )
    latest = ends["last"].max()
    patience = max(3, min(context.frequency.season_length, 12))
    stopped = ends.filter((pl.lit(latest) - pl.col("last")) > pl.col("spacing") * patience)
    if stopped.height == 0:
        return []
    return [
        Finding(
            code="stopped_early",
            severity="warning",
            title="Some series end earlier than the others",
            detail=f"{stopped.height:,} series: ended more than {patience} steps before {_time(latest)}.",
            fix="Remove series that are discontinued; the others are forecast from their own end.",
            **_named(stopped),
            **_rows(stopped, "last_row"),
        )
    ]


CHECKS: tuple[Callable[[Context], list[Finding]], ...] = (
    _check_frequency,
    _check_mixed_frequency,
    _check_irregular,
    _check_gaps,
    _check_missing_values,
    _check_missing_covariates,
    _check_no_values,
    _check_short,
    _check_stopped,
    _check_constant,
    _check_intermittent,
    _check_future_rows,
)
