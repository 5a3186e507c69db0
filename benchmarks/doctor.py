"""How well the data doctor tells planted faults apart on real series: kind by data set, and what it says of the untouched ones.

    python -m benchmarks.doctor --data DIR [--seeds 5]

DIR holds ``retail/orange_juice_weekly.parquet`` and ``electricity/vic_elec_30min.parquet``; employment comes with the program.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from apps.datasets.demo import employment
from tests.datasets.doctor import planting
from tests.datasets.doctor.judging import judge, report_of
from tests.datasets.doctor.panels import Panel
from tests.datasets.doctor.planting import Fault, File

SERIES = 8
HOURS = 24 * 420


def main() -> int:
    """Print a line for each kind and data set: planted, found with the right row, exact, and what else was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    totals: Counter[str] = Counter()
    for name, panel, faults in _panels(asked.data):
        file = File(panel.rows, 0, step=panel.step, unit=panel.unit, season=panel.season)
        report = report_of(file.table(), price=False)
        print(
            f"{name}, untouched:",
            [(each.code, each.count, each.series) for each in report.findings],
            flush=True,
        )
        for fault in faults:
            totals += _judged(name, panel, fault, asked.seeds)
    print("all:", dict(totals))
    return 0


def _judged(name: str, panel: Panel, fault: Fault, seeds: int) -> Counter[str]:
    counted: Counter[str] = Counter()
    extras: Counter[str] = Counter()
    for seed in range(seeds):
        try:
            verdict = judge(panel.rows, fault, seed, step=panel.step, unit=panel.unit, season=panel.season)
        except LookupError:  # no series of this panel is long enough for the fault
            counted["not planted"] += 1
            continue
        counted += Counter(planted=1, found=int(verdict.found and verdict.named), exact=int(verdict.exact))
        extras.update(code for code, _, _ in verdict.extra)
    print(f"{name:12} {fault.__name__:26} {dict(counted)} extras {dict(extras)}", flush=True)
    return counted


def _panels(data: Path) -> Iterator[tuple[str, Panel, tuple[Fault, ...]]]:
    months, _ = employment.build()
    yield "employment", Panel(_rows(months), timedelta(days=30), "month", 12), planting.PLAIN
    weeks = pl.read_parquet(data / "retail" / "orange_juice_weekly.parquet")
    few = weeks["unique_id"].unique().sort().head(SERIES).to_list()
    weeks = weeks.filter(pl.col("unique_id").is_in(few))
    yield "orange juice", Panel(_rows(weeks), timedelta(days=7), "week", 52), planting.PLAIN
    halves = pl.read_parquet(data / "electricity" / "vic_elec_30min.parquet")
    hours = halves.filter(pl.col("ds").dt.minute() == 0).head(HOURS)
    yield "electricity", Panel(_rows(hours), timedelta(hours=1), "hour", 24), planting.PLAIN


def _rows(table: pl.DataFrame) -> list[dict[str, Any]]:
    named = table.select("unique_id", pl.col("ds").cast(pl.Datetime("us")), pl.col("y").cast(pl.Float64))
    return named.sort("unique_id", "ds").to_dicts()


if __name__ == "__main__":
    sys.exit(main())
