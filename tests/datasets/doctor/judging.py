"""What a table with a planted fault is found to have, beyond what the table had before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from apps.datasets.doctor.detect import About
from apps.datasets.doctor.examine import Report, examine
from apps.datasets.reading.build import FAULT_SCHEMA
from apps.datasets.reading.grid import find_grid
from tests.datasets.doctor.planting import Fault, File, Planted

NOW = datetime(2030, 1, 1)  # noqa: DTZ001 - as stored times are: without a zone
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """``found``: the planted kind; ``named``: every planted row in the report's lines; ``extra``: what else is new."""

    planted: Planted
    found: bool
    named: bool
    extra: frozenset[tuple[str, str, str | None]]

    @property
    def exact(self) -> bool:
        """Exactly what was planted, right row named."""
        return self.found and self.named and not self.extra


def report_of(table: pl.DataFrame, *, price: bool, faults: pl.DataFrame | None = None) -> Report:
    """The doctor's report of a table."""
    grid = find_grid(table)
    columns = ("price",) if price else ()
    return examine(table, About(columns, (), grid.frequency, grid.votes, faults, None, NOW))


def judge(rows: Rows, fault: Fault, seed: int, *, step: Any, unit: str, season: int) -> Verdict:
    """Plant a fault, and compare what is found with what was found before."""
    before = File(rows, seed, step=step, unit=unit, season=season)
    price = "price" in rows[0]
    known = _lines(report_of(before.table(), price=price))
    file = File(rows, seed, step=step, unit=unit, season=season)
    planted = fault(file)
    texts = [(row, None, None, "y", text, code) for row, (text, code) in planted.texts.items()]
    faults = pl.DataFrame(texts, FAULT_SCHEMA, orient="row")
    after = report_of(file.table(), price=price, faults=faults)
    new = {key: line for key, line in _lines(after).items() if key not in known or line[1] > known[key][1]}
    right = {key for key in new if key[0] == planted.code and key[2] == planted.column}
    named = {row for key in right for row in new[key][0]}
    wanted = planted.rows if planted.code != "repeated_stretch" else frozenset()
    return Verdict(planted, bool(right), wanted <= named, frozenset(new.keys() - right))


def _lines(report: Report) -> dict[tuple[str, str, str | None], tuple[list[int], int]]:
    return {
        (line["code"], line["series_id"], line["column"]): (line["rows"], line["count"])
        for line in report.lines.to_dicts()
    }
