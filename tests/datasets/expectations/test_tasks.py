"""Expectations in the sandbox's child."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from apps.datasets.expectations.contracts import Result
from apps.datasets.expectations.tasks import expect, expect_of
from apps.datasets.sandbox import runner

TABLE = pl.DataFrame(
    {
        "unique_id": ["a"] * 3,
        "ds": [datetime.fromisoformat("2024-01-01") + timedelta(hours=each) for each in range(3)],
        "y": [1.0, 2.0, 3.0],
        "__row": [2, 3, 4],
    },
    schema_overrides={"ds": pl.Datetime("us")},
)
STATED = [
    {"name": "small", "kind": "range", "max": 2},
    {"name": "region", "kind": "allowed", "column": "region", "values": ["north"]},
    {"name": "steady", "kind": "change", "max_change": 0.1},
]


def test_a_child_reads_the_parquet_and_answers_in_json(tmp_path: Path) -> None:
    TABLE.write_parquet(tmp_path / "points.parquet")
    pl.DataFrame({"unique_id": ["a"], "region": ["south"]}).write_parquet(tmp_path / "statics.parquet")
    request: dict[str, Any] = {
        "parquet": str(tmp_path / "points.parquet"),
        "statics": str(tmp_path / "statics.parquet"),
        "expectations": STATED,
        "previous": {"rows": 3, "series_count": 1, "totals": {"y": 6.0}},
        "frequency": "h",
        "now": "2024-01-01T04:00:00+00:00",
    }
    answer = runner.run("expect", request)
    results = [Result.from_json(each) for each in answer["results"]]
    assert [(each.name, each.passed) for each in results] == [
        ("small", False),
        ("region", False),
        ("steady", True),
    ]
    assert results[0].examples[0].row == 4
    assert answer["summary"] == {"rows": 3, "series_count": 1, "totals": {"y": 6.0}}


@pytest.mark.parametrize(("zone", "passed"), [("", False), ("America/New_York", True)])
def test_the_clock_is_read_in_the_zone_of_the_times(zone: str, passed: bool) -> None:
    stated = [{"name": "fresh", "kind": "freshness", "age": "1 hour"}]
    request = {"expectations": stated, "now": "2024-01-01T08:00:00+00:00", "zone": zone}
    assert expect_of(TABLE, request)["results"][0]["passed"] is passed


def test_a_manifest_is_a_table_without_what_was_deleted(tmp_path: Path) -> None:
    TABLE.with_columns(__deleted=pl.col("__row") == 4).write_parquet(tmp_path / "part.parquet")
    entries = [{"path": str(tmp_path / "part.parquet"), "columns": ["y"]}]
    request: dict[str, Any] = {"entries": entries, "expectations": STATED[:1]}
    answer = expect(request)
    assert (answer["results"][0]["passed"], answer["summary"]["rows"]) == (True, 2)
    assert expect({**request, "entries": entries * 2})["summary"]["rows"] == 2
