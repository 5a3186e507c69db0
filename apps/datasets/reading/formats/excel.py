"""Excel (xlsx, xls) and OpenDocument (ods) by way of calamine: the sheet, its header, and cells as they are typed."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fastexcel
import polars as pl

from apps.datasets.reading.contracts import Option, Question, Unreadable, refuse, shorten
from apps.datasets.reading.formats import note_of
from apps.datasets.reading.formats.headers import Head, find_head
from apps.datasets.reading.formats.names import checked_names
from apps.datasets.reading.formats.sheets import SheetNotes, examine, sheet_members
from apps.datasets.reading.formats.zipped import check_archive
from apps.datasets.reading.tabular import Chunk

ZIP = b"PK\x03\x04"
OLE = b"\xd0\xcf\x11\xe0"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_KINDS = {"xl/workbook.xml": ".xlsx", "xl/workbook.bin": ".xlsb", "content.xml": ".ods"}
HEAD_ROWS = 60
MAX_SHEETS = 200
CHUNK_ROWS = 100_000
# Calamine rounds numbers to 9 decimals when it makes texts of them.
_ROUNDED = r"^-?\d+(?:\.\d+)?$"
_LONG_NUMBER = 24
_EXACT_WHOLE = 2.0**53

logging.getLogger("fastexcel").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class ExcelTable:
    """One sheet, in memory. Rows are numbered as Excel numbers them."""

    frame: pl.DataFrame
    rows: pl.Series
    said: tuple[str, ...]
    first_row: int

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(self.frame.columns)

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        """The rows in pieces; of ``columns`` only, when given."""
        frame = self.frame if columns is None else self.frame.select(columns)
        for start in range(0, frame.height, CHUNK_ROWS):
            yield Chunk(frame.slice(start, CHUNK_ROWS), self.rows.slice(start, CHUNK_ROWS))


def open_excel(path: Path, filename: str, choices: Mapping[str, str]) -> ExcelTable:
    """Read one sheet; raises ``Unreadable`` for a broken, locked or hostile workbook, or asks which sheet."""
    suffix, notes = _examined(path)
    try:
        book = _opened(path, suffix)
        names = book.sheet_names[:MAX_SHEETS]
        name, head, said = _chosen(book, names, choices.get("sheet", ""))
        frame = _typed(book, name, head)
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError) as error:
        raise _refusal(str(error)) from error
    table, more = _finished(frame, head, notes.get(name, SheetNotes()))
    return ExcelTable(*table, (*note_of("excel", filename), *said, *more), head.row)


def _refusal(why: str) -> Unreadable:
    if "limit exceeded" in why:
        return refuse(
            "bomb",
            "The sheet repeats its cells without end.",
            "Delete what stands below and beside the table.",
        )
    return refuse(
        "damaged",
        f"The workbook cannot be read: {shorten(why.partition(chr(10))[0]).rstrip('.')}.",
        "Save it again in Excel or LibreOffice, or upload the data as CSV.",
    )


def _opened(path: Path, suffix: str) -> fastexcel.ExcelReader:
    """The reader goes by the end of the name, which need not be true: here it is."""
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / f"book{suffix}"
        link.symlink_to(path.resolve())
        return fastexcel.read_excel(link)


def _examined(path: Path) -> tuple[str, dict[str, SheetNotes]]:
    """What kind of workbook it is, and what its archive says of each sheet, once that is known to be harmless."""
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == OLE:
        _refuse_encrypted(path)
        return ".xls", {}
    members = check_archive(path)
    found = examine(path, members)
    suffix = next((suffix for name, suffix in _KINDS.items() if name in found), None)
    if suffix is None:
        raise refuse(
            "not_a_table",
            "This is a zip archive, not a workbook.",
            "Unpack it and upload the file inside, or pack that with gzip or zstd.",
        )
    sheets = sheet_members(path, members)
    return suffix, {name: found.get(member, SheetNotes()) for name, member in sheets.items()}


def _refuse_encrypted(path: Path) -> None:
    """Excel wraps a workbook with a password into the container that older workbooks are."""
    carry = b""
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            if _ENCRYPTED in carry + block:
                raise refuse(
                    "encrypted", "The workbook is protected by a password.", "Save it without the password."
                )
            carry = block[-len(_ENCRYPTED) :]


def _chosen(book: fastexcel.ExcelReader, names: list[str], wanted: str) -> tuple[str, Head, tuple[str, ...]]:
    """The sheet to read, where its table begins, and what is to be said about that."""
    if wanted:
        if wanted not in names:
            raise refuse(
                "unknown_sheet",
                f"There is no sheet “{shorten(wanted)}”.",
                f"Choose one of {shorten(', '.join(names))}.",
            )
        return wanted, _head_or_refusal(_head(book, wanted), wanted), ()
    heads = {name: head for name in names if (head := _head(book, name)) is not None and head.visible}
    likely = [name for name, head in heads.items() if head.has_data]
    if len(likely) > 1:
        raise Unreadable(questions=(_which_sheet(likely, heads),))
    chosen = next(iter(likely or heads), names[0] if names else "")
    others = [name for name in names if name != chosen]
    said = (f"Sheet “{shorten(chosen)}” was read, not {_listed(others)}.",) if others else ()
    return chosen, _head_or_refusal(heads.get(chosen), chosen), said


def _listed(names: list[str]) -> str:
    shown = [f"“{shorten(name)}”" for name in names[:5]]
    return ", ".join(shown) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _head_or_refusal(head: Head | None, name: str) -> Head:
    if head is None:
        raise refuse(
            "no_rows",
            f"Sheet “{shorten(name)}” holds no table: a row of column names with rows below."
            if name
            else "The workbook has no sheet.",
            "Put the names of the columns into one row, and one observation into each row below.",
        )
    return head


def _which_sheet(likely: list[str], heads: Mapping[str, Head]) -> Question:
    options = tuple(
        Option(name, f"Sheet “{shorten(name)}”", shorten(", ".join(cell or "" for cell in heads[name].cells)))
        for name in likely
    )
    return Question(
        key="sheet",
        code="sheet_unclear",
        message=f"{len(likely)} sheets of the workbook hold data. Which one is to be read?",
        options=options,
    )


def _head(book: fastexcel.ExcelReader, name: str) -> Head | None:
    sheet = book.load_sheet(name, header_row=None, skip_rows=0, n_rows=HEAD_ROWS, dtypes="string")
    if not sheet.width:
        return None
    head = find_head(sheet.to_polars().rows(), visible=sheet.visible == "visible")
    return head and replace(head, first_column=sheet.selected_columns[0].absolute_index)


def _typed(book: fastexcel.ExcelReader, name: str, head: Head) -> pl.DataFrame:
    """The cells below the header, a column for each of the sheet's; columns are called by their position."""
    options: dict[str, Any] = {"header_row": None, "skip_rows": head.row, "schema_sample_rows": None}
    frame: pl.DataFrame = book.load_sheet(name, **options).to_polars()
    frame = frame.rename(dict(zip(frame.columns, map(str, range(frame.width)), strict=True)))
    mixed = [
        int(each)
        for each in frame.select(pl.selectors.string()).columns
        if frame[each].str.contains(_ROUNDED).any()
    ]
    if mixed:
        places = [head.first_column + each for each in mixed]
        floats = book.load_sheet(name, **options, use_columns=places, dtypes="float").to_polars()
        exact = [_exact(frame[str(each)], floats.to_series(place)) for place, each in enumerate(mixed)]
        frame = frame.with_columns(exact)
    return frame.with_columns(_plain(column) for column in frame)


