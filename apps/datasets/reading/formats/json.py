"""JSON: an array of objects is streamed; columns side by side, as pandas writes them, are read whole up to a size."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from apps.datasets.reading.contracts import refuse, shorten
from apps.datasets.reading.formats import note_of
from apps.datasets.reading.formats.bombs import spoken_bytes
from apps.datasets.reading.formats.json_text import FLAT, Cursor
from apps.datasets.reading.formats.names import checked_names
from apps.datasets.reading.formats.ndjson import NdjsonTable, open_lines
from apps.datasets.reading.formats.records import CHUNK_CHARACTERS, CHUNK_RECORDS, Survey, frame_of, series_of
from apps.datasets.reading.tabular import Chunk

MAX_RECORD = 1_000_000
MAX_WHOLE = 256 << 20
RECORD_KEYS = ("data", "records", "observations")


@dataclass(frozen=True, slots=True)
class JsonRecords:
    """An array of objects. Rows are numbered as its elements, from 1."""

    path: Path
    columns: tuple[str, ...]
    keys: Mapping[str, str]
    kinds: Mapping[str, set[type]]
    said: tuple[str, ...] = ()
    first_row: int = 0

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        """The rows in pieces; of ``columns`` only, when given."""
        keys = {name: self.keys[name] for name in (self.columns if columns is None else columns)}
        for records, first in _pieces(self.path):
            rows = range(first, first + len(records))
            yield Chunk(frame_of(records, rows, keys, self.kinds), pl.Series(rows, dtype=pl.Int64))


@dataclass(frozen=True, slots=True)
class JsonColumns:
    """Lists side by side, which are in memory. Rows are numbered by their place in the lists, from 1."""

    frame: pl.DataFrame
    said: tuple[str, ...] = ()
    first_row: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(self.frame.columns)

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        """The rows in pieces; of ``columns`` only, when given."""
        frame = self.frame if columns is None else self.frame.select(columns)
        first = 1
        for piece in frame.iter_slices(CHUNK_RECORDS):
            yield Chunk(piece, pl.int_range(first, first + piece.height, dtype=pl.Int64, eager=True))
            first += piece.height


JsonTable = JsonRecords | JsonColumns | NdjsonTable


def open_json(path: Path, filename: str, choices: Mapping[str, str]) -> JsonTable:  # noqa: ARG001 - as all formats
    """Read the keys of all records and their kinds; raises ``Unreadable`` naming the first record at fault.

    A second object behind the first makes the file NDJSON, whatever it is called.
    """
    cursor = Cursor(path)
    found = _find_records(cursor)
    if not isinstance(found, dict):
        return _streamed(path, found, note_of("json", filename))
    if cursor.peek() == "{":
        return open_lines(path, filename)
    cursor.end()
    return JsonColumns(_side_by_side(found, path), note_of("json", filename))


def open_ndjson(path: Path, filename: str, choices: Mapping[str, str]) -> JsonTable:
    """The same for NDJSON; a file of one line, or of an array, may be JSON that is only called so."""
    if _is_of_lines(path):
        return open_lines(path, filename)
    return open_json(path, filename, choices)


def _is_of_lines(path: Path) -> bool:
    cursor = Cursor(path)
    return cursor.peek() == "{" and cursor.has_another_line(MAX_RECORD)


def _streamed(path: Path, key: str | None, said: tuple[str, ...]) -> JsonRecords:
    survey = Survey()
    for records, first in _pieces(path):
        survey.see(records, range(first, first + len(records)))
    if survey.rows == 0:
        raise refuse("no_rows", "The JSON holds no records.", FLAT)
    columns = survey.names()
    if key:
        said = (*said, f"The rows were found under “{key}”.")
    return JsonRecords(path, columns, dict(zip(columns, survey.kinds, strict=True)), survey.kinds, said)


def _find_records(cursor: Cursor) -> str | dict[str, Any] | None:
    """Leave ``cursor`` in front of the records' array: None when it is the file, else the key it has in the object.

    An object without records is returned as a whole.
    """
    if not (begins := cursor.peek()):
        raise refuse("empty_file", "The file is empty.", FLAT)
    if begins == "[":
        return None
    members: dict[str, Any] = {}
    for name in cursor.keys("the file", MAX_RECORD):
        if name in RECORD_KEYS and cursor.opens_records():
            return name
        if name in members:
            raise refuse(
                "duplicate_column", f"The key “{shorten(name)}” stands twice in the file.", FLAT, column=name
            )
        members[name] = cursor.value(MAX_WHOLE, f"the value of “{shorten(name)}”")
    return members


def _pieces(path: Path) -> Iterator[tuple[list[Any], int]]:
    """The records in lists of bounded size, each with the number of its first."""
    cursor = Cursor(path)
    piece: list[Any] = []
    first, read = 1, 0
    for record in _elements(cursor):
        piece.append(record)
        if len(piece) == CHUNK_RECORDS or cursor.read - read > CHUNK_CHARACTERS:
            yield piece, first
            first, read, piece = first + len(piece), cursor.read, []
    if piece:
        yield piece, first


def _elements(cursor: Cursor) -> Iterator[Any]:
    if cursor.peek() == "[":
        yield from cursor.elements("record", MAX_RECORD)
        cursor.end()
        return
    found = False
    for name in cursor.keys("the file", MAX_RECORD):
        if not found and name in RECORD_KEYS and cursor.opens_records():
            found = True
            yield from cursor.elements("record", MAX_RECORD)
        else:
            cursor.value(MAX_WHOLE, f"the value of “{shorten(name)}”")
    cursor.end()


def _side_by_side(members: dict[str, Any], path: Path) -> pl.DataFrame:
    """Columns as lists, as pandas' ``split``, or as objects of equal keys; one flat object is one record."""
    if path.stat().st_size > MAX_WHOLE:
        raise refuse(
            "file_too_large",
            f"JSON of columns is read up to {spoken_bytes(MAX_WHOLE)}.",
            "Send an array of objects, or NDJSON, which may be of any size.",
        )
    if {"columns", "data"} <= members.keys():
        return _split(members["columns"], members["data"])
    if members and not any(isinstance(value, (list, dict)) for value in members.values()):
        return _typed({name: [value] for name, value in members.items()})
    if members and all(isinstance(value, dict) for value in members.values()):
        index = list(dict.fromkeys(chain.from_iterable(members.values())))
        return _typed({name: [cells.get(each) for each in index] for name, cells in members.items()})
    return _typed(_lists(members))


