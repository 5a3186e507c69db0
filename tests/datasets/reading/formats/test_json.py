"""JSON in the shapes that people have, typed as it is written; a fault is named with its record."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from apps.datasets.reading.formats import json as json_format
from apps.datasets.reading.formats.json import open_json
from tests.datasets.reading.formats.opened import problem_of, whole

ROWS = [{"ds": "2024-01-01", "y": 1.5}, {"ds": "2024-01-02", "y": None}]


def file(folder: Path, content: object) -> Path:
    path = folder / "table.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    "content",
    [
        ROWS,
        {"data": ROWS},
        {"records": ROWS, "count": 2},
        {"meta": {"by": ["us"]}, "observations": ROWS},
        {"ds": ["2024-01-01", "2024-01-02"], "y": [1.5, None]},
        {"ds": {"0": "2024-01-01", "1": "2024-01-02"}, "y": {"0": 1.5, "1": None}},
        {"columns": ["ds", "y"], "index": [0, 1], "data": [["2024-01-01", 1.5], ["2024-01-02", None]]},
        "\n".join(json.dumps(row) for row in ROWS),
    ],
)
def test_a_table_is_read_in_each_shape_that_people_have(tmp_path: Path, content: object) -> None:
    frame, rows = whole(open_json, file(tmp_path, content))
    assert frame.to_dicts() == ROWS
    assert rows == [1, 2]
    assert frame.schema == {"ds": pl.String, "y": pl.Float64}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_encoding_of_unicode_is_read(tmp_path: Path, encoding: str) -> None:
    frame, _ = whole(open_json, file(tmp_path, '[{"a": "Zürich"}]'.encode(encoding)))
    assert frame["a"].to_list() == ["Zürich"]


def test_another_encoding_is_refused_at_its_byte(tmp_path: Path) -> None:
    problem = problem_of(open_json, file(tmp_path, '[{"a": "Zürich"}]'.encode("latin-1")))
    assert problem.code == "broken_encoding"
    assert "byte 10" in problem.message


def test_a_column_is_a_number_only_where_all_its_values_are(tmp_path: Path) -> None:
    frame, _ = whole(
        open_json,
        file(tmp_path, [{"a": 1, "b": 1, "c": True, "d": 2**70}, {"a": 0.5, "b": "x", "c": None, "d": 1}]),
    )
    assert frame.to_dict(as_series=False) == {
        "a": [1.0, 0.5],
        "b": ["1", "x"],
        "c": [True, None],
        "d": [str(2**70), "1"],
    }


def test_literals_that_are_no_json_stay_text_for_the_reader_of_the_column(tmp_path: Path) -> None:
    frame, _ = whole(open_json, file(tmp_path, '[{"y": 0.1}, {"y": NaN}, {"y": -Infinity}]'))
    assert frame["y"].to_list() == ["0.1", "NaN", "-Infinity"]


def test_a_key_that_a_record_leaves_out_is_missing_there(tmp_path: Path) -> None:
    frame, _ = whole(open_json, file(tmp_path, [{"a": 1}, {"b": 2}]))
    assert frame.to_dict(as_series=False) == {"a": [1, None], "b": [None, 2]}


def test_a_large_array_comes_in_pieces_across_the_blocks_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_format, "CHUNK_RECORDS", 300)
    monkeypatch.setattr("apps.datasets.reading.formats.json_text.BLOCK_BYTES", 7)
    values = [value * 37 for value in range(1_000)]
    table = open_json(file(tmp_path, [{"é\\": value} for value in values]), "", {})
    chunks = list(table.chunks())
    assert [chunk.frame.height for chunk in chunks] == [300, 300, 300, 100]
    assert [value for chunk in chunks for value in chunk.frame["é\\"].to_list()] == values


def test_only_the_columns_asked_for_are_given(tmp_path: Path) -> None:
    (chunk,) = open_json(file(tmp_path, [{"a": 1, "b": 2, "c": 3}]), "", {}).chunks(("c", "a"))
    assert chunk.frame.to_dicts() == [{"c": 3, "a": 1}]


@pytest.mark.parametrize(
    ("content", "code", "row"),
    [
        ('[{"a": 1}, {"a": 2, "a": 3}]', "duplicate_column", 2),
        ('[{"a": 1}, {"a": [2]}]', "nested_column", 2),
        ('[{"a": 1}, {"a": {"b": 2}}]', "nested_column", 2),
        ('[{"a": 1}, 7]', "not_an_object", 2),
        ('[{"a": 1}, null]', "not_an_object", 2),
        ("[[1, 2], [3, 4]]", "not_an_object", 1),
        ('[{"a": "\\ud83d"}]', "broken_text", 1),
        ('{"columns": ["a", "b"], "data": [[1, 2], [3]]}', "wrong_field_count", 2),
        ('{"a": [1, [2]], "b": [1, 2]}', "nested_column", 2),
        ('{"a": [1, 2], "b": [1]}', "uneven_columns", None),
        ('{"a": [1, 2], "b": 1}', "no_table", None),
        ('{"a": [1], "a": [2]}', "duplicate_column", None),
        ('[{"a": 1}, {"a": tru}]', "not_json", None),
        ('[{"a": 1} {"a": 2}]', "not_json", None),
        ('[{"a": 1}] and more', "not_json", None),
        ("unique_id,ds,y", "not_json", None),
        ('[{"a": ' + "9" * 5_000 + "}]", "not_json", None),
        ('[{"a": 1}, {"a": 2', "truncated", None),
        ('[{"a": 1}, {"a": "te', "truncated", None),
        ('[{"a": 1},', "truncated", None),
        ('{"a": [1, 2', "truncated", None),
        ("[]", "no_rows", None),
        ("{}", "no_rows", None),
        ('{"data": []}', "no_rows", None),
        ('[{"a": "' + "x" * 1_500_000 + '"}]', "record_too_long", None),
        ("[" * 100_000, "too_deep", None),
        ('[{"a":' * 50_000, "too_deep", None),
    ],
)
def test_a_fault_is_refused_with_its_record(tmp_path: Path, content: str, code: str, row: int | None) -> None:
    problem = problem_of(open_json, file(tmp_path, content))
    assert (problem.code, problem.row) == (code, row)


@pytest.mark.parametrize("wrap", ["[%s]", "%s"])
def test_a_million_keys_are_refused(tmp_path: Path, wrap: str) -> None:
    keys = ",".join(f'"k{number}":1' for number in range(1_000_000))
    assert problem_of(open_json, file(tmp_path, wrap % f"{{{keys}}}")).code in (
        "too_many_columns",
        "record_too_long",
    )


def test_columns_side_by_side_are_read_up_to_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_format, "MAX_WHOLE", 10)
    assert problem_of(open_json, file(tmp_path, {"a": [1], "b": [2]})).code == "file_too_large"