def _exact(texts: pl.Series, floats: pl.Series) -> pl.Series:
    """``texts`` with those numbers written out in full that had lost digits on the way to text."""
    shown = texts.cast(pl.Float64, strict=False)
    lossy = (shown != floats) | (texts.str.len_chars() > _LONG_NUMBER)
    mended = pl.DataFrame(
        {"text": texts, "full": floats.cast(pl.String), "lossy": lossy & shown.is_not_null()}
    )
    chosen = pl.when(pl.col("lossy") & pl.col("full").is_not_null()).then("full").otherwise("text")
    return mended.select(chosen.alias(texts.name)).to_series()


def _plain(column: pl.Series) -> pl.Series:
    """One of the types that column readers know."""
    if column.dtype in (pl.Date, pl.Datetime):
        return column.cast(pl.Datetime("us"))
    if column.dtype == pl.Float64 and _all_whole(column):
        return column.cast(pl.Int64)
    if column.dtype.is_temporal() or column.dtype == pl.Null:
        return column.cast(pl.String)
    return column


def _all_whole(column: pl.Series) -> bool:
    """Excel knows only floats; what are all whole numbers are integers. A negative zero is not: it has no integer."""
    whole = (column == column.round(0)) & (column.abs() <= _EXACT_WHOLE)
    negative_zero = (column == 0) & (1 / column < 0)
    return column.null_count() < column.len() and bool(whole.all()) and not negative_zero.any()


def _finished(
    frame: pl.DataFrame, head: Head, notes: SheetNotes
) -> tuple[tuple[pl.DataFrame, pl.Series], tuple[str, ...]]:
    """The named table without empty rows and columns, their rows in the sheet, and what is to be said."""
    used = [
        place
        for place in range(frame.width)
        if head.name(place) or frame.to_series(place).null_count() < frame.height
    ]
    names = checked_names([head.name(place) for place in used], (head.row,))
    frame, filled = _without_merges(frame, head, notes)
    table = frame.select(pl.col(str(place)).alias(name) for place, name in zip(used, names, strict=True))
    rows = pl.int_range(head.row + 1, head.row + 1 + table.height, dtype=pl.Int64, eager=True)
    kept = ~table.select(pl.all_horizontal(pl.all().is_null())).to_series()
    if not kept.any():
        raise refuse(
            "no_rows", "The sheet has a header but no rows.", "Put the rows below it.", rows=(head.row,)
        )
    said = (*_said_of_header(head), *filled, *_said_of_errors(notes))
    return (table.filter(kept), rows.filter(kept)), said


def _without_merges(
    frame: pl.DataFrame, head: Head, notes: SheetNotes
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Cells that are merged downwards count for each of their rows: so people read them."""
    count = 0
    for merge in notes.merges:
        place, first = merge.column - head.first_column, merge.first_row - head.row - 1
        last = min(merge.last_row - head.row, frame.height)
        if merge.column != merge.last_column or first < 0 or last - first < 2 or not 0 <= place < frame.width:
            continue
        column = frame.to_series(place)
        value = pl.select(pl.lit(column[first], dtype=column.dtype)).to_series()
        filled = pl.concat(
            [
                column.slice(0, first),
                value.extend_constant(column[first], last - first - 1),
                column.slice(last),
            ]
        )
        frame = frame.with_columns(filled.alias(str(place)))
        count += 1
    return frame, (f"{count:,} merged cells count for each of their rows.",) if count else ()


def _said_of_header(head: Head) -> tuple[str, ...]:
    return (f"The names of the columns were found in row {head.row}.",) if head.row > 1 else ()


def _said_of_errors(notes: SheetNotes) -> tuple[str, ...]:
    if not notes.errors:
        return ()
    return (
        f"{notes.errors:,} cells hold errors such as #N/A (the first: {notes.first_error}); they are read as missing.",
    )
