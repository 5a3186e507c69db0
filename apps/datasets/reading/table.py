"""Text -> a table of strings, every row of which has a line number.

The fast path takes files in which every line has the header's number of fields and nothing is quoted; all
others take the precise path, which names the row at fault.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from apps.datasets.reading.contracts import NAMED_ROWS, Problem, Unreadable, refuse, shorten
from apps.datasets.reading.dialect import DELIMITERS, MAX_LINE_BYTES, Dialect

CHUNK_ROWS = 50_000
FAST_COLUMNS = 20_000


@dataclass(frozen=True, slots=True)
class Strings:
    """``frame``: text only (empty cells are ``""``); ``lines``: each row's line, None if they count up."""

    frame: pl.DataFrame
    first_line: int
    lines: pl.Series | None

    def row_numbers(self) -> pl.Series:
        """The line of the file on which each row starts."""
        if self.lines is not None:
            return self.lines
        return pl.int_range(self.first_line, self.first_line + self.frame.height, eager=True, dtype=pl.Int64)


def read_strings(data: bytes, dialect: Dialect) -> Strings:
    """The data rows of UTF-8 text; raises ``Unreadable`` naming rows of another width."""
    body = data[dialect.start :]
    strings = _read_fast(body, dialect) if b'"' not in body else None
    return strings or _read_precisely(body, dialect)


def _read_fast(body: bytes, dialect: Dialect) -> Strings | None:
    """The table, or None unless every line but the trailing empty ones has the right number of fields."""
    body = body.rstrip(b"\n")
    if not body or len(dialect.header) > FAST_COLUMNS:
        return None
    lines = pl.read_csv(
        body,
        separator="\x01",
        has_header=False,
        quote_char=None,
        schema={"line": pl.String},
        empty_string_is_null=False,
    )
    widths = lines["line"].str.count_matches(dialect.delimiter, literal=True)
    longest = lines["line"].str.len_bytes().max()
    regular = widths.min() == widths.max() == len(dialect.header) - 1
    if b"\x01" in body or not regular or not isinstance(longest, int) or longest > MAX_LINE_BYTES:
        return None
    del lines, widths
    frame = pl.read_csv(
        body,
        separator=dialect.delimiter,
        has_header=False,
        quote_char=None,
        schema=dict.fromkeys(dialect.header, pl.String),
        empty_string_is_null=False,
    )
    return Strings(frame, dialect.header_row + 1, None)


def _read_precisely(body: bytes, dialect: Dialect) -> Strings:
    frames, lines = [], []
    schema = dict.fromkeys(dialect.header, pl.String)
    for records, numbers in _chunks(body.decode(), dialect):
        frames.append(
            pl.DataFrame(dict(zip(dialect.header, zip(*records, strict=True), strict=True)), schema=schema)
        )
        lines.append(pl.Series(numbers, dtype=pl.Int64))
    if not frames:
        return Strings(pl.DataFrame(schema=schema), dialect.header_row + 1, None)
    return Strings(pl.concat(frames), dialect.header_row + 1, pl.concat(lines))


def _chunks(text: str, dialect: Dialect) -> Iterator[tuple[list[list[str]], list[int]]]:
    records: list[list[str]] = []
    numbers: list[int] = []
    faults: list[Problem] = []
    for number, record in _records(text, dialect):
        if len(record) != len(dialect.header):
            faults.append(_wrong_width(number, record, dialect))
            if len(faults) == NAMED_ROWS:
                break
            continue
        records.append(record)
        numbers.append(number)
        if len(records) == CHUNK_ROWS and not faults:
            yield records, numbers
            records, numbers = [], []
    if faults:
        raise Unreadable(problems=tuple(faults))
    if records:
        yield records, numbers


def _records(text: str, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line it starts on; blank lines are left out."""
    csv.field_size_limit(MAX_LINE_BYTES)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter, strict=True)
    start = 0
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _broken_record(dialect.header_row + start + 1, error) from error
        line, start = dialect.header_row + start + 1, reader.line_num
        if record and (record[0] or any(cell.strip() for cell in record)):
            yield line, record


def _broken_record(row: int, error: csv.Error) -> Unreadable:
    if "field limit" in str(error):
        return refuse(
            "line_too_long",
            f"Row {row} holds a field of more than {MAX_LINE_BYTES:,} characters.",
            "Shorten it.",
            rows=(row,),
        )
    return refuse(
        "broken_quotes",
        f"Row {row} has a quotation mark that is not closed or not followed by the separator.",
        'Double each quotation mark inside a quoted field ("") and close each field.',
        rows=(row,),
    )


def _wrong_width(row: int, record: list[str], dialect: Dialect) -> Problem:
    found, expected = len(record), len(dialect.header)
    name = DELIMITERS.get(dialect.delimiter, dialect.delimiter)
    hint = "Quote the fields that contain the separator, or use another separator."
    if dialect.delimiter == "," and found > expected:
        hint = (
            "If a comma inside numbers is a decimal or thousands sign, quote those numbers or separate the "
            "columns by semicolons."
        )
    if found < expected:
        hint = "Add the missing fields (an empty field still needs its separator)."
    return Problem(
        code="wrong_field_count",
        message=f"Row {row} has {found} fields where the header has {expected} (separated by a {name}).",
        fix=hint,
        rows=(row,),
        value=shorten(dialect.delimiter.join(record)),
    )
