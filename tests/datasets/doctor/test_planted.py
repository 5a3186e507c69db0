"""Of a fault that is planted, exactly that fault is found, and its rows are named."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.datasets.doctor import panels, planting
from tests.datasets.doctor.judging import judge, report_of
from tests.datasets.doctor.panels import Panel
from tests.datasets.doctor.planting import Fault, File

CASES = [
    *((panels.months, fault) for fault in planting.PLAIN),
    *((panels.days, fault) for fault in (*planting.PLAIN, *planting.DATED, *planting.PRICED)),
    *((panels.hours, fault) for fault in (*planting.PLAIN, *planting.HOURLY)),
]


def _name(case: object) -> str:
    return getattr(case, "__name__", "")


@pytest.mark.parametrize(("panel", "fault"), CASES, ids=_name)
def test_exactly_the_planted_fault_is_found_and_its_rows_are_named(
    panel: Callable[[], Panel], fault: Fault
) -> None:
    given = panel()
    verdict = judge(given.rows, fault, 7, step=given.step, unit=given.unit, season=given.season)
    assert verdict.found, verdict
    assert verdict.named, verdict
    assert not verdict.extra, verdict


@pytest.mark.parametrize("panel", [panels.months, panels.days, panels.hours], ids=_name)
def test_good_series_have_no_faults(panel: Callable[[], Panel]) -> None:
    given = panel()
    file = File(given.rows, 0, step=given.step, unit=given.unit, season=given.season)
    report = report_of(file.table(), price="price" in given.rows[0])
    assert [each.code for each in report.findings if each.severity != "info"] == []


def test_there_are_thirty_kinds_of_faults() -> None:
    assert len({fault.__name__ for fault in planting.ALL}) >= 30


def test_a_single_meter_on_local_clocks_has_a_frequency_and_doubled_hours_only() -> None:
    own = [row for row in panels.hours().rows if row["unique_id"] == "meter-0"]
    verdict = judge(own, planting.clock_change, 1, step=panels.hours().step, unit="hour", season=24)
    assert verdict.exact, verdict


def test_series_that_share_no_end_have_not_stopped_early() -> None:
    rows = panels.days().rows
    names = sorted({row["unique_id"] for row in rows})
    kept = [row for row in rows if row["ds"].timetuple().tm_yday < 60 * (names.index(row["unique_id"]) + 1)]
    one_year = [row for row in kept if row["ds"].year == 2024 and row["y"] is not None]
    file = File(one_year, 0, step=panels.days().step, unit="day", season=7)
    codes = {each.code for each in report_of(file.table(), price=True).findings}
    assert "stopped_early" not in codes
