"""Pieces of a file + mapping -> the long table ``unique_id, ds, y, covariates…`` with each row's place in the file.

Only numbers are held for all rows: codes of series, times, values. Names of series are kept once each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import polars as pl
from numpy.typing import NDArray

from apps.datasets.reading import zones
from apps.datasets.reading.contracts import NAMED_ROWS, ColumnMapping, Problem, Unreadable, refuse, shorten
from apps.datasets.reading.statics import Statics
from apps.datasets.reading.streams import NumberColumn, TimeColumn
from apps.datasets.reading.tabular import Chunk, Tabular

RESERVED: Final = ("unique_id", "ds", "y")
ROW: Final = "__row"
SINGLE_SERIES: Final = "series"
JOINER: Final = " / "
MAX_SERIES_ID: Final = 200
WIDE_SERIES, WIDE_VALUE, WIDE_TIME = "series", "value", "time"
FAULT_SCHEMA: Final = {
    ROW: pl.Int64,
    "unique_id": pl.String,
    "ds": pl.String,
    "column": pl.String,
    "text": pl.String,
    "code": pl.String,
}


@dataclass(frozen=True, slots=True)
class Long:
    """``table``: unique_id (Enum), ds, y, covariates, ``known_at`` where given, ``__row``; sorted by (unique_id, ds, row).

    ``covariates`` are known for the future, ``past`` ones are not. ``faults``: cells that were no number. ``rows``: how many
    the file has.
    """

    table: pl.DataFrame
    covariates: tuple[str, ...]
    said: tuple[str, ...]
    past: tuple[str, ...] = ()
    faults: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FAULT_SCHEMA))
    statics: pl.DataFrame | None = None
    rows: int = 0
    utc: bool = False


def build_long(source: Tabular, mapping: ColumnMapping) -> Long:
    """The long table; raises ``Unreadable`` with all problems and questions of all mapped columns at once."""
    check_mapping(source.columns, mapping)
    asked, layout = mapping, _Layout(source, mapping)
    mapping = layout.mapping
    columns = _Columns(layout, mapping, asked)
    series = _Series(mapping.series)
    statics = Statics(mapping.static)
    rows = 0
    for chunk in layout.chunks():
        codes = series.read(chunk)
        columns.read(chunk, codes)
        statics.read(chunk, codes)
        rows += chunk.frame.height
    columns.finish()
    return _assembled(columns, series, statics.finish(series.names), mapping, rows)


def covariate_name(name: str) -> str:
    """A covariate's column in the table: its own name, unless that is one of ours."""
    return (
        f"{name}_covariate" if name in (*RESERVED, ROW, "step", "known_at") or name.startswith("__") else name
    )


class _Layout:
    """The file's pieces as rows of one series and time each, whatever its layout, and the mapping that then holds."""

    def __init__(self, source: Tabular, mapping: ColumnMapping) -> None:
        self._source, self._asked = source, mapping
        self.mapping = mapping
        if mapping.layout == "wide":
            self.mapping = replace(mapping, series=(WIDE_SERIES,), value=WIDE_VALUE, layout="long")
        elif mapping.layout == "across":
            self.mapping = replace(mapping, time=WIDE_TIME, value=WIDE_VALUE, layout="long")

    def chunks(self) -> Iterator[Chunk]:
        for chunk in self._source.chunks():
            yield chunk if self._asked.layout == "long" else self._turned(chunk)

    def pieces(self, name: str) -> Iterator[tuple[pl.Series, pl.Series]]:
        for chunk in self.chunks():
            yield chunk.frame[name], chunk.rows

    def _turned(self, chunk: Chunk) -> Chunk:
        """One row for each filled cell of the value columns."""
        asked = self._asked
        wide = asked.layout == "wide"
        index = [asked.time] if wide else list(asked.series)
        variable = WIDE_SERIES if wide else WIDE_TIME
        frame = chunk.frame.select(*index, *asked.values).with_columns(chunk.rows.alias(ROW))
        turned = frame.unpivot(
            on=list(asked.values), index=[*index, ROW], variable_name=variable, value_name=WIDE_VALUE
        )
        value = pl.col(WIDE_VALUE)
        filled = (
            value.str.strip_chars() != "" if turned.schema[WIDE_VALUE] == pl.String else value.is_not_null()
        )
        turned = turned.filter(filled)
        return Chunk(turned.drop(ROW), turned[ROW])


