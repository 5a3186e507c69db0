"""A small CSV to start from: generated, the same every time."""

from __future__ import annotations

import csv
import io
import math
import random

FILENAME = "almanac-sample-generated.csv"
SERIES = {"north": (820.0, 4.0), "south": (340.0, -1.5), "web": (150.0, 6.0)}
FIRST_YEAR = 2021
MONTHS = 60


def sample_csv() -> str:
    """Three generated monthly series of five years: columns unique_id, ds, y."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["unique_id", "ds", "y"])
    for name, (level, growth) in SERIES.items():
        noise = random.Random(name)  # noqa: S311 - sample data, not a secret
        for month in range(MONTHS):
            season = 1 + 0.15 * math.cos(2 * math.pi * (month % 12 - 11) / 12)
            value = (level + growth * month) * season * noise.uniform(0.97, 1.03)
            writer.writerow([name, f"{FIRST_YEAR + month // 12}-{month % 12 + 1:02d}-01", round(value)])
    return out.getvalue()
