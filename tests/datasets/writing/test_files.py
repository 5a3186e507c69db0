"""What people take away: each format, no half file, and no text that a spreadsheet would compute."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fastexcel
import polars as pl
import pytest

from apps.datasets import writing
from apps.datasets.sandbox import runner
from apps.datasets.writing import shapes, xlsx

at = dt.datetime.fromisoformat
NEW_YEAR = at("2024-01-01")
NOON = at("2024-01-01 12:00")


def table(**columns: object) -> pl.DataFrame:
    data = {"unique_id": ["a", "a"], "ds": [NEW_YEAR, at("2024-01-02")], "y": [0.5, None], **columns}
    return pl.DataFrame(data, schema_overrides={"ds": pl.Datetime("us")} if "ds" not in columns else None)


def written(folder: Path, frame: pl.DataFrame | Iterator[pl.DataFrame], name: str, **options: object) -> Path:
    path = folder / f"table{writing.FORMATS[name].suffix}"
    writing.write(frame, path, name, **options)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("separator", ["csv", "tsv"])
def test_separated_text_has_a_header_and_empty_cells_for_what_is_missing(
    tmp_path: Path, separator: str
) -> None:
    text = written(tmp_path, table(price=[1.0, float("nan")]), separator).read_text()
    assert text.replace("\t", ",") == "unique_id,ds,y,price\na,2024-01-01,0.5,1.0\na,2024-01-02,,\n"


def test_json_is_an_array_and_ndjson_a_line_an_object(tmp_path: Path) -> None:
    rows = [
        {"unique_id": "a", "ds": "2024-01-01", "y": 0.5},
        {"unique_id": "a", "ds": "2024-01-02", "y": None},
    ]
    assert json.loads(written(tmp_path, table(), "json").read_text()) == rows
    assert [
        json.loads(line) for line in written(tmp_path, table(), "ndjson").read_text().splitlines()
    ] == rows


def test_parquet_keeps_types_and_says_that_known_at_is_utc(tmp_path: Path) -> None:
    frame = pl.read_parquet(written(tmp_path, table(known_at=[NOON, None]), "parquet"))
    assert frame.schema == {
        "unique_id": pl.String,
        "ds": pl.Datetime("us"),
        "y": pl.Float64,
        "known_at": pl.Datetime("us", "UTC"),
    }


def test_excel_has_real_dates_and_numbers(tmp_path: Path) -> None:
    frame = fastexcel.read_excel(written(tmp_path, table(), "xlsx")).load_sheet("data").to_polars()
    assert frame.rows() == [("a", NEW_YEAR, 0.5), ("a", at("2024-01-02"), None)]


@pytest.mark.parametrize(
    ("times", "spoken"),
    [
        ([NEW_YEAR, NEW_YEAR], "2024-01-01"),
        ([NEW_YEAR, NOON], "2024-01-01 00:00:00"),
        ([NEW_YEAR, NOON.replace(microsecond=7)], "2024-01-01 00:00:00.000000"),
        ([3, 4], "3"),
    ],
)
def test_times_are_dates_only_where_all_are_at_midnight(
    tmp_path: Path, times: list[object], spoken: str
) -> None:
    frames = iter([table(ds=[each], unique_id=["a"], y=[1.0]) for each in times])
    with written(tmp_path, frames, "csv").open() as file:
        assert next(csv.DictReader(file))["ds"] == spoken


def test_known_at_is_a_moment_in_utc(tmp_path: Path) -> None:
    with written(tmp_path, table(known_at=[NEW_YEAR, None]), "csv").open() as file:
        assert [row["known_at"] for row in csv.DictReader(file)] == ["2024-01-01 00:00:00Z", ""]


def test_numbers_of_rows_and_tombstones_stay_here_and_known_at_is_last(tmp_path: Path) -> None:
    frame = table(__row=[2, 3], __deleted=[False, False], known_at=[None, NOON], price=[1.0, 2.0])
    assert pl.read_parquet(written(tmp_path, frame, "parquet")).columns == [
        "unique_id",
        "ds",
        "y",
        "price",
        "known_at",
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "'="])
@pytest.mark.parametrize("name", ["csv", "tsv"])
def test_text_that_a_spreadsheet_would_compute_gets_an_apostrophe(
    tmp_path: Path, start: str, name: str
) -> None:
    frame = (
        table(unique_id=[f"{start}cmd|' /C calc'!A0", "it's 1-2"])
        .rename({"y": "y"})
        .with_columns(pl.lit(-1.5).alias(f"{start}price"))
    )
    with written(tmp_path, frame, name).open(newline="") as file:
        header, first, second = csv.reader(file, delimiter="\t" if name == "tsv" else ",")
    assert first[0] == f"'{start}cmd|' /C calc'!A0"
    assert second[0] == "it's 1-2"
    assert (header[3], first[3]) == (f"'{start}price", "-1.5")


def test_text_in_excel_is_never_a_formula(tmp_path: Path) -> None:
    path = written(tmp_path, table(unique_id=["=1+1", "{=2}"]), "xlsx")
    assert fastexcel.read_excel(path).load_sheet("data").to_polars()["unique_id"].to_list() == [
        "=1+1",
        "{=2}",
    ]


def test_gzip_holds_the_same_bytes_each_time(tmp_path: Path) -> None:
    plain = written(tmp_path, table(), "csv").read_bytes()
    packed = [written(tmp_path, table(), "csv", gzipped=True).read_bytes() for _ in range(2)]
    assert packed[0] == packed[1]
    assert gzip.decompress(packed[0]) == plain


def test_a_wide_file_has_a_column_for_each_series(tmp_path: Path) -> None:
    frame = pl.concat([table(), table(unique_id=["b", "b"], y=[3.0, 4.0])])
    text = written(tmp_path, frame, "csv", layout="wide").read_text()
    assert text == "ds,a,b\n2024-01-01,0.5,3.0\n2024-01-02,,4.0\n"


@pytest.mark.parametrize("name", list(writing.FORMATS))
def test_a_table_without_rows_is_a_file_without_rows(tmp_path: Path, name: str) -> None:
    path = tmp_path / "empty"
    assert writing.write(table().head(0), path, name) == 0
    assert path.exists()


def test_frames_are_written_as_they_come_and_leave_nothing_else_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shapes, "CHUNK_ROWS", 3)
    frame = pl.DataFrame({"unique_id": "a", "ds": range(10), "y": [float(value) for value in range(10)]})
    for name in writing.FORMATS:
        assert writing.write(iter([frame.head(4), frame.tail(6)]), tmp_path / name, name) == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(writing.FORMATS)
    assert pl.read_csv(tmp_path / "csv")["y"].to_list() == frame["y"].to_list()


@pytest.mark.parametrize(
    ("frame", "options", "code"),
    [
        (table(), {"format": "docx"}, "unknown_format"),
        (table(), {"format": "csv", "layout": "round"}, "unknown_layout"),
        (table(), {"format": "parquet", "gzipped": True}, "already_small"),
        (table(unique_id=["ds", "b"]), {"format": "csv", "layout": "wide"}, "series_called_ds"),
        (table(ds=[NOON, NOON]), {"format": "csv", "layout": "wide"}, "duplicate_time"),
        (table(ds=[at("1800-01-01"), NOON]), {"format": "xlsx"}, "too_early_for_excel"),
        (table(unique_id=["a", "x" * 40_000]), {"format": "xlsx"}, "text_too_long"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_no_file(
    tmp_path: Path, frame: pl.DataFrame, options: dict[str, object], code: str
) -> None:
    with pytest.raises(writing.Unwritable) as refused:
        writing.write(frame, tmp_path / "file", **options)  # type: ignore[arg-type]
    assert refused.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_more_rows_than_a_sheet_holds_are_refused_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xlsx, "MAX_ROWS", 1)
    with pytest.raises(writing.TooManyRows, match="Take CSV or Parquet"):
        writing.write(table(), tmp_path / "file", "xlsx")


def test_text_that_is_kept_as_categories_is_text(tmp_path: Path) -> None:
    frame = table().with_columns(pl.col("unique_id").cast(pl.Categorical))
    for name in writing.FORMATS:
        assert writing.write(frame, tmp_path / name, name) == 2
    assert pl.read_parquet(tmp_path / "parquet").schema["unique_id"] == pl.String


def test_the_ending_of_a_packed_file_is_both_endings() -> None:
    assert [writing.suffix_of(path) for path in ("a/b.csv", "a.b/c.json.gz", "plain")] == [
        ".csv",
        ".json.gz",
        "",
    ]


def test_too_many_series_are_no_wide_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "MAX_WIDE_SERIES", 1)
    with pytest.raises(writing.Unwritable) as refused:
        writing.write(table(unique_id=["a", "b"]), tmp_path / "file", "csv", layout="wide")
    assert refused.value.code == "too_many_series"


def test_the_formats_can_be_listed_without_a_heavy_library() -> None:
    code = (
        "import sys; from apps.datasets import writing; print(list(writing.FORMATS), "
        "[name for name in ('polars', 'pyarrow', 'xlsxwriter') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=runner.ROOT
    )
    assert done.stdout.strip() == "['csv', 'tsv', 'parquet', 'json', 'ndjson', 'xlsx'] []"