class _Columns:
    """The columns of numbers and times, each with its reader and what it has read so far."""

    def __init__(self, layout: _Layout, mapping: ColumnMapping, asked: ColumnMapping) -> None:
        self.mapping = mapping
        self.codes: list[NDArray[np.int32]] = []
        self.rows: list[NDArray[np.int64]] = []
        self.arrays: dict[str, list[NDArray[Any]]] = {}
        self.offsets: list[NDArray[np.int64] | None] = []
        problems: list[Problem] = []
        questions: list[Any] = []

        def tried(make: Any) -> Any:
            try:
                return make()
            except Unreadable as found:
                problems.extend(found.problems)
                questions.extend(found.questions)
                return None

        def choice(name: str) -> str | None:
            return asked.choices.get(f"format:{name}")

        self.time = tried(
            lambda: TimeColumn(mapping.time, lambda: layout.pieces(mapping.time), choice(mapping.time))
        )
        self.numbers: dict[str, NumberColumn] = {}
        named = {
            mapping.value: "y",
            **{name: covariate_name(name) for name in (*mapping.covariates, *mapping.past)},
        }
        for name, target in named.items():
            made = tried(lambda name=name: NumberColumn(name, lambda: layout.pieces(name), choice(name)))
            self.numbers[target] = made
        self.known = None
        if mapping.known_at:
            name = mapping.known_at
            self.known = tried(lambda: TimeColumn(name, lambda: layout.pieces(name), choice(name)))
        if problems or questions:
            raise Unreadable(tuple(problems), tuple(questions))

    def read(self, chunk: Chunk, codes: NDArray[np.int32]) -> None:
        frame, rows = chunk.frame, chunk.rows
        self.codes.append(codes)
        self.rows.append(rows.to_numpy().astype(np.int64, copy=False))
        times, offsets = self.time.read(frame[self.mapping.time], rows)
        self._keep("ds", times)
        self.offsets.append(offsets)
        for target, column in self.numbers.items():
            self._keep(target, column.read(frame[column.name], rows))
        if self.known is not None:
            known, ahead = self.known.read(frame[self.known.name], rows)
            self._keep("known_at", known if ahead is None else known - ahead.astype("timedelta64[s]"))

    def finish(self) -> None:
        """Raise what only the end of the file can tell."""
        problems: list[Problem] = []
        for column in self.numbers.values():
            try:
                column.finish()
            except Unreadable as found:
                problems += found.problems
        if problems:
            raise Unreadable(tuple(problems))

    def taken(self, name: str) -> NDArray[Any]:
        """All that was read of a column; the pieces are let go."""
        return np.concatenate(self.arrays.pop(name))

    def _keep(self, name: str, values: NDArray[Any]) -> None:
        self.arrays.setdefault(name, []).append(values)


class _Series:
    """Names of series as codes: 0, 1, … as they first come."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = columns
        self._known = pl.DataFrame(schema={"unique_id": pl.String, "code": pl.Int32})

    @property
    def names(self) -> pl.Series:
        """Each code's name."""
        return self._known["unique_id"]

    def read(self, chunk: Chunk) -> NDArray[np.int32]:
        """Each row's code; raises ``Unreadable`` for rows whose series is not named."""
        ids = self._ids(chunk)
        fresh = (
            ids.unique(maintain_order=True)
            .to_frame()
            .join(self._known, on="unique_id", how="anti", maintain_order="left")
        )
        if fresh.height:
            _refuse_long_ids(fresh["unique_id"], ids, chunk.rows, self.columns)
            start = self._known.height
            codes = pl.int_range(start, start + fresh.height, dtype=pl.Int32, eager=True)
            self._known = pl.concat([self._known, fresh.with_columns(codes.alias("code"))])
        if self._known.height == 1:
            return np.zeros(ids.len(), np.int32)
        coded = ids.to_frame().join(self._known, on="unique_id", how="left", maintain_order="left")
        return coded["code"].to_numpy()

    def _ids(self, chunk: Chunk) -> pl.Series:
        if not self.columns:
            return pl.repeat(SINGLE_SERIES, chunk.frame.height, eager=True, dtype=pl.String).alias(
                "unique_id"
            )
        parts = []
        for name in self.columns:
            texts = as_text(chunk.frame[name])
            empty = chunk.rows.filter(texts == "")
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
        if len(parts) == 1:
            return parts[0].alias("unique_id")
        return (
            pl.DataFrame(parts)
            .select(pl.concat_str(pl.all(), separator=JOINER).alias("unique_id"))
            .to_series()
        )


def as_text(cells: pl.Series) -> pl.Series:
    """A column as trimmed text, ``""`` for empty; whole floats (as spreadsheets have them) without ``.0``."""
    if cells.dtype.is_float() and ((cells.is_null()) | (cells == cells.round())).all():
        cells = cells.cast(pl.Int64)
    return cells.cast(pl.String).fill_null("").str.strip_chars()


def check_mapping(columns: tuple[str, ...], mapping: ColumnMapping) -> None:
    """Raise ``Unreadable`` where the mapping names no time, no value, an absent column, or one column twice."""
    wanted = {"long": (("time", mapping.time), ("value", mapping.value)), "wide": (("time", mapping.time),)}
    missing = [part for part, name in wanted.get(mapping.layout, ()) if not name]
    if missing:
        raise refuse(
            f"no_{missing[0]}_column",
            f"No column looks like the {' or the '.join(missing)}.",
            "Choose it in the mapping, or check that dates and numbers are written plainly.",
        )
    if mapping.layout != "long" and not mapping.values:
        raise refuse(
            "no_value_column",
            "No column is named as a series or a time.",
            "Choose the columns that hold values.",
        )
    if mapping.timezone and mapping.timezone not in available_timezones():
        raise refuse(
            "unknown_timezone",
            f"There is no time zone “{shorten(mapping.timezone)}”.",
            "Use a name such as Europe/Berlin.",
        )
    used = [
        mapping.time,
        mapping.value,
        mapping.known_at,
        *mapping.series,
        *mapping.covariates,
        *mapping.past,
        *mapping.static,
        *mapping.values,
    ]
    _check_names([name for name in used if name], set(columns), columns)


