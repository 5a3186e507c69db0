"""Parquet of other programs is read as it is typed; what would be dangerous or nested is refused by its footer."""

from __future__ import annotations

import datetime as dt
import decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from apps.datasets.reading.formats.parquet import open_parquet
from tests.datasets.hostile import parquet_files
from tests.datasets.reading.formats.opened import problem_of, whole

at = dt.datetime.fromisoformat
BERLIN = pa.timestamp("us", "Europe/Berlin")
NOON = at("2024-07-01 12:00")


def stored(folder: Path, columns: dict[str, Any], **options: Any) -> Path:
    path = folder / "table.parquet"
    pq.write_table(pa.table(columns), path, **options)
    return path


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([1, None], pa.int16()), pl.Series([1, None], dtype=pl.Int64)),
        (pa.array([2**64 - 1, 1], pa.uint64()), pl.Series([2.0**64, 1.0])),
        (pa.array([0.1, None], pa.float64()), pl.Series([0.1, None])),
        (pa.array([0.5, 2.0], pa.float32()), pl.Series([0.5, 2.0])),
        (pa.array([decimal.Decimal("0.10"), decimal.Decimal("-3.33")]), pl.Series([0.1, -3.33])),
        (pa.array([True, None]), pl.Series([True, None])),
        (pa.array(["a", None]).dictionary_encode(), pl.Series(["a", None])),
        (pa.array([3, 4]).dictionary_encode(), pl.Series([3, 4])),
        (pa.array([b"a", b"b"]), pl.Series(["a", "b"])),
        (pa.array([b"\xff", b"b"]), pl.Series(["ff", "62"])),
        (pa.array([None, None], pa.null()), pl.Series([None, None], dtype=pl.String)),
        (pa.array([dt.date(2024, 7, 1)] * 2), pl.Series([at("2024-07-01")] * 2)),
        (pa.array([NOON, None], pa.timestamp("ns")), pl.Series([NOON, None])),
        (pa.array([NOON, None], pa.timestamp("ms")), pl.Series([NOON, None])),
        (pa.array([dt.time(9, 30), None]), pl.Series(["09:30:00", None])),
    ],
)  # fmt: skip
def test_each_stored_type_becomes_one_that_columns_are_read_from(
    tmp_path: Path, array: pa.Array, expected: pl.Series
) -> None:
    frame, rows = whole(open_parquet, stored(tmp_path, {"a": array}))
    assert rows == [1, 2]
    found = frame["a"]
    assert found.dtype in (pl.String, pl.Int64, pl.Float64, pl.Boolean, pl.Datetime("us"))
    if found.dtype == pl.String:
        found = found.str.strip_suffix(".000000000")
    assert found.to_list() == expected.to_list()


def test_moments_of_a_zone_are_read_in_utc_and_that_is_said(tmp_path: Path) -> None:
    path = stored(tmp_path, {"ds": pa.array([NOON.replace(tzinfo=dt.UTC)], BERLIN), "y": [1.0]})
    frame, _ = whole(open_parquet, path)
    assert frame["ds"].to_list() == [NOON.replace(tzinfo=dt.UTC)]
    assert open_parquet(path, "", {}).said == (
        "Column “ds” holds moments of Europe/Berlin; they are read in UTC.",
    )


def test_old_timestamps_of_96_bits_are_read(tmp_path: Path) -> None:
    path = stored(
        tmp_path, {"ds": pa.array([NOON], pa.timestamp("us"))}, use_deprecated_int96_timestamps=True
    )
    assert whole(open_parquet, path)[0]["ds"].to_list() == [NOON]


def test_row_groups_come_one_by_one_and_rows_are_counted_through(tmp_path: Path) -> None:
    path = stored(tmp_path, {"y": list(range(10))}, row_group_size=4)
    chunks = list(open_parquet(path, "", {}).chunks())
    assert [chunk.frame.height for chunk in chunks] == [4, 4, 2]
    assert [chunk.rows.to_list()[0] for chunk in chunks] == [1, 5, 9]


def test_only_the_columns_asked_for_are_decoded(tmp_path: Path) -> None:
    table = open_parquet(stored(tmp_path, {"a": [1], "b": [2], "c": [3]}), "", {})
    assert [chunk.frame.to_dicts() for chunk in table.chunks(("c", "a"))] == [[{"c": 3, "a": 1}]]


def test_an_index_of_pandas_is_a_column_and_its_row_numbers_are_none(tmp_path: Path) -> None:
    import pandas as pd

    days = pd.date_range("2024-01-01", periods=3)
    path = tmp_path / "indexed.parquet"
    pd.DataFrame({"y": [1.0, 2.0, 3.0]}, index=days).to_parquet(path)
    assert open_parquet(path, "", {}).columns == ("y", "index")
    pd.DataFrame({"y": [1.0, 2.0, 3.0]}, index=pd.Index(days, name="ds")).to_parquet(path)
    assert open_parquet(path, "", {}).columns == ("y", "ds")
    pd.DataFrame({"ds": days, "y": [1.0, 2.0, 3.0]}).iloc[[2, 0]].to_parquet(path)
    table = open_parquet(path, "", {})
    assert table.columns == ("ds", "y")
    assert table.said == ("The row numbers that pandas stored as an index are left out.",)


def test_a_nested_column_is_refused_by_its_name(tmp_path: Path) -> None:
    problem = problem_of(open_parquet, stored(tmp_path, {"y": [1.0], "tags": [["a", "b"]]}))
    assert (problem.code, problem.column) == ("nested_column", "tags")


@pytest.mark.parametrize("kept", [3, 9, 200, -1, -5, -200])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, kept: int) -> None:
    path = stored(tmp_path, {"y": [float(value) for value in range(1_000)]})
    path.write_bytes(path.read_bytes()[:kept])
    assert problem_of(open_parquet, path).code == "truncated"


def test_a_damaged_page_is_refused_when_its_turn_comes(tmp_path: Path) -> None:
    path = stored(tmp_path, {"y": [float(value) for value in range(1_000)]}, compression="zstd")
    data = bytearray(path.read_bytes())
    data[4:60] = b"\xaa" * 56
    path.write_bytes(data)
    assert problem_of(open_parquet, path).code == "damaged"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (parquet_files.four_gigabytes(), "bomb"),
        (parquet_files.absurd_rows(), "bomb"),
        (parquet_files.negative_rows(), "damaged"),
        (parquet_files.forty_two(10**6, 90_000), "bomb"),
        (parquet_files.forty_two(10**9), "bomb"),
        (parquet_files.columns_without_end(20_001), "too_many_columns"),
        (parquet_files.columns_without_end(400_000), "too_many_columns"),
        (parquet_files.list_without_end(), "too_many_columns"),
    ],
)
def test_what_asks_for_too_much_is_refused(tmp_path: Path, data: bytes, code: str) -> None:
    path = tmp_path / "hostile.parquet"
    path.write_bytes(data)
    assert problem_of(open_parquet, path).code == code


def test_an_encrypted_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "locked.parquet"
    path.write_bytes(b"PARE" + b"\x00" * 50 + b"PARE")
    assert problem_of(open_parquet, path).code == "encrypted"


def test_a_time_beyond_all_calendars_is_refused(tmp_path: Path) -> None:
    path = stored(tmp_path, {"ds": pa.array([2**62], pa.timestamp("ms"))})
    assert problem_of(open_parquet, path).code == "time_out_of_range"
