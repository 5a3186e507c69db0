"""NDJSON: rows are lines; one that is no object is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.datasets.reading.formats import ndjson
from apps.datasets.reading.formats.json import open_ndjson
from tests.datasets.reading.formats.opened import problem_of, stopped, whole


def file(folder: Path, text: str) -> Path:
    path = folder / "table.ndjson"
    path.write_bytes(text.encode())
    return path


def test_lines_are_rows_and_empty_ones_are_none(tmp_path: Path) -> None:
    frame, rows = whole(open_ndjson, file(tmp_path, '{"a":1}\n\n{"a":2,"b":"x"}\r\n  \n{"b":"y"}'))
    assert frame.to_dict(as_series=False) == {"a": [1, 2, None], "b": [None, "x", "y"]}
    assert rows == [1, 3, 5]


def test_many_lines_come_in_pieces_across_the_blocks_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ndjson, "CHUNK_RECORDS", 300)
    monkeypatch.setattr("apps.datasets.reading.formats.json_text.BLOCK_BYTES", 7)
    path = file(tmp_path, "".join(f'{{"ü":{number}}}\n' for number in range(1_000)))
    chunks = list(open_ndjson(path, "", {}).chunks())
    assert [chunk.frame.height for chunk in chunks] == [300, 300, 300, 100]
    assert chunks[3].rows.to_list() == list(range(901, 1_001))


@pytest.mark.parametrize(
    ("text", "code", "row"),
    [
        ('{"a":1}\n{"a":}\n{"a":3}\n', "not_json", 2),
        ('{"a":1}\n{"a":2', "not_json", 2),
        ('{"a":1},{"a":2}\n\n{"a":3}\n', "not_json", 1),
        ('{"a":1\n"b":2}\n', "not_json", 1),
        ('{"a":1}\n7\n', "not_an_object", 2),
        ('{"a":1}\n{"a":2,"a":3}\n', "duplicate_column", 2),
        ('{"a":1}\n{"a":{}}\n', "nested_column", 2),
        ('{"a":1}\n{"a":"' + "x" * 3_000_000 + '"}\n', "line_too_long", 2),
        ("\n \n", "empty_file", None),
    ],
)
def test_a_fault_is_refused_with_its_line(tmp_path: Path, text: str, code: str, row: int | None) -> None:
    problem = problem_of(open_ndjson, file(tmp_path, text))
    assert (problem.code, problem.row) == (code, row)


def test_up_to_five_broken_lines_are_named_at_once(tmp_path: Path) -> None:
    problems = stopped(open_ndjson, file(tmp_path, '{"a":1}\n' + "oops\n" * 9)).problems
    assert [problem.row for problem in problems] == [2, 3, 4, 5, 6]
