"""Strings + mapping -> the long table ``unique_id, ds, y, covariates…`` with each row's line in the file."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from apps.datasets.reading import dates, numbers
from apps.datasets.reading.contracts import (
    NAMED_ROWS,
    ColumnMapping,
    Problem,
    Question,
    Unreadable,
    refuse,
    shorten,
)
from apps.datasets.reading.table import Strings

RESERVED = ("unique_id", "ds", "y")
ROW = "__row"
SINGLE_SERIES = "series"
JOINER = " / "
MAX_SERIES_ID = 200


@dataclass(frozen=True, slots=True)
class Long:
    """``table``: unique_id, ds, y, covariates, ``__row`` (line of the file); sorted by (unique_id, ds)."""

    table: pl.DataFrame
    covariates: tuple[str, ...]
    said: tuple[str, ...]


def build_long(strings: Strings, mapping: ColumnMapping) -> Long:
    """The long table; raises ``Unreadable`` with all problems and questions of all mapped columns at once."""
    _check_mapping(strings.frame.columns, mapping)
    rows = strings.row_numbers()
    parts = _Parts()
    parts.try_times(strings.frame[mapping.time], rows, mapping.choices.get(f"format:{mapping.time}"))
    for name, target in [
        (mapping.value, "y"),
        *((name, covariate_name(name)) for name in mapping.covariates),
    ]:
        parts.try_numbers(strings.frame[name], rows, mapping.choices.get(f"format:{name}"), target)
    parts.try_ids(strings.frame, rows, mapping.series)
    if parts.problems or parts.questions:
        raise Unreadable(tuple(parts.problems), tuple(parts.questions))
    covariates = tuple(covariate_name(name) for name in mapping.covariates)
    table = pl.DataFrame({**parts.columns, ROW: rows}).select("unique_id", "ds", "y", *covariates, ROW)
    table = table.sort("unique_id", "ds", ROW)
    _refuse_duplicates(table, mapping)
    if table["y"].null_count() == table.height:
        raise refuse(
            "no_values",
            f"Column “{shorten(mapping.value)}” is empty.",
            "Choose another value column.",
            column=mapping.value,
        )
    return Long(table, covariates, tuple(parts.said))


def covariate_name(name: str) -> str:
    """A covariate's column in the table: its own name, unless that is one of ours."""
    return f"{name}_covariate" if name in (*RESERVED, ROW, "step") else name


class _Parts:
    """Collects the columns, and what is wrong with them, so that one upload tells all its faults."""

    def __init__(self) -> None:
        self.columns: dict[str, pl.Series] = {}
        self.problems: list[Problem] = []
        self.questions: list[Question] = []
        self.said: list[str] = []

    def try_times(self, texts: pl.Series, rows: pl.Series, choice: str | None) -> None:
        try:
            times = dates.read_times(texts, rows, choice)
        except Unreadable as found:
            self._note(found)
        else:
            self.columns["ds"] = times.values
            self.said += times.said

    def try_numbers(self, texts: pl.Series, rows: pl.Series, choice: str | None, target: str) -> None:
        try:
            read = numbers.read_numbers(texts, rows, choice)
        except Unreadable as found:
            self._note(found)
        else:
            self.columns[target] = read.values
            self.said += read.said

    def try_ids(self, frame: pl.DataFrame, rows: pl.Series, names: tuple[str, ...]) -> None:
        try:
            self.columns["unique_id"] = _series_ids(frame, rows, names)
        except Unreadable as found:
            self._note(found)

    def _note(self, found: Unreadable) -> None:
        self.problems += found.problems
        self.questions += found.questions


def _check_mapping(columns: list[str], mapping: ColumnMapping) -> None:
    missing = [part for part, name in (("time", mapping.time), ("value", mapping.value)) if not name]
    if missing:
        raise refuse(
            f"no_{missing[0]}_column",
            f"No column looks like the {' or the '.join(missing)}.",
            "Choose it in the mapping, or check that dates and numbers are written plainly.",
        )
    used = [mapping.time, mapping.value, *mapping.series, *mapping.covariates]
    for name in used:
        if name not in columns:
            raise refuse(
                "unknown_column",
                f"There is no column “{shorten(name)}”.",
                f"Choose one of {shorten(', '.join(columns))}.",
                column=name,
            )
        if used.count(name) > 1:
            raise refuse(
                "column_used_twice",
                f"Column “{shorten(name)}” has two parts in the mapping.",
                "Give each column one part.",
                column=name,
            )


def _series_ids(frame: pl.DataFrame, rows: pl.Series, names: tuple[str, ...]) -> pl.Series:
    if not names:
        return pl.repeat(SINGLE_SERIES, frame.height, eager=True, dtype=pl.String).alias("unique_id")
    parts = []
    for name in names:
        texts = frame[name].str.strip_chars()
        empty = rows.filter(texts == "")
        if empty.len():
            raise refuse(
                "missing_series",
                f"Row {empty[0]}, column “{shorten(name)}”: the series is not named ({empty.len():,} rows).",
                "Fill in the name or remove the row.",
                rows=tuple(empty.head(NAMED_ROWS).to_list()),
                column=name,
                count=empty.len(),
            )
        parts.append(texts)
    ids = pl.DataFrame(parts).select(pl.concat_str(pl.all(), separator=JOINER).alias("unique_id")).to_series()
    _refuse_long_ids(ids, rows, names)
    return ids


def _refuse_long_ids(ids: pl.Series, rows: pl.Series, names: tuple[str, ...]) -> None:
    long = ids.str.len_chars() > MAX_SERIES_ID
    if long.any():
        row = int(rows.filter(long)[0])
        raise refuse(
            "series_name_too_long",
            f"Row {row}: the series' name has more than {MAX_SERIES_ID} characters.",
            "Use a shorter identifier.",
            rows=(row,),
            column=names[0],
            value=shorten(ids.filter(long)[0]),
        )


def _refuse_duplicates(table: pl.DataFrame, mapping: ColumnMapping) -> None:
    same = (pl.col("unique_id") == pl.col("unique_id").shift()) & (pl.col("ds") == pl.col("ds").shift())
    repeated = table.with_columns(first_row=pl.col(ROW).shift()).filter(same)
    if repeated.height == 0:
        return
    column = mapping.time
    problems = []
    for row in repeated.sort(ROW).head(NAMED_ROWS).to_dicts():
        when = _spoken_time(row["ds"])
        whose = f"series “{shorten(row['unique_id'])}”" if mapping.series else "the file"
        problems.append(
            Problem(
                code="duplicate_time",
                message=f"Rows {row['first_row']} and {row[ROW]}: {whose} has two values for {when}.",
                fix="Keep one row for each series and time, or choose more series columns in the mapping.",
                rows=(int(row["first_row"]), int(row[ROW])),
                column=column,
                value=when,
                count=repeated.height,
            )
        )
    raise Unreadable(problems=tuple(problems))


def _spoken_time(value: object) -> str:
    text = str(value)
    return text.removesuffix(" 00:00:00")
