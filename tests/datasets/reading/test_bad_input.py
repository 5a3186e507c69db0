"""Every file a stranger may send: read rightly, asked about, or refused with row, column and what to change."""

from __future__ import annotations

import pytest

from apps.datasets.doctor.contracts import Finding
from apps.datasets.reading.contracts import ColumnMapping, Problem, Reading
from tests.datasets.csv_files import HEADER, daily, days, read


def only(reading: Reading) -> Problem:
    """The one problem of a refused reading."""
    assert reading.state == "refused"
    assert len(reading.problems) == 1, reading.problems
    problem = reading.problems[0]
    assert problem.message
    assert problem.fix
    return problem


@pytest.mark.parametrize("raw", [b"", b"\n\n", b"  \r\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(raw: bytes) -> None:
    assert only(read(raw)).code == "empty_file"


def test_a_header_alone_is_refused_at_its_row() -> None:
    problem = only(read(b"unique_id,ds,y\n"))
    assert (problem.code, problem.row) == ("no_rows", 1)


def test_a_file_without_separator_is_refused() -> None:
    problem = only(read(b"unique_id ds y\na 2024-01-01 1\n"))
    assert (problem.code, problem.row) == ("one_column", 1)
    assert "unique_id ds y" in problem.message


def test_a_first_row_of_data_is_not_taken_for_names() -> None:
    problem = only(read(b"a,2024-01-01,1\na,2024-01-02,2\n"))
    assert (problem.code, problem.row) == ("no_header", 1)


@pytest.mark.parametrize(("delimiter", "name"), [(";", "semicolon"), ("\t", "tab"), ("|", "vertical bar")])
def test_other_separators_are_found_and_said(delimiter: str, name: str) -> None:
    reading = read(daily().replace(",", delimiter).encode())
    assert reading.state == "readable"
    assert any(name in sentence for sentence in reading.said)


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    reading = read(b"\xef\xbb\xbf" + daily().encode())
    assert [column.name for column in reading.columns] == ["unique_id", "ds", "y"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_encodings_are_read_and_said(encoding: str) -> None:
    reading = read(daily("äé").encode(encoding))
    assert reading.samples[0].series_id == "ä"
    assert any("UTF-" in sentence for sentence in reading.said)


def test_latin_1_is_read_rightly_and_said_with_an_example() -> None:
    reading = read(daily().replace("a,", "Zürich,").encode("latin-1"))
    assert [sample.series_id for sample in reading.samples] == ["Zürich", "b"]
    assert any("Windows-1252" in sentence and "“Zürich”" in sentence for sentence in reading.said)


def test_an_unclear_encoding_is_asked_for_with_the_readings_side_by_side() -> None:
    raw = daily().replace("b,", "Москва,").encode("cp1251")
    reading = read(raw)
    assert reading.state == "needs_choice"
    question = reading.questions[0]
    assert (question.key, question.rows) == ("encoding", (22,))
    assert {option.value: option.example for option in question.options}["cp1251"] == "Москва"
    answered = read(raw, ColumnMapping("", "", choices={"encoding": "cp1251"}))
    assert [sample.series_id for sample in answered.samples] == ["a", "Москва"]


def test_a_file_of_two_encodings_is_refused_at_the_row_where_it_changes() -> None:
    raw = daily().replace("a,", "ä,").encode() + b"\xfcber,2024-01-01,1\n"
    problem = only(read(raw))
    assert (problem.code, problem.row) == ("mixed_encoding", 42)


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_other_systems_are_read(end: str) -> None:
    reading = read(daily().replace("\n", end).encode())
    assert reading.file_rows == 40
    assert reading.samples[1].series_id == "b"


def test_thousands_separators_in_quotes_are_read_and_said() -> None:
    rows = "".join(f'a,{day},"{number},234.50"\n' for number, day in enumerate(days(9), start=1))
    reading = read(f"{HEADER}\n{rows}".encode())
    assert reading.samples[0].y[:2] == (1234.5, 2234.5)
    assert "Column “y”: numbers are read as in 1,234.5." in reading.said


def test_decimal_commas_with_points_for_thousands_are_read() -> None:
    rows = "".join(f"a;{day};{number}.234,5\n" for number, day in enumerate(days(9), start=1))
    reading = read(f"unique_id;ds;y\n{rows}".encode())
    assert reading.samples[0].y[0] == 1234.5


def test_a_sign_that_may_be_decimal_or_thousands_is_asked_for() -> None:
    raw = (
        "unique_id;ds;y\n" + "".join(f"a;{day};{number}.125\n" for number, day in enumerate(days(9), start=1))
    ).encode()
    reading = read(raw)
    assert reading.state == "needs_choice"
    question = reading.questions[0]
    assert (question.key, question.column, question.rows) == ("format:y", "y", (2,))
    assert [option.example for option in question.options] == ["1.125 = 1.125", "1.125 = 1125"]
    answered = read(raw, ColumnMapping("", "", choices={"format:y": "1.234,5"}))
    assert answered.samples[0].y[0] == 1125.0


def test_one_number_that_settles_the_sign_makes_the_question_needless() -> None:
    rows = "".join(f"a;{day};{number}.125\n" for number, day in enumerate(days(9), start=1))
    reading = read(f"unique_id;ds;y\n{rows}a;2024-02-01;0.5\n".encode())
    assert reading.samples[0].y[0] == 1.125


def found(reading: Reading, code: str) -> Finding:
    """The one finding of that kind in a file that was read."""
    assert reading.state == "readable", reading.problems
    return next(finding for finding in reading.findings if finding.code == code)


def test_two_ways_of_writing_numbers_are_found_at_the_row() -> None:
    text = daily().replace("a,2024-01-07,7.5", 'a,2024-01-07,"1.007,5"')
    finding = found(read(text.encode()), "wrong_type")
    assert (finding.severity, finding.rows, finding.series) == ("error", (8,), ("a",))
    assert "“1.007,5”" in finding.detail


def test_an_unquoted_decimal_comma_is_refused_at_its_row_with_the_reason() -> None:
    problem = only(read(daily().replace("b,2024-01-03,3.5", "b,2024-01-03,3,5").encode()))
    assert (problem.code, problem.row) == ("wrong_field_count", 24)
    assert "decimal" in problem.fix


def test_text_in_the_value_column_is_named_by_row_series_and_value_and_needs_a_fix() -> None:
    text = daily().replace("b,2024-01-05,5.5", "b,2024-01-05,closed because of a very long public holiday")
    finding = found(read(text.encode()), "wrong_type")
    assert (finding.severity, finding.rows, finding.series) == ("error", (26,), ("b",))
    assert "row 26 (“b”, 2024-01-05, “closed because of a very long public ho…”)" in finding.detail
    assert [fix.name for fix in finding.fixes] == ["as_missing"]


def test_at_most_five_of_many_faults_are_named_and_all_are_counted() -> None:
    rows = "".join(f"a,{day},{'n.a.' if number % 2 else number}\n" for number, day in enumerate(days(40)))
    reading = read(f"{HEADER}\n{rows}".encode())
    assert [problem.row for problem in reading.problems] == [3, 5, 7, 9, 11]
    assert reading.problems[0].count == 20


@pytest.mark.parametrize("text", ["inf", "-Infinity", "1e999"])
def test_an_infinite_value_is_found_at_its_row(text: str) -> None:
    finding = found(read(daily().replace("a,2024-01-04,4.5", f"a,2024-01-04,{text}").encode()), "non_finite")
    assert (finding.severity, finding.rows) == ("error", (5,))
    assert f"“{text}”" in finding.detail


def test_dates_that_fit_day_first_and_month_first_are_asked_for() -> None:
    rows = "".join(f"a,0{day}/0{month}/2024,1.5\n" for month in (1, 2) for day in range(1, 9))
    raw = f"{HEADER}\n{rows}".encode()
    reading = read(raw)
    assert reading.state == "needs_choice"
    question = reading.questions[0]
    assert (question.code, question.key, question.rows) == ("time_format_unclear", "format:ds", (3,))
    assert [option.example for option in question.options] == [
        "02/01/2024 = 2 January 2024",
        "02/01/2024 = 1 February 2024",
    ]
    answered = read(raw, ColumnMapping("", "", choices={"format:ds": "M/D/YYYY"}))
    assert answered.samples[0].ds[:4] == ("2024-01-01", "2024-01-02", "2024-02-01", "2024-02-02")
    assert answered.table is not None
    assert answered.table.last_ds == "2024-08-02"


@pytest.mark.parametrize(
    ("texts", "first"),
    [(("13/02/2024", "01/03/2024"), "2024-02-13"), (("02/13/2024", "03/01/2024"), "2024-02-13")],
)
def test_one_date_that_settles_the_order_makes_the_question_needless(
    texts: tuple[str, str], first: str
) -> None:
    reading = read(f"{HEADER}\na,{texts[0]},1\na,{texts[1]},2\n".encode())
    assert reading.table is not None
    assert (reading.table.first_ds, reading.table.last_ds) == (first, "2024-03-01")


def test_mixed_date_formats_are_refused_with_both_rows_and_the_format_to_use() -> None:
    problem = only(read(daily("a").replace("2024-01-13", "13/01/2024").encode()))
    assert (problem.code, problem.row, problem.column, problem.value) == (
        "mixed_time_formats",
        14,
        "ds",
        "13/01/2024",
    )
    assert problem.message.endswith("is written as D/M/YYYY, but row 2 as YYYY-MM-DD.")
    assert problem.fix == "Write every time of the column as YYYY-MM-DD."


def test_a_date_that_does_not_exist_is_refused_at_its_row() -> None:
    problem = only(read(daily("a").replace("2024-01-13", "2024-02-31").encode()))
    assert (problem.code, problem.row, problem.column) == ("not_a_time", 14, "ds")


def test_a_missing_time_is_refused_at_its_row() -> None:
    problem = only(read(daily("a").replace("2024-01-13", "").encode()))
    assert (problem.code, problem.row, problem.column) == ("missing_time", 14, "ds")


def test_times_with_changing_offsets_are_kept_in_utc() -> None:
    rows = "".join(
        f"a,2024-03-31T{hour:02d}:00:00+0{1 if hour < 2 else 2}:00,1\n" for hour in (0, 1, 3, 4, 5)
    )
    reading = read(f"{HEADER}\n{rows}".encode())
    assert reading.samples[0].ds[:3] == ("2024-03-30T23:00:00", "2024-03-31", "2024-03-31T01:00:00")
    assert any("kept in UTC" in sentence for sentence in reading.said)


def test_some_times_with_an_offset_and_some_without_are_refused() -> None:
    text = f"{HEADER}\na,2024-03-01T00:00:00Z,1\na,2024-03-01T01:00:00,2\na,2024-03-01T02:00:00Z,3\n"
    problem = only(read(text.encode()))
    assert (problem.code, problem.row, problem.column) == ("mixed_time_zones", 3, "ds")


def test_two_values_for_one_series_and_time_are_found_naming_both_rows() -> None:
    finding = found(read((daily() + "a,2024-01-03,9\n").encode()), "conflicting_rows")
    assert (finding.severity, finding.rows) == ("error", (42,))
    assert "row 42 (“a”, 2024-01-03, 9), and row 4 has 3.5 for the same time" in finding.detail


def test_a_series_without_name_is_refused_at_its_row() -> None:
    problem = only(read(daily().replace("b,2024-01-02", " ,2024-01-02").encode()))
    assert (problem.code, problem.row, problem.column) == ("missing_series", 23, "unique_id")


def test_two_rows_are_accepted_as_data_and_said_to_be_too_short_to_train() -> None:
    reading = read(f"{HEADER}\na,2024-01-01,1\na,2024-01-02,2\n".encode())
    assert reading.state == "readable"
    assert {finding.code: finding.severity for finding in reading.findings} == {
        "no_frequency": "error",
        "too_short": "error",
    }


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('a,2024-01-03,"3', "broken_quotes"),
        ('a,2024-01-03,"3"x', "broken_quotes"),
        ("a,2024-01-03", "wrong_field_count"),
    ],
)
def test_broken_rows_are_named(line: str, code: str) -> None:
    problem = only(read(daily("a").replace("a,2024-01-03,3.5", line).encode()))
    assert (problem.code, problem.row) == (code, 4)


def test_rows_are_numbered_as_an_editor_does_even_after_quoted_line_breaks_and_blank_lines() -> None:
    text = f'{HEADER}\n"a\nb",2024-01-01,1\n\n"a\nb",2024-01-02,x\n"a\nb",2024-01-03,3\n'
    problem = only(read(text.encode()))
    assert (problem.code, problem.row) == ("not_a_number", 5)  # one of three: too many to be a slip


def test_two_columns_of_one_name_are_refused() -> None:
    problem = only(read(b"unique_id,ds,y,y\na,2024-01-01,1,2\n"))
    assert (problem.code, problem.column) == ("duplicate_column", "y")


@pytest.mark.parametrize(
    ("start", "code", "what"),
    [
        (b"PK\x03\x04", "truncated", "workbook"),
        (b"PAR1", "truncated", "Parquet"),
        (b"\x1f\x8b", "damaged", "gzip file"),
        (b"\x7fELF", "not_a_table", "program"),
        (b"%PDF", "not_a_table", "PDF"),
    ],
)
def test_other_kinds_of_file_are_told_by_their_content(start: bytes, code: str, what: str) -> None:
    problem = only(read(start + b"\x00" * 50))
    assert problem.code == code
    assert what in problem.message


def test_bytes_that_are_no_text_are_refused() -> None:
    assert only(read(b"unique_id,ds,y\na,2024-01-01,1\x00\n")).code == "binary"


def test_columns_that_do_not_exist_or_are_used_twice_are_refused() -> None:
    raw = daily().encode()
    assert only(read(raw, ColumnMapping("when", "y"))).code == "unknown_column"
    assert only(read(raw, ColumnMapping("ds", "ds"))).code == "column_used_twice"


def test_faults_of_several_columns_are_told_together() -> None:
    rows = "".join(
        f"a,{'5th of May' if number == 2 else day},{'five' if number % 2 else 1}\n"
        for number, day in enumerate(days(9))
    )
    reading = read(f"{HEADER}\n{rows}".encode(), ColumnMapping("ds", "y", ("unique_id",)))
    assert {problem.column for problem in reading.problems} == {"ds", "y"}
