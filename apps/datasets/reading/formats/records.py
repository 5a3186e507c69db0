"""Values as JSON gives them -> typed columns. What no cell can hold is named with its record and its key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import polars as pl

from apps.datasets.reading.contracts import Cell, refuse, shorten
from apps.datasets.reading.formats.names import checked_names, refuse_too_many

# A piece of a file: so many records, or fewer where they are long.
CHUNK_RECORDS = 50_000
CHUNK_CHARACTERS = 16 << 20
INT64 = (-(2**63), 2**63 - 1)
# JSON knows no NaN and no infinity, though many write them: they stay text, for the reader of the column to judge.
_AS_TEXT = str
_NOTHING = type(None)

Record = Mapping[str, Any]


class Repeated:
    """Stands for an object that has a key twice; ``key`` is the first such."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        self.key = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]


class Huge:
    """Marks a column in which a whole number is too large for 64 bits."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Repeated:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Repeated(pairs)


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_AS_TEXT)


@dataclass
class Survey:
    """Which keys records have, in the order of their coming, and what kinds of values each holds; ``what``: a record's name."""

    what: str = "Record"
    kinds: dict[str, set[type]] = field(default_factory=dict)
    rows: int = 0

    def see(self, records: Sequence[Any], rows: Sequence[int]) -> None:
        """Take records into account; ``rows``: their numbers. Raises ``Unreadable`` naming the first at fault."""
        if set(map(type, records)) - {dict}:
            position = next(each for each, record in enumerate(records) if type(record) is not dict)
            raise _no_record(records[position], rows[position], self.what)
        for name in dict.fromkeys(chain.from_iterable(records)):
            self.kinds.setdefault(name, set())
            refuse_too_many(len(self.kinds), (rows[0],))
        for name in self.kinds:
            self.see_column(name, [record.get(name) for record in records], rows)
        self.rows += len(records)

    def see_column(self, name: str, values: Sequence[Any], rows: Sequence[int]) -> None:
        """Take the values of one column into account."""
        kinds = self.kinds.setdefault(name, set())
        found = set(map(type, values))
        if nested := found & {dict, list, Repeated}:
            position = next(each for each, value in enumerate(values) if type(value) in nested)
            raise _nested(Cell(name, "", rows[position]), values[position], self.what)
        if int in found and _holds_huge(values):
            found.add(Huge)
        kinds |= found - {_NOTHING}

    def names(self) -> tuple[str, ...]:
        """The columns' names, checked."""
        return checked_names(list(self.kinds))


def frame_of(
    records: Sequence[Record], rows: Sequence[int], keys: Mapping[str, str], kinds: Mapping[str, set[type]]
) -> pl.DataFrame:
    """The columns of ``keys`` (name of the column: key of the records), typed by the kinds of the whole file."""
    columns = []
    for name, key in keys.items():
        values = [record.get(key) for record in records]
        try:
            columns.append(series_of(name, values, kinds[key]))
        except UnicodeEncodeError as error:
            raise _half_character(name, values, rows) from error
    return pl.DataFrame(columns)


def series_of(name: str, values: Sequence[Any], kinds: set[type]) -> pl.Series:
    """Int64, Float64 or Boolean where all values of the file are such, else text."""
    if kinds and kinds <= {int}:
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds and kinds <= {int, float}:
        return pl.Series(
            name, [None if value is None else float(value) for value in values], dtype=pl.Float64
        )
    if kinds and kinds <= {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    return pl.Series(name, map(_text, values), dtype=pl.String)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def _half_character(name: str, values: Sequence[Any], rows: Sequence[int]) -> Exception:
    """JSON can write one half of a character (``\\ud83d``), which no text can hold."""
    shown = name.encode("utf-8", "replace").decode()
    row = next((row for value, row in zip(values, rows, strict=True) if _is_halved(value)), rows[0])
    return refuse(
        "broken_text",
        f"Row {row:,}, column “{shorten(shown)}” holds half a character (\\ud800 to \\udfff).",
        "Write the file again as UTF-8.",
        rows=(row,),
        column=shown,
    )


def _is_halved(value: Any) -> bool:
    return isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value)


def _holds_huge(values: Iterable[Any]) -> bool:
    return any(type(value) is int and not INT64[0] <= value <= INT64[1] for value in values)


def _no_record(value: Any, row: int, what: str) -> Exception:
    if isinstance(value, Repeated):
        return refuse(
            "duplicate_column",
            f"{what} {row:,} has the key “{shorten(value.key)}” twice.",
            "Give each value a key of its own.",
            rows=(row,),
            column=value.key,
        )
    return refuse(
        "not_an_object",
        f"{what} {row:,} is {_spoken_kind(value)}, not an object.",
        'Write each row as an object such as {"unique_id": "a", "ds": "2024-01-31", "y": 1.5}.',
        rows=(row,),
        value=None if isinstance(value, (list, dict)) else shorten(str(value)),
    )


def _nested(cell: Cell, value: Any, what: str) -> Exception:
    return refuse(
        "nested_column",
        f"{what} {cell.row:,}, column “{shorten(cell.column)}” holds {_spoken_kind(value)}: a cell must be one value.",
        "Write its members as columns of their own, or leave it out.",
        rows=(cell.row,),
        column=cell.column,
    )


def _spoken_kind(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return "nothing (null)" if value is None else names.get(type(value), "an object")
