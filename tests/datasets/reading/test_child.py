"""Hostile files are read in a child that is bounded; the parent neither imports nor grows."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from apps.datasets.reading.asking import read_file
from apps.datasets.reading.contracts import ColumnMapping, Reading
from apps.datasets.sandbox import runner
from apps.datasets.sandbox.runner import Limits
from tests.datasets.csv_files import daily

MEGABYTE = 1 << 20


def write(folder: Path, data: bytes) -> Path:
    path = folder / "file.csv"
    path.write_bytes(data)
    return path


def test_a_file_is_read_in_a_child_and_comes_back_whole(tmp_path: Path) -> None:
    target = tmp_path / "table.parquet"
    reading = read_file(source=write(tmp_path, daily().encode()), target=target)
    assert (reading.state, reading.file_rows) == ("readable", 40)
    assert target.stat().st_size > 0
    assert Reading.from_json(json.loads(json.dumps(reading.to_json()))) == reading


def test_a_mapping_reaches_the_child(tmp_path: Path) -> None:
    mapping = ColumnMapping("ds", "y", (), choices={"format:ds": "YYYY-MM-DD"})
    reading = read_file(source=write(tmp_path, daily("a").encode()), mapping=mapping)
    assert reading.mapping == mapping


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"a," * 1_000_000 + b"a\n" + b"1," * 1_000_000 + b"1\n", "too_many_columns"),
        (",".join(f"c{number}" for number in range(9_000)).encode() + b"\n1,2\n", "wrong_field_count"),
        (b"unique_id,ds,y\na,2024-01-01," + b"9" * (30 * MEGABYTE) + b"\n", "line_too_long"),
        (b'unique_id,ds,y\na,2024-01-01,"' + b"\n" * (5 * MEGABYTE), "line_too_long"),
        (b"\x00" * (5 * MEGABYTE), "binary"),
    ],
)
def test_hostile_shapes_are_refused_by_name(tmp_path: Path, data: bytes, code: str) -> None:
    reading = read_file(source=write(tmp_path, data))
    assert [problem.code for problem in reading.problems] == [code]


def test_a_child_that_wants_too_much_memory_is_a_refused_file_and_the_parent_does_not_grow(
    tmp_path: Path,
) -> None:
    source = write(tmp_path, b"unique_id,ds,y\n" + b"a,2024-01-01,1\n" * 4_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reading = read_file(source=source, limits=Limits(memory_bytes=900 * MEGABYTE))
    assert [problem.code for problem in reading.problems] == ["too_heavy"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_a_child_without_room_to_start_is_a_refused_file(tmp_path: Path) -> None:
    reading = read_file(source=write(tmp_path, daily().encode()), limits=Limits(memory_bytes=100 * MEGABYTE))
    assert [problem.code for problem in reading.problems] == ["too_heavy"]


def test_a_child_that_takes_too_long_is_a_refused_file(tmp_path: Path) -> None:
    reading = read_file(source=write(tmp_path, daily().encode()), limits=Limits(wall_seconds=0.05))
    assert [problem.code for problem in reading.problems] == ["too_slow"]


def test_the_child_gets_no_secret_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMANAC_SECRET_KEY", "secret")
    assert not any(name.startswith("ALMANAC") for name in runner.environment())


def test_the_parent_side_imports_neither_polars_nor_numpy() -> None:
    code = (
        "import sys; import apps.datasets.reading.asking, apps.datasets.demo.catalogue, apps.datasets.demo.sample_csv;"
        "print([name for name in ('polars', 'pandas', 'pyarrow', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=runner.ROOT
    )
    assert done.stdout.strip() == "[]"
