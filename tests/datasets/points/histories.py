"""Random histories of a data set, lived through twice: with parts, and in a naive notebook."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import strategies as st

from apps.datasets.points import changes, parts
from apps.datasets.points.manifest import Entry
from tests.datasets.points.naive import COLUMNS, Notebook, Row, Time

START = datetime.fromisoformat("2024-01-01")
SERIES = ("a", "b")
STEPS = 5

VALUES = st.one_of(st.none(), st.integers(0, 2).map(float))
PLACES = st.tuples(st.sampled_from(SERIES), st.integers(0, STEPS - 1))
GIVEN = st.sampled_from([("y",), ("y", "price"), ("price",), COLUMNS, ("weather", "price"), ("y", "weather")])


def day(number: float) -> datetime:
    """So many days after the start of everything."""
    return START + timedelta(days=number)


@dataclass
class Told:
    """A data set as it comes to be: its versions as manifests, and the notebook at each."""

    folder: Path
    integer: bool = False
    entries: list[Entry] = field(default_factory=list)
    notebook: Notebook = field(default_factory=Notebook)
    versions: list[tuple[list[Entry], Notebook]] = field(default_factory=list)

    def upload(self, columns: Sequence[str], rows: list[Row], now: datetime | None) -> None:
        self.entries.append(
            Entry(self._write(frame(rows, columns, self.integer)), tuple(columns), now, reset=now is not None)
        )
        self.notebook.upload(rows, now)
        self._keep()

    def append(self, columns: Sequence[str], rows: list[Row], now: datetime) -> None:
        done = changes.upsert(self.entries, frame(rows, columns, self.integer), known_at=now, columns=columns)
        if done.part.height:
            self.entries.append(Entry(self._write(done.part), done.columns, done.known_at))
        self.notebook.append(rows, now)
        self._keep()

    def delete(self, series: list[str] | None, start: Time, end: Time, now: datetime) -> None:
        done = changes.delete(self.entries, series=series, start=start, end=end, known_at=now)
        if done.part.height:
            self.entries.append(Entry(self._write(done.part), (), done.known_at))
        self.notebook.delete(set(series) if series else None, start, end, now)
        self._keep()

    def restore(self, version: int, now: datetime) -> None:
        entries, notebook = self.versions[version % len(self.versions)]
        last = max((place for place, entry in enumerate(entries) if entry.reset), default=0)
        again = [
            Entry(entry.path, entry.columns, now, reset=place == 0)
            for place, entry in enumerate(entries[last:])
        ]
        self.entries.extend(again)
        self.notebook.restore(notebook, now)
        self._keep()

    def compact(self) -> None:
        part = changes.compact(self.entries)
        self.entries = [Entry(self._write(part), parts.columns_of(self.entries))]
        self._keep()

    def _keep(self) -> None:
        self.versions.append((list(self.entries), self.notebook.copy()))

    def _write(self, part: pl.DataFrame) -> str:
        path = self.folder / f"{next(_numbers)}.parquet"
        parts.write(part, path)
        return str(path)


_numbers = itertools.count()


def frame(rows: list[Row], columns: Sequence[str], integer: bool = False) -> pl.DataFrame:
    """Rows as a long table; a column that a row does not give is marked as kept."""
    data: dict[str, Any] = {
        "unique_id": [row.unique_id for row in rows],
        "ds": [row.ds for row in rows],
        **{name: [row.values.get(name) for row in rows] for name in columns},
        "__row": range(2, len(rows) + 2),
    }
    if any(row.known_at for row in rows):
        data["known_at"] = [row.known_at for row in rows]
    for name in columns:
        if any(name not in row.values for row in rows):
            data[f"__keeps_{name}"] = [name not in row.values for row in rows]
    schema: dict[str, Any] = dict.fromkeys(columns, pl.Float64) | {
        "unique_id": pl.String,
        "ds": pl.Int64 if integer else pl.Datetime("us"),
        "known_at": pl.Datetime("us"),
        "__row": pl.Int64,
    }
    table = pl.DataFrame(data, schema_overrides={name: kind for name, kind in schema.items() if name in data})
    return table.sort("unique_id", "ds", "__row") if not rows or "__keeps" not in "".join(data) else table


@st.composite
def lives(draw: st.DrawFn, folder: Path) -> Told:
    """A data set after up to seven changes at times that never go back."""
    told = Told(folder, integer=draw(st.integers(0, 5)) == 0)
    early = draw(st.booleans())
    clock = draw(st.integers(0, 6)) / 2
    columns = draw(GIVEN)
    rows = draw(_files(told, columns, clock, early))
    told.upload(columns, rows, None)
    for _ in range(draw(st.integers(0, 7))):
        clock += draw(st.integers(0, 4)) / 2
        _change(draw, told, clock, early)
    return told


def _change(draw: st.DrawFn, told: Told, clock: float, early: bool) -> None:
    kinds = ["append", "append", "append", "delete", "replace", "compact", *([] if early else ["restore"])]
    kind = draw(st.sampled_from(kinds))
    columns = draw(GIVEN)
    if kind == "append":
        told.append(columns, draw(_requests(told, columns, clock)), day(clock))
    elif kind == "replace":
        told.upload(columns, draw(_files(told, columns, clock, early)), day(clock))
    elif kind == "delete":
        first, last = sorted(draw(st.tuples(st.integers(0, STEPS - 1), st.integers(0, STEPS - 1))))
        series = draw(st.sampled_from([None, ["a"], ["b"]]))
        told.delete(series, _ds(told, first), _ds(told, last), day(clock))
    elif kind == "compact":
        told.compact()
    else:
        told.restore(draw(st.integers(0, 20)), day(clock))


@st.composite
def _files(draw: st.DrawFn, told: Told, columns: Sequence[str], clock: float, early: bool) -> list[Row]:
    """Rows of a file, with or without known_at; ``early`` says rows known only after the upload."""
    latest = clock + 4 if early else clock
    moments = st.one_of(st.none(), st.integers(0, int(latest * 2)).map(lambda half: day(half / 2)))
    known = moments if draw(st.booleans()) else st.none()
    return [
        Row(name, _ds(told, step), {each: draw(VALUES) for each in columns}, draw(known))
        for name, step in draw(st.lists(PLACES, max_size=8))
    ]


@st.composite
def _requests(draw: st.DrawFn, told: Told, columns: Sequence[str], clock: float) -> list[Row]:
    """Rows of a request, some of which do not give all columns."""
    rows = []
    for name, step in draw(st.lists(PLACES, min_size=1, max_size=4)):
        given = [each for each in columns if draw(st.integers(0, 3))] or [columns[0]]
        rows.append(Row(name, _ds(told, step), {each: draw(VALUES) for each in given}))
    return rows


def _ds(told: Told, step: int) -> Time:
    return step if told.integer else day(step)
