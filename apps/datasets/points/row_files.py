"""Rows in a Parquet file that the reader of uploads wrote: checked column by column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from apps.datasets.points.parts import KEEPS, KEY, KNOWN_AT, MOMENT, ROW
from apps.datasets.points.rows import NAMED_PROBLEMS, RowProblem, Sent, shown, too_many
from apps.datasets.reading.build import MAX_SERIES_ID
from apps.datasets.reading.contracts import shorten

OURS = {*KEY, ROW, KNOWN_AT}


def from_parquet(path: Path, *, columns: Sequence[str], integer: bool, limit: int) -> Sent:
    """The table of a long table's file; of its columns only ``columns``, ``__row`` and known_at may stand beside the key."""
    if pl.scan_parquet(path).select(pl.len()).collect().item() > limit:
        return Sent(None, problems=(too_many("", limit),), count=1)
    table = pl.read_parquet(path)
    given = tuple(name for name in columns if name in table.columns)
    problems = _of_columns(table, columns, given, integer=integer)
    if problems:
        return Sent(None, problems=tuple(problems[:NAMED_PROBLEMS]), count=len(problems))
    if ROW not in table.columns:
        table = table.with_columns(pl.int_range(1, pl.len() + 1).alias(ROW))
    found = _of_rows(table, given)
    if count := sum(each.height for each, _ in found):
        named = [RowProblem(*problem) for each, code in found for problem in _named(each, code)]
        return Sent(None, problems=tuple(named[:NAMED_PROBLEMS]), count=count)
    return Sent(table, given)


def _of_columns(
    table: pl.DataFrame, columns: Sequence[str], given: Sequence[str], *, integer: bool
) -> list[RowProblem]:
    types = {"unique_id": pl.String(), "ds": pl.Int64() if integer else MOMENT} | dict.fromkeys(
        given, pl.Float64()
    )
    if KNOWN_AT in table.columns:
        types[KNOWN_AT] = MOMENT
    found = []
    for name in table.columns:
        if name not in (*OURS, *columns) and not name.startswith(KEEPS):
            has = shorten(", ".join([*KEY, *columns]))
            detail = f"There is no column “{shorten(name)}”; there are {has}."
            found.append(RowProblem(f"/{name}", None, "unknown_column", detail))
    for name, kind in types.items():
        if table.schema.get(name) != kind:
            detail = f"Column “{shorten(name)}” must hold {_words(kind)}, as in the data set."
            found.append(RowProblem(f"/{name}", None, "wrong_type", detail))
    if not given:
        detail = f"The file gives no value; it needs one of {shorten(', '.join(columns))}."
        found.append(RowProblem("", None, "nothing_given", detail))
    return found


def _words(kind: pl.DataType) -> str:
    return {pl.String(): "text", pl.Int64(): "whole numbers", MOMENT: "times"}.get(kind, "numbers")


def _of_rows(table: pl.DataFrame, given: Sequence[str]) -> list[tuple[pl.DataFrame, str]]:
    """The rows at fault (``row``, ``field``, ``value``) with the code of what is wrong."""
    name = pl.col("unique_id")
    checks = [
        ("unique_id", "missing_series", name.is_null() | (name == "")),
        ("unique_id", "series_name_too_long", name.str.len_chars() > MAX_SERIES_ID),
        ("ds", "missing_time", pl.col("ds").is_null()),
        *((each, "not_finite", ~pl.col(each).is_finite()) for each in given),
    ]
    return [
        (table.filter(wrong).select(row=ROW, field=pl.lit(field), value=pl.col(field).cast(pl.String)), code)
        for field, code, wrong in checks
    ]


def _named(found: pl.DataFrame, code: str) -> list[tuple[str, int, str, str]]:
    words = {
        "missing_series": "is missing; name the series.",
        "series_name_too_long": f"has more than {MAX_SERIES_ID} characters.",
        "missing_time": "is missing; fill in the time or remove the row.",
        "not_finite": "is not a finite number; write one, or leave it empty for no value.",
    }
    return [
        (
            f"/{row}/{field}",
            row,
            code,
            f"Row {row}: {field} {'' if value is None else shown(value) + ' '}{words[code]}",
        )
        for row, field, value in found.head(NAMED_PROBLEMS).rows()
    ]
