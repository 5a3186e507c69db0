"""Excel: one sheet, written row by row; text stays text, whatever it begins with."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import polars as pl

from apps.datasets.writing.contracts import Shape, TooManyRows, Unwritable

if TYPE_CHECKING:
    from xlsxwriter.worksheet import Worksheet

MAX_ROWS = 1_048_575
MAX_TEXT = 32_767
FIRST_YEAR = 1900
_FORMATS = {"date": "yyyy-mm-dd", "second": "yyyy-mm-dd hh:mm:ss", "microsecond": "yyyy-mm-dd hh:mm:ss.000"}

WriteCell = Callable[[int, int, Any], object]


class _Exact(float):
    """A number that Excel's writer, which asks for 16 digits, puts down so that it reads back to the same bits."""

    def __format__(self, _: str) -> str:
        return float.__repr__(self)


def write(frames: Iterator[pl.DataFrame], out: BinaryIO, shape: Shape) -> None:
    """Write ``frames`` one by one; raises ``Unwritable`` above what a sheet holds."""
    import xlsxwriter

    if shape.rows > MAX_ROWS:
        raise TooManyRows(
            "too_many_rows",
            f"A sheet of Excel holds {MAX_ROWS:,} rows below its header; the table has {shape.rows:,}.",
            "Take CSV or Parquet, or fewer series at a time.",
        )
    with xlsxwriter.Workbook(out, {"constant_memory": True}) as book:
        sheet = book.add_worksheet("data")
        formats = {
            name: book.add_format({"num_format": _FORMATS[clock]}) for name, clock in shape.clocks.items()
        }
        for column, name in enumerate(shape.columns):
            sheet.write_string(0, column, name)
            if name in formats:
                sheet.set_column(column, column, 20 if shape.clocks[name] != "date" else 11)
        row = 1
        for frame in frames:
            _write_rows(sheet, frame, row, formats)
            row += frame.height


def _write_rows(sheet: Worksheet, frame: pl.DataFrame, row: int, formats: dict[str, Any]) -> None:
    cells = [_cell_writer(sheet, frame[name], formats.get(name)) for name in frame.columns]
    for values in frame.iter_rows():
        for column, value in enumerate(values):
            if value is not None:
                cells[column](row, column, value)
        row += 1


def _cell_writer(sheet: Worksheet, column: pl.Series, time_format: object) -> WriteCell:
    if column.dtype == pl.String:
        return lambda row, position, value: sheet.write_string(row, position, _checked_text(value, row))
    if column.dtype.is_temporal():
        return lambda row, position, value: sheet.write_datetime(
            row, position, _checked_time(value, row), time_format
        )
    return lambda row, position, value: sheet.write_number(row, position, _Exact(value))


def _checked_text(value: str, row: int) -> str:
    if len(value) > MAX_TEXT:
        raise Unwritable(
            "text_too_long",
            f"Row {row + 1}: a text has more than the {MAX_TEXT:,} characters of a cell.",
            "Take CSV.",
        )
    return value


def _checked_time(value: datetime.datetime, row: int) -> datetime.datetime:
    if value.year < FIRST_YEAR:
        raise Unwritable(
            "too_early_for_excel",
            f"Row {row + 1}: {value:%Y-%m-%d} is before {FIRST_YEAR}, where the calendar of Excel begins.",
            "Take CSV or Parquet.",
        )
    return value