def _check_names(used: list[str], known: set[str], columns: tuple[str, ...]) -> None:
    seen: set[str] = set()
    for name in used:
        if name not in known:
            raise refuse(
                "unknown_column",
                f"There is no column “{shorten(name)}”.",
                f"Choose one of {shorten(', '.join(columns))}.",
                column=name,
            )
        if name in seen:
            raise refuse(
                "column_used_twice",
                f"Column “{shorten(name)}” has two parts in the mapping.",
                "Give each column one part.",
                column=name,
            )
        seen.add(name)


def _refuse_long_ids(fresh: pl.Series, ids: pl.Series, rows: pl.Series, names: tuple[str, ...]) -> None:
    long = fresh.filter(fresh.str.len_chars() > MAX_SERIES_ID)
    if long.len():
        row = int(rows.filter(ids == long[0])[0])
        raise refuse(
            "series_name_too_long",
            f"Row {row}: the series' name has more than {MAX_SERIES_ID} characters.",
            "Use a shorter identifier.",
            rows=(row,),
            column=names[0],
            value=shorten(long[0]),
        )


def _assembled(
    columns: _Columns, series: _Series, statics: pl.DataFrame | None, mapping: ColumnMapping, rows: int
) -> Long:
    names = series.names
    order_of_names = names.arg_sort()
    ranks = np.empty(names.len(), np.int32)
    ranks[order_of_names.to_numpy()] = np.arange(names.len(), dtype=np.int32)
    codes, places = ranks[np.concatenate(columns.codes)], np.concatenate(columns.rows)
    columns.codes, columns.rows = [], []
    zone = ZoneInfo(mapping.timezone) if mapping.timezone else None
    times = zones.settled(columns.taken("ds"), columns.offsets, codes, places, zone=zone, name=mapping.time)
    ds = times.ds
    order = _order(codes, ds)
    known = pl.Enum(names.gather(order_of_names))
    made: dict[str, pl.Series] = {"unique_id": pl.Series(_in(codes, order).astype(np.uint32)).cat.to(known)}
    made["ds"] = pl.Series(_in(ds, order))
    for name in list(columns.arrays):
        made[name] = _column(name, _in(columns.taken(name), order))
    made[ROW] = pl.Series(_in(places, order))
    table = pl.DataFrame(made)
    if table["y"].null_count() == table.height:
        raise refuse(
            "no_values",
            f"Column “{shorten(mapping.value)}” is empty.",
            "Choose another value column.",
            column=mapping.value,
        )
    readers = [columns.time, *columns.numbers.values()]
    return Long(
        table,
        tuple(covariate_name(name) for name in mapping.covariates),
        (*(sentence for reader in readers for sentence in reader.said), *times.said),
        tuple(covariate_name(name) for name in mapping.past),
        _faults(columns, table),
        statics,
        rows,
        times.utc or "UTC" in columns.time.offsets,
    )


def _column(name: str, values: NDArray[Any]) -> pl.Series:
    if name == "known_at":
        return pl.Series(values).cast(pl.Datetime("us"))
    return pl.Series(values).fill_nan(None)


def _order(codes: NDArray[np.int32], ds: NDArray[Any]) -> NDArray[np.int64] | None:
    """The order by series and time, rows of the same place as in the file; None where it is that already."""
    step = np.diff(codes)
    sorted_already = bool(((step > 0) | ((step == 0) & (ds[1:] >= ds[:-1]))).all())
    return None if sorted_already else np.lexsort((ds, codes))


def _in(values: NDArray[Any], order: NDArray[np.int64] | None) -> NDArray[Any]:
    return values if order is None else values[order]


def _faults(columns: _Columns, table: pl.DataFrame) -> pl.DataFrame:
    noted = [
        (row, None, None, target, text, code)
        for target, column in columns.numbers.items()
        for row, text, code in zip(column.faults.rows, column.faults.texts, column.faults.codes, strict=True)
    ]
    faults = pl.DataFrame(noted, FAULT_SCHEMA, orient="row")
    if not faults.height:
        return faults
    where = table.filter(pl.col(ROW).is_in(faults[ROW].implode())).select(
        ROW, pl.col("unique_id").cast(pl.String), pl.col("ds").cast(pl.String)
    )
    placed = faults.drop("unique_id", "ds").join(where.unique(ROW, keep="first"), on=ROW, how="left")
    return placed.select(FAULT_SCHEMA.keys()).sort(ROW)
