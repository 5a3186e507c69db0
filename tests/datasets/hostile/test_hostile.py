"""Every hostile file through the real child: answered by name, within the child's bounds, at no cost to the parent."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from apps.datasets.reading.asking import read_file
from apps.datasets.sandbox.runner import Limits
from tests.datasets.hostile import files
from tests.datasets.hostile.files import CASES, MEGABYTE, Hostile

LIMITS = Limits(memory_bytes=3 << 30, cpu_seconds=60, wall_seconds=60.0)
PARENT_MAY_GROW = 256 * 1024
LINE_MEGABYTES = 1024 if os.environ.get("ALMANAC_DRILL") else 200


def peak_kilobytes(who: int) -> int:
    return resource.getrusage(who).ru_maxrss


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_hostile_file_is_answered_by_name_and_hurts_nobody(tmp_path: Path, case: Hostile) -> None:
    source, target = tmp_path / "upload", tmp_path / "table.parquet"
    case.fill(source)
    before = peak_kilobytes(resource.RUSAGE_SELF)
    reading = read_file(source=source, filename=case.filename, target=target, limits=LIMITS)
    assert peak_kilobytes(resource.RUSAGE_SELF) - before <= PARENT_MAY_GROW
    assert peak_kilobytes(resource.RUSAGE_CHILDREN) * 1024 <= LIMITS.memory_bytes
    assert [problem.code for problem in reading.problems] == ([case.code] if case.code else [])
    assert reading.state == ("refused" if case.code else "readable")
    assert all(problem.message and problem.fix for problem in reading.problems)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == ({"upload"} if case.code else {"upload", "table.parquet"})


def test_one_endless_line_is_refused_without_being_held(tmp_path: Path) -> None:
    source = tmp_path / "upload"
    files.lines_without_end(source, LINE_MEGABYTES)
    try:
        before = peak_kilobytes(resource.RUSAGE_SELF)
        limits = Limits(memory_bytes=1 << 30, cpu_seconds=60, wall_seconds=60.0)
        reading = read_file(source=source, filename="sales.csv", limits=limits)
        assert [problem.code for problem in reading.problems] == ["line_too_long"]
        assert peak_kilobytes(resource.RUSAGE_SELF) - before <= PARENT_MAY_GROW
    finally:
        source.unlink()


def test_there_are_files_of_every_kind_that_was_promised() -> None:
    assert len(CASES) >= 20
    assert len({case.name for case in CASES}) == len(CASES)


def test_a_file_that_wants_more_than_the_child_has_is_refused_too(tmp_path: Path) -> None:
    source = tmp_path / "upload"
    source.write_bytes(files.parquet())
    reading = read_file(source=source, filename="sales.parquet", limits=Limits(memory_bytes=100 * MEGABYTE))
    assert [problem.code for problem in reading.problems] == ["too_heavy"]
