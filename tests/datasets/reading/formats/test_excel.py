"""Workbooks as people make them: titles above, several sheets, formulas, merged cells, errors, odd numbers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter

from apps.datasets.reading.formats.excel import open_excel
from tests.datasets.hostile import archives
from tests.datasets.reading.formats.opened import problem_of, question_of, whole

at = dt.datetime.fromisoformat
DAYS = [at(f"2024-01-0{day} 10:30") for day in range(1, 6)]
Fill = Callable[[Any, Any], None]


def workbook(folder: Path, **sheets: Fill) -> Path:
    """A workbook whose sheets are filled by functions of (sheet, format of dates)."""
    path = folder / "table.xlsx"
    with xlsxwriter.Workbook(path) as book:
        dates = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        for name, fill in sheets.items():
            fill(book.add_worksheet(name), dates)
    return path


def table(sheet: Any, dates: Any, row: int = 0, column: int = 0) -> None:
    sheet.write_row(row, column, ["id", "ds", "y"])
    for offset, day in enumerate(DAYS, start=1):
        sheet.write_string(row + offset, column, "a")
        sheet.write_datetime(row + offset, column + 1, day, dates)
        sheet.write_number(row + offset, column + 2, offset / 4)


def test_dates_and_numbers_keep_their_types_and_rows_are_those_of_excel(tmp_path: Path) -> None:
    frame, rows = whole(open_excel, workbook(tmp_path, data=table))
    assert frame.schema == {"id": pl.String, "ds": pl.Datetime("us"), "y": pl.Float64}
    assert frame["ds"].to_list() == DAYS
    assert rows == [2, 3, 4, 5, 6]


def test_a_table_below_a_title_and_right_of_the_margin_is_found(tmp_path: Path) -> None:
    def fill(sheet: Any, dates: Any) -> None:
        sheet.write(1, 2, "Sales of 2024")
        sheet.write_row(2, 2, ["by", "the shop"])
        table(sheet, dates, row=5, column=2)

    path = workbook(tmp_path, data=fill)
    frame, rows = whole(open_excel, path)
    assert frame.columns == ["id", "ds", "y"]
    assert rows == [7, 8, 9, 10, 11]
    assert open_excel(path, "", {}).said == ("The names of the columns were found in row 6.",)


def test_dates_as_names_of_columns_are_names(tmp_path: Path) -> None:
    def fill(sheet: Any, dates: Any) -> None:
        sheet.write(0, 0, "item")
        for column, day in enumerate(DAYS, start=1):
            sheet.write_datetime(0, column, day.replace(hour=0, minute=0), dates)
            sheet.write_number(1, column, column)
        sheet.write(1, 0, "a")

    assert whole(open_excel, workbook(tmp_path, data=fill))[0].columns[:3] == [
        "item",
        "2024-01-01",
        "2024-01-02",
    ]


def test_empty_rows_are_left_out_and_the_others_keep_their_numbers(tmp_path: Path) -> None:
    def fill(sheet: Any, dates: Any) -> None:
        table(sheet, dates)
        sheet.write_row(9, 0, ["b", "x", 7])

    assert whole(open_excel, workbook(tmp_path, data=fill))[1] == [2, 3, 4, 5, 6, 10]


def test_a_formula_gives_the_value_that_was_kept_and_nothing_without_one(tmp_path: Path) -> None:
    def fill(sheet: Any, dates: Any) -> None:
        table(sheet, dates)
        sheet.write(0, 3, "f")
        sheet.write_formula(1, 3, "=1+1", None, 2)
        sheet.write_formula(2, 3, "=WEBSERVICE(A1)", None, "")
        sheet.write_formula(3, 3, "=1/3", None, 1 / 3)

    assert whole(open_excel, workbook(tmp_path, data=fill))[0]["f"].to_list()[:3] == [
        2,
        None,
        0.3333333333333333,
    ]


def test_cells_with_errors_are_missing_and_counted(tmp_path: Path) -> None:
    def fill(sheet: Any, dates: Any) -> None:
        table(sheet, dates)
        sheet.write_formula(2, 2, "=NA()", None, "#N/A")
        sheet.write_formula(4, 2, "=1/0", None, "#DIV/0!")

    path = workbook(tmp_path, data=fill)
    assert whole(open_excel, path)[0]["y"].to_list() == [0.25, None, 0.75, None, 1.25]
    assert open_excel(path, "", {}).said == (
        "2 cells hold errors such as #N/A (the first: C3); they are read as missing.",
    )


def test_cells_merged_downwards_count_for_each_of_their_rows(tmp_path: Path) -> None:
    def fill(sheet: Any, dates: Any) -> None:
        table(sheet, dates, row=1, column=1)
        sheet.merge_range("B1:D1", "A title")
        sheet.merge_range("B3:B5", "shop")

    path = workbook(tmp_path, data=fill)
    assert whole(open_excel, path)[0]["id"].to_list() == ["shop", "shop", "shop", "a", "a"]
    assert "1 merged cells count for each of their rows." in open_excel(path, "", {}).said


def test_numbers_in_a_column_of_texts_keep_all_their_digits(tmp_path: Path) -> None:
    def fill(sheet: Any, dates: Any) -> None:
        table(sheet, dates, column=1)
        sheet.write(0, 4, "mixed")
        for row, value in enumerate(["x", 1 / 7, 1001, "007", 1e-12], start=1):
            sheet.write(row, 4, value)

    frame, _ = whole(open_excel, workbook(tmp_path, data=fill))
    assert frame["mixed"].to_list() == ["x", "0.1428571428571428", "1001", "007", "1e-12"]


def test_whole_numbers_are_integers_so_that_ids_read_as_they_look(tmp_path: Path) -> None:
    def fill(sheet: Any, dates: Any) -> None:
        sheet.write_row(0, 0, ["store", "t", "y"])
        for row in range(1, 4):
            sheet.write_row(row, 0, [7, row, row + 0.5])

    assert whole(open_excel, workbook(tmp_path, data=fill))[0].rows() == [
        (7, 1, 1.5),
        (7, 2, 2.5),
        (7, 3, 3.5),
    ]


def test_the_sheet_with_data_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    def notes(sheet: Any, _: Any) -> None:
        sheet.write(0, 0, "Read me first")

    path = workbook(tmp_path, about=notes, data=table)
    assert whole(open_excel, path)[0].height == 5
    assert open_excel(path, "", {}).said == ("Sheet “data” was read, not “about”.",)


def test_several_sheets_with_data_are_a_question_and_the_answer_is_kept(tmp_path: Path) -> None:
    def other(sheet: Any, dates: Any) -> None:
        table(sheet, dates)
        sheet.write(0, 0, "other")

    path = workbook(tmp_path, north=table, south=other)
    question = question_of(open_excel, path)
    assert (question.key, [option.value for option in question.options]) == ("sheet", ["north", "south"])
    assert question.options[1].example == "other, ds, y"
    assert whole(open_excel, path, sheet="south")[0].columns[0] == "other"
    assert problem_of(open_excel, path, sheet="west").code == "unknown_sheet"


def test_hidden_sheets_are_not_asked_about(tmp_path: Path) -> None:
    def hidden(sheet: Any, dates: Any) -> None:
        table(sheet, dates)
        sheet.hide()

    assert whole(open_excel, workbook(tmp_path, data=table, archive=hidden))[0].height == 5


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    def fill(sheet: Any, dates: Any) -> None:
        table(sheet, dates)
        table(sheet, dates, column=3)

    problem = problem_of(open_excel, workbook(tmp_path, data=fill))
    assert (problem.code, problem.row, problem.column) == ("duplicate_column", 1, "id")


@pytest.mark.parametrize("rows", [[], [["id", "ds", "y"]], [["only text"], ["here"]]])
def test_a_workbook_without_a_table_is_refused(tmp_path: Path, rows: list[list[str]]) -> None:
    def fill(sheet: Any, _: Any) -> None:
        for position, row in enumerate(rows):
            sheet.write_row(position, 0, row)

    assert problem_of(open_excel, workbook(tmp_path, data=fill)).code == "no_rows"


def test_opendocument_is_read(tmp_path: Path) -> None:
    def row(*cells: str) -> str:
        return f"<table:table-row>{''.join(cells)}</table:table-row>"

    def text(value: str) -> str:
        return f'<table:table-cell office:value-type="string"><text:p>{value}</text:p></table:table-cell>'

    def number(value: float) -> str:
        return f'<table:table-cell office:value-type="float" office:value="{value}"/>'

    def date(value: str) -> str:
        return f'<table:table-cell office:value-type="date" office:date-value="{value}"/>'

    names = ("office", "table", "text")
    spaces = " ".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in names)
    rows = (
        row(text("ds"), text("y"))
        + row(date("2024-01-01"), number(0.1))
        + row(date("2024-01-02"), number(2.5))
    )
    content = (
        f"<office:document-content {spaces}><office:body><office:spreadsheet>"
        f'<table:table table:name="data">{rows}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    (path := tmp_path / "table.ods").write_bytes(archives.opendocument(content))
    frame, found = whole(open_excel, path)
    assert frame.rows() == [(at("2024-01-01"), 0.1), (at("2024-01-02"), 2.5)]
    assert found == [2, 3]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (archives.workbook_bomb(100), "bomb"),
        (archives.workbook_that_lies(100), "bomb"),
        (archives.workbook_of_overlaps(), "bomb"),
        (archives.workbook_of_many_members(), "bomb"),
        (archives.workbook_with_slip(), "unsafe_names"),
        (archives.workbook_with_laughs(), "xml_entities"),
        (archives.workbook_with_a_far_cell(), "too_many_columns"),
        (archives.workbook_with_password(), "encrypted"),
        (archives.zip_with_password(), "encrypted"),
        (archives.sheet_of_repeats(), "bomb"),
        (archives.workbook()[:4_000], "truncated"),
        (archives.workbook()[:-30], "truncated"),
        (b"PK\x03\x04" + bytes(2_000), "truncated"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4_000), "damaged"),
    ],
)
def test_a_hostile_or_broken_workbook_is_refused(tmp_path: Path, data: bytes, code: str) -> None:
    (path := tmp_path / "hostile.xlsx").write_bytes(data)
    assert problem_of(open_excel, path).code == code
