"""Which character separates the columns, and what the header says."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, replace

from apps.datasets.reading.contracts import refuse, shorten

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
SAMPLE_BYTES = 256 * 1024
SAMPLE_LINES = 200
MAX_COLUMNS = 200_000
MAX_LINE_BYTES = 4_000_000
_EXCEL_HINT = re.compile(rb"sep=(.)\n", re.IGNORECASE)
MIN_DATES = 3  # names that are dates: more than a row of data has
_DATE_CELL = re.compile(r"\d{1,4}[-/.]\d{1,2}(?:[-/.]\d{1,4})?(?:[ T]\d{1,2}:\d{2}(?::\d{2})?)?")
_DATA_CELL = re.compile(r"[-+]?[\d.,/:' -]+")


@dataclass(frozen=True, slots=True)
class Dialect:
    """``header``: unique, non-empty names; ``header_row``: its line; ``start``: the first byte of data."""

    delimiter: str
    header: tuple[str, ...]
    header_row: int
    start: int
    said: tuple[str, ...]

    def body(self, line: int) -> Dialect:
        """The same, for a later piece of the file that begins at ``line``."""
        return replace(self, header_row=line - 1, start=0)


def sniff(data: bytes, delimiter: str | None = None) -> Dialect:
    """Find delimiter and header of UTF-8 text with ``\\n`` ends; ``delimiter``: the user's choice."""
    _refuse_long_line(data)
    offset, row, hinted = _skip_hint(data)
    offset, row = _skip_blank_lines(data, offset, row)
    sample = _sample(data, offset)
    chosen = delimiter or hinted or _best_delimiter(sample)
    header, length = _header(data, offset, chosen)
    names = checked_names(header, row)
    _refuse_data_as_header(header, row)
    said: tuple[str, ...] = (
        () if chosen == "," else (f"Columns are separated by a {DELIMITERS.get(chosen, chosen)}.",)
    )
    unnamed = [name for name, given in zip(names, header, strict=True) if not given.strip()]
    if unnamed:
        said += (f"Columns without a name are called {', '.join(unnamed)}.",)
    return Dialect(chosen, names, row, offset + length, said)


def _refuse_long_line(data: bytes) -> None:
    end = data.find(b"\n", 0, MAX_LINE_BYTES)
    if end == -1 and len(data) > MAX_LINE_BYTES:
        raise refuse(
            "line_too_long",
            f"Row 1 is longer than {MAX_LINE_BYTES:,} characters.",
            "Check that this is a CSV file with one observation per line.",
            rows=(1,),
        )


def _skip_hint(data: bytes) -> tuple[int, int, str | None]:
    hint = _EXCEL_HINT.match(data)
    return (hint.end(), 2, hint[1].decode(errors="replace")) if hint else (0, 1, None)


def _skip_blank_lines(data: bytes, offset: int, row: int) -> tuple[int, int]:
    while (end := data.find(b"\n", offset)) != -1 and not data[offset:end].strip():
        offset, row = end + 1, row + 1
    return offset, row


def _sample(data: bytes, offset: int) -> list[str]:
    """The first lines, two at least however long they are."""
    first = data.find(b"\n", offset)
    second = data.find(b"\n", first + 1) if first != -1 else -1
    end = max(offset + SAMPLE_BYTES, second + 1)
    lines = data[offset:end].decode(errors="replace").split("\n")
    if len(data) > end and len(lines) > 1:
        lines = lines[:-1]
    return [line for line in lines[:SAMPLE_LINES] if line.strip()]


def _best_delimiter(lines: list[str]) -> str:
    scores = {delimiter: _score(lines, delimiter) for delimiter in DELIMITERS}
    best = max(scores, key=lambda delimiter: scores[delimiter])
    if scores[best][1] < 2:
        tried = ", ".join(DELIMITERS.values())
        raise refuse(
            "one_column",
            f"Only one column was found: row 1 reads “{shorten(lines[0])}” (tried {tried}).",
            "Separate the columns by commas; at least a time and a value column are needed.",
            rows=(1,),
        )
    return best


def _score(lines: list[str], delimiter: str) -> tuple[float, int]:
    """How well ``delimiter`` fits: the share of lines with as many fields as the header, and that number."""
    csv.field_size_limit(MAX_LINE_BYTES)
    try:
        widths = [len(record) for record in csv.reader(lines, delimiter=delimiter)]
    except csv.Error:  # a field without end: not this separator
        return 0.0, 1
    if not widths or widths[0] < 2:
        return 0.0, 1
    share = sum(1 for width in widths if width == widths[0]) / len(widths)
    return share, widths[0]


def _header(data: bytes, offset: int, delimiter: str) -> tuple[list[str], int]:
    """The header's fields and its length in bytes (it may hold quoted line breaks)."""
    if len(delimiter) != 1:
        raise refuse(
            "unknown_delimiter", f"{shorten(delimiter)!r} cannot separate columns.", "Choose one character."
        )
    end = data.find(b"\n", offset)
    line = data[offset : end if end != -1 else len(data)]
    if line.count(b'"') % 2 == 0:
        record = next(csv.reader([line.decode()], delimiter=delimiter))
        return record, len(line) + (1 if end != -1 else 0)
    piece = data[offset : offset + MAX_LINE_BYTES].decode(errors="replace")
    reader = csv.reader(io.StringIO(piece, newline=""), delimiter=delimiter)
    record = next(reader)
    consumed = "".join(piece.splitlines(keepends=True)[: reader.line_num])
    return record, len(consumed.encode())


def checked_names(header: list[str], row: int) -> tuple[str, ...]:
    """The names of the columns: those without one are numbered; raises ``Unreadable`` for two alike, or too many."""
    if len(header) > MAX_COLUMNS:
        raise refuse(
            "too_many_columns",
            f"The header has {len(header):,} columns; at most {MAX_COLUMNS:,} are read.",
            "Use the long format: one row per series and time.",
            rows=(row,),
        )
    names = [name.strip() or f"column_{position}" for position, name in enumerate(header, start=1)]
    seen: dict[str, int] = {}
    for position, name in enumerate(names, start=1):
        if name in seen:
            raise refuse(
                "duplicate_column",
                f"Columns {seen[name]} and {position} are both called “{shorten(name)}”.",
                "Give each column a name of its own.",
                rows=(row,),
                column=name,
            )
        seen[name] = position
    return tuple(names)


def _refuse_data_as_header(header: list[str], row: int) -> None:
    """A first line of numbers and dates is data; one plain text among them may be a series' name."""
    filled = [cell.strip() for cell in header if cell.strip()]
    data_cells = [
        cell
        for cell in filled
        if _DATA_CELL.fullmatch(cell) and any(character.isdigit() for character in cell)
    ]
    dates = {cell for cell in data_cells if _DATE_CELL.fullmatch(cell)}
    if len(dates) >= MIN_DATES:  # a column for each time
        return
    if len(data_cells) >= 2 and len(data_cells) >= len(filled) - 1:
        raise refuse(
            "no_header",
            f"Row {row} looks like data (“{shorten(', '.join(data_cells))}”), not like column names.",
            "Add a first line that names the columns, such as unique_id,ds,y.",
            rows=(row,),
        )
