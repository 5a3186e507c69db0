"""Good series to plant faults into: real months, and generated days and hours."""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apps.datasets.demo import employment

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Panel:
    """Rows in a file's order, one series after the other; ``step``: the distance of times; ``season`` in steps."""

    rows: Rows
    step: timedelta
    unit: str
    season: int


@functools.cache
def months() -> Panel:
    """US employment by sector, from the vega_datasets package."""
    table, _ = employment.build()
    return Panel(table.select("unique_id", "ds", "y").to_dicts(), timedelta(days=30), "month", 12)


@functools.cache
def days() -> Panel:
    """Generated: six series of two years with a week and a year in them, a price, and two weeks of prices to come."""
    rows: Rows = []
    for number in range(6):
        dice, level = random.Random(number), 40.0 * (number + 1)
        for day in range(744):
            price = round(3 + dice.random(), 2)
            week = 1 + 0.3 * math.sin(2 * math.pi * day / 7)
            year = 1 + 0.2 * math.sin(2 * math.pi * day / 365)
            y = level * week * year * (1.4 - price / 10) * dice.uniform(0.92, 1.08)
            known = day < 730
            rows.append(
                {
                    "unique_id": f"shop-{number}",
                    "ds": datetime(2024, 1, 1) + timedelta(days=day),  # noqa: DTZ001 - as stored
                    "y": round(y, 2) if known else None,
                    "price": price,
                }
            )
    return Panel(rows, timedelta(days=1), "day", 7)


@functools.cache
def hours() -> Panel:
    """Generated: two meters of 330 days."""
    rows: Rows = []
    for number in range(2):
        dice = random.Random(100 + number)
        for hour in range(24 * 330):
            y = (
                (300 + 80 * number)
                * (1 + 0.4 * math.sin(2 * math.pi * (hour % 24) / 24))
                * dice.uniform(0.93, 1.07)
            )
            at = datetime(2024, 1, 10) + timedelta(hours=hour)  # noqa: DTZ001 - as stored
            rows.append({"unique_id": f"meter-{number}", "ds": at, "y": round(y, 3)})
    return Panel(rows, timedelta(hours=1), "hour", 24)
