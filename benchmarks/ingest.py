"""How long does a CSV of 10 million rows take to become checked points, and 100 rows to be added to them?

    python benchmarks/ingest.py [--series 100000] [--points 100]

The reading is what a worker does: the child process with its limits, the long table as Parquet, every finding of the doctor as
NDJSON, the SHA-256 of both. Beside it, in the same run, what `polars.read_csv` and `pandas.read_csv` take to load the
file without looking at it. Each is a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import polars as pl
import running_stack

from apps.datasets.reading.asking import read_file
from apps.datasets.sandbox import runner

BAR_SECONDS, BAR_MEGABYTES, BAR_APPEND_SECONDS = 60.0, 1500.0, 1.0
ROWS, REPEATS = 100, 5
FIRST = date(2023, 1, 1)


def main() -> int:
    """Print the figures and write them as JSON; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--points", type=int, default=100, help="of each series")
    parser.add_argument("--one", choices=LOADERS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one, options.file)))
        return 0
    with tempfile.TemporaryDirectory(prefix="alm-ingest-") as folder:
        path = Path(folder, "data.csv")
        write_csv(path, options.series, options.points)
        loads = {name: in_its_own_process(name, path) for name in LOADERS}
        appended = appends(Path(folder, "points.parquet"), options.points)
        results = {
            "conditions": running_stack.conditions(),
            "rows": options.series * options.points,
            "csv_megabytes": round(path.stat().st_size / 1e6, 1),
            "loads": loads,
            "append_seconds": appended,
        }
    show(results)
    running_stack.write("ingest", results)
    ours = loads["almanac"]
    met = ours["seconds"] <= BAR_SECONDS and ours["peak_megabytes"] <= BAR_MEGABYTES
    return 0 if met and sorted(appended)[len(appended) // 2] <= BAR_APPEND_SECONDS else 1


def write_csv(path: Path, series: int, points: int, seed: int = 1) -> None:
    """A daily table with weekly seasons, some gaps, doubled rows and spikes; the series one after the other."""
    dice = np.random.default_rng(seed)
    days = np.array([(FIRST + timedelta(days=each)).isoformat() for each in range(points)])
    season = 1 + 0.3 * np.sin(2 * np.pi * np.arange(points) / 7)
    with path.open("wb") as out:
        out.write(b"unique_id,ds,y\n")
        for start in range(0, series, 1000):
            count = min(1000, series - start)
            levels = dice.uniform(20, 500, count)
            values = levels[:, None] * season * dice.normal(1, 0.08, (count, points))
            values[dice.random(values.shape) < 1e-5] *= 50
            names = np.repeat(np.arange(start, start + count), points)
            frame = pl.DataFrame(
                {
                    "unique_id": pl.Series(names).cast(pl.String).str.zfill(6).str.pad_start(7, "s"),
                    "ds": np.tile(days, count),
                    "y": values.ravel().round(2),
                }
            )
            kept = dice.random(frame.height)
            frame = frame.filter(pl.Series(kept > 1e-4))
            pl.concat([frame, frame[: count // 200]]).write_csv(out, include_header=False)


def load_almanac(path: Path) -> dict[str, Any]:
    """The reading as a worker does it, and the hashes by which files are stored."""
    points, lines = path.with_name("points.parquet"), path.with_name("lines.ndjson")
    reading = read_file(source=path, target=points, target_lines=lines)
    if reading.state != "readable" or reading.table is None:
        raise SystemExit(f"the reading ended as {reading.state}: {reading.problems or reading.questions}")
    for each in (points, lines):
        with each.open("rb") as file:
            hashlib.file_digest(file, "sha256")
    found = {each.code: each.count for each in reading.findings}
    return {"findings": found, "parquet_megabytes": round(points.stat().st_size / 1e6, 1)}


def load_polars(path: Path) -> dict[str, Any]:
    """The columns in memory, dates parsed."""
    return {"read": pl.read_csv(path, try_parse_dates=True).height}


def load_pandas(path: Path) -> dict[str, Any]:
    """The columns in memory, dates parsed."""
    import pandas as pd

    return {"read": len(pd.read_csv(path, parse_dates=["ds"]))}


LOADERS = {"almanac": load_almanac, "polars": load_polars, "pandas": load_pandas}


def measured(name: str, path: Path) -> dict[str, Any]:
    """Seconds and peak memory of this process and its children, with what the loader says."""
    started = time.perf_counter()
    said = LOADERS[name](path)
    seconds = time.perf_counter() - started
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {"seconds": round(seconds, 2), "peak_megabytes": round(max(peaks) / 1024), **said}


def in_its_own_process(name: str, path: Path) -> dict[str, Any]:
    """What ``measured`` says there."""
    command = [sys.executable, __file__, "--one", name, "--file", str(path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def appends(points: Path, length: int) -> list[float]:
    """Seconds of adding 100 rows, the child's start included: half new days, half corrections."""
    dice = np.random.default_rng(2)
    facts = pl.scan_parquet(points).select(
        rows=pl.len(),
        series=pl.col("unique_id").n_unique(),
        first=pl.col("ds").min(),
        last=pl.col("ds").max(),
    )
    known = facts.collect().row(0, named=True)
    seconds = []
    for number in range(REPEATS):
        names = dice.integers(0, known["series"], ROWS)
        rows = [
            {
                "unique_id": f"s{name:06d}",
                "ds": (FIRST + timedelta(days=length + number if place % 2 else 5)).isoformat(),
                "y": float(place),
            }
            for place, name in enumerate(names)
        ]
        request = {
            "entries": [{"path": str(points), "columns": ["y"]}],
            "rows": rows,
            "columns": ["y"],
            "covariates": [],
            "past": [],
            "frequency": "D",
            "utc": False,
            "zone": "",
            "single_series": False,
            "known_at": "2025-01-01T00:00:00+00:00",
            "target": str(points.with_name(f"part-{number}.parquet")),
            "facts": {
                "rows": known["rows"],
                "series_count": known["series"],
                "first_ds": known["first"].isoformat(),
                "last_ds": known["last"].isoformat(),
            },
        }
        started = time.perf_counter()
        said = runner.run("points.append", request)
        seconds.append(round(time.perf_counter() - started, 3))
        if said["problems"]:
            raise SystemExit(f"the rows were refused: {said['problems'][:3]}")
    return seconds


def show(results: dict[str, Any]) -> None:
    """A table for people."""
    rows = results["rows"]
    print(f"{rows:,} rows, {results['csv_megabytes']} MB of CSV")
    for name, each in results["loads"].items():
        print(
            f"{name:8} {each['seconds']:7.2f} s {rows / each['seconds']:12,.0f} rows/s {each['peak_megabytes']:6,} MB"
        )
    print("findings:", results["loads"]["almanac"]["findings"])
    print("append of 100 rows:", results["append_seconds"], "s")


if __name__ == "__main__":
    sys.exit(main())
