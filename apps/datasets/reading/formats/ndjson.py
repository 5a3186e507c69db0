"""NDJSON: an object a line. Rows are numbered as the lines; a key that a line leaves out is missing there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from apps.datasets.reading.contracts import NAMED_ROWS, Problem, Unreadable, refuse, shorten
from apps.datasets.reading.formats import note_of
from apps.datasets.reading.formats.json_text import text_blocks
from apps.datasets.reading.formats.records import CHUNK_CHARACTERS, CHUNK_RECORDS, DECODER, Survey, frame_of
from apps.datasets.reading.tabular import Chunk

MAX_LINE = 1_000_000
_FIX = 'Write one object a line, such as {"unique_id": "a", "ds": "2024-01-31", "y": 1.5}.'


@dataclass(frozen=True, slots=True)
class NdjsonTable:
    """Lines of objects."""

    path: Path
    columns: tuple[str, ...]
    keys: Mapping[str, str]
    kinds: Mapping[str, set[type]]
    said: tuple[str, ...] = ()
    first_row: int = 0

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        """The rows in pieces; of ``columns`` only, when given."""
        keys = {name: self.keys[name] for name in (self.columns if columns is None else columns)}
        for records, rows in _pieces(self.path):
            yield Chunk(frame_of(records, rows, keys, self.kinds), pl.Series(rows, dtype=pl.Int64))


def open_lines(path: Path, filename: str) -> NdjsonTable:
    """Read the keys of all lines and their kinds; raises ``Unreadable`` naming the lines at fault."""
    survey = Survey("Row")
    for records, rows in _pieces(path):
        survey.see(records, rows)
    if survey.rows == 0:
        raise refuse("empty_file", "The file is empty.", _FIX)
    columns = survey.names()
    keys = dict(zip(columns, survey.kinds, strict=True))
    return NdjsonTable(path, columns, keys, survey.kinds, note_of("ndjson", filename))


def _pieces(path: Path) -> Iterator[tuple[list[Any], list[int]]]:
    lines: list[str] = []
    rows: list[int] = []
    characters = 0
    for row, line in enumerate(_lines(path), start=1):
        if not line or line.isspace():
            continue
        lines.append(line)
        rows.append(row)
        characters += len(line)
        if len(lines) == CHUNK_RECORDS or characters > CHUNK_CHARACTERS:
            yield _parsed(lines, rows), rows
            lines, rows, characters = [], [], 0
    if lines:
        yield _parsed(lines, rows), rows


def _lines(path: Path) -> Iterator[str]:
    rest, row = "", 1
    for block in text_blocks(path):
        lines = (rest + block).split("\n")
        rest = lines.pop()
        yield from lines
        row += len(lines)
        if len(rest) > MAX_LINE:
            raise refuse(
                "line_too_long", f"Row {row:,} is longer than {MAX_LINE:,} characters.", _FIX, rows=(row,)
            )
    if rest:
        yield rest


def _parsed(lines: list[str], rows: list[int]) -> list[Any]:
    """The lines' values. All at once where that gives one value a line, which is the rule; else line by line."""
    try:
        values = DECODER.decode(f"[{','.join(lines)}]")
    except (ValueError, RecursionError):
        values = []
    if isinstance(values, list) and len(values) == len(lines):
        return values
    return _parsed_singly(lines, rows)


def _parsed_singly(lines: list[str], rows: list[int]) -> list[Any]:
    values, faults = [], []
    for line, row in zip(lines, rows, strict=True):
        try:
            values.append(DECODER.decode(line))
        except (ValueError, RecursionError) as error:
            faults.append(_fault(line, row, error))
    if faults:
        raise Unreadable(problems=tuple(faults[:NAMED_ROWS]))
    return values


def _fault(line: str, row: int, error: Exception) -> Problem:
    place = error.pos if isinstance(error, json.JSONDecodeError) else 0
    cut = place >= len(line.rstrip()) or "Unterminated string" in str(error)
    how = "ends too early" if cut else f"is no valid JSON, near “{shorten(line[place : place + 60])}”"
    return Problem("not_json", f"Row {row:,} {how}.", _FIX, (row,), value=shorten(line))
