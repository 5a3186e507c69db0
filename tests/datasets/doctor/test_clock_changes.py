"""Doubled hours name the zone whose clocks doubled them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from tests.datasets.doctor.judging import report_of


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Europe/London", "America/New_York", "Australia/Sydney"])
@pytest.mark.parametrize("minutes", [60, 30])
def test_the_zone_of_doubled_hours_is_named_and_nothing_else_found(zone: str, minutes: int) -> None:
    start, count = datetime(2022, 1, 1, tzinfo=UTC), 2 * 365 * 24 * 60 // minutes
    moments = [start + timedelta(minutes=minutes * each) for each in range(count)]
    walls = [each.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for each in moments]
    values = [100 + 9 * ((each.hour * 7) % 24) + each.day / 10 + each.minute / 7 for each in moments]
    table = pl.DataFrame({"unique_id": "a", "ds": walls, "y": values, "__row": range(2, count + 2)})
    table = table.with_columns(pl.col("ds").cast(pl.Datetime("us")), pl.col("__row").cast(pl.Int64))
    report = report_of(table.sort("unique_id", "ds", "__row"), price=False)
    found = {each.code: each for each in report.findings}
    assert set(found) == {"dst_doubling"}
    assert found["dst_doubling"].fixes[0].params["zone"] == zone
    assert found["dst_doubling"].count == 2 * 60 // minutes