def _lists(members: dict[str, Any]) -> dict[str, list[Any]]:
    for name, cells in members.items():
        if not isinstance(cells, list):
            raise refuse(
                "no_table",
                f"The JSON is no table: “{shorten(name)}” is not a list, as the values of a column would be.",
                FLAT,
                column=name,
            )
    lengths = {name: len(cells) for name, cells in members.items()}
    longest = max(lengths, key=lambda name: lengths[name], default="")
    for name, length in lengths.items():
        if length != lengths[longest]:
            raise refuse(
                "uneven_columns",
                f"“{shorten(name)}” has {length:,} values, “{shorten(longest)}” {lengths[longest]:,}.",
                "Give each column a value for each row; null stands for a missing one.",
                column=name,
            )
    return members


def _split(names: Any, rows: Any) -> pl.DataFrame:
    """``{"columns": [...], "data": [[...], ...]}``."""
    if not isinstance(names, list) or not isinstance(rows, list):
        raise refuse("no_table", "“columns” and “data” have to be lists.", FLAT)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, list) or len(row) != len(names):
            found = f"{len(row):,} values" if isinstance(row, list) else "no list of values"
            raise refuse(
                "wrong_field_count",
                f"Record {number:,} has {found} where there are {len(names):,} columns.",
                "Give each record a value for each column; null stands for a missing one.",
                rows=(number,),
            )
    columns = checked_names([name if isinstance(name, str) else json.dumps(name) for name in names])
    return _typed({name: [row[place] for row in rows] for place, name in enumerate(columns)})


def _typed(cells: dict[str, list[Any]]) -> pl.DataFrame:
    height = len(next(iter(cells.values()), ()))
    if not height:
        raise refuse("no_rows", "The JSON holds no records.", FLAT)
    columns = checked_names(list(cells))
    survey = Survey()
    for name, values in cells.items():
        survey.see_column(name, values, range(1, height + 1))
    return pl.DataFrame(
        [series_of(name, cells[key], survey.kinds[key]) for name, key in zip(columns, cells, strict=True)]
    )
