"""How well the seconds of a training are told beforehand, and the measurements that the first guess rests on.

    python -m benchmarks.training_estimate              # 20 trainings of different size: told against needed
    python -m benchmarks.training_estimate --measure    # seconds by candidate on a grid of sizes, fitted, as data

The panels are synthetic (level, trend, seasons, noise); estimates learn from the runs before, as a workspace's do.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from apps.engine import contracts, training
from apps.engine.frequency import Frequency
from apps.engine.panel import Panel
from apps.training import estimating

GRID: Final = (  # frequency, series, points, horizon
    ("MS", 3, 60, 12),
    ("MS", 24, 72, 12),
    ("MS", 24, 180, 12),
    ("MS", 120, 96, 12),
    ("D", 4, 400, 28),
    ("D", 40, 400, 28),
    ("D", 10, 1200, 28),
    ("YS", 40, 30, 5),
    ("YS", 200, 40, 5),
    ("W", 20, 220, 26),
    ("h", 5, 720, 48),
)
BAR: Final = 0.30
CLOCK: Final = time.process_time  # of one thread, so that what else the machine does is not measured


def panel(frequency: str, series: int, points: int, seed: int) -> Panel:
    """Series with level, trend, season and noise, all above 0."""
    grid = Frequency.parse(frequency)
    random, t = np.random.default_rng(seed), np.arange(points)
    season = 10 * np.sin(2 * np.pi * t / max(grid.season_length, 2))
    rows = [100 + 3 * s + 0.05 * t + season + random.normal(0, 3, points) for s in range(series)]
    times = grid.range(np.datetime64("2005-01-01", "s"), points)
    return Panel(
        tuple(f"s{s}" for s in range(series)),
        np.maximum(np.concatenate(rows), 0.1),
        np.arange(series + 1) * points,
        np.tile(times, series),
        grid,
    )


def trained(made: Panel, effort: str, horizon: int) -> tuple[float, list[contracts.Candidate]]:
    """Seconds of one training, and its leaderboard."""
    spec = contracts.Spec(horizon=horizon, effort=effort)  # type: ignore[arg-type] # one of EFFORTS
    started = CLOCK()
    result = training.train(made, spec, clock=CLOCK)
    return CLOCK() - started, result.leaderboard


def measure(efforts: list[str], out: Path) -> dict[str, Any]:
    """Seconds of each candidate's backtest on the grid."""
    trained(panel("MS", 3, 48, 0), "fast", 6)  # libraries are imported
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for effort, (frequency, series, points, horizon) in itertools.product(efforts, GRID):
        if series * points > {"fast": 99_999, "balanced": 9_000, "best": 3_000}[effort]:
            continue
        made = panel(frequency, series, points, 1)
        seconds, board = trained(made, effort, horizon)
        features = estimating.features_of_panel(made, horizon=horizon, effort=effort)
        tried = {line.name: line.seconds for line in board if line.name != "auto" and not line.error}
        found["runs"].append({"features": features, "seconds": seconds, "candidates": tried})
        out.write_text(json.dumps(found, indent=1))
        print(f"{effort:9} {frequency:3} {series:4} x {points:5}: {seconds:6.2f} s", flush=True)
    return found


def check(runs: int, seed: int) -> dict[str, Any]:
    """Trainings of random size: seconds told beforehand, and needed."""
    random, past, lines = np.random.default_rng(seed), [], []
    trained(panel("MS", 3, 48, 0), "fast", 6)
    for number in range(runs):
        frequency, horizon = [("MS", 12), ("D", 28), ("YS", 5), ("W", 13)][int(random.integers(4))]
        shortest = {"MS": 36, "D": 120, "YS": 15, "W": 110}[frequency]
        series = int(np.exp(random.uniform(np.log(2), np.log(120))))
        points = int(np.exp(random.uniform(np.log(shortest), np.log(6 * shortest))))
        effort = ["fast", "fast", "balanced"][int(random.integers(3))]
        made = panel(frequency, series, points, number)
        features = estimating.features_of_panel(made, horizon=horizon, effort=effort)
        told = estimating.seconds(features, past)
        needed, _ = trained(made, effort, horizon)
        past.append((features, needed))
        off = abs(told - needed) / needed
        lines.append(
            {"frequency": frequency, "series": series, "points": points, "effort": effort,
             "told": round(told, 2), "needed": round(needed, 2), "off": round(off, 3)}
        )  # fmt: skip
        print(
            f"{effort:9} {frequency:3} {series:4} x {points:5}: told {told:6.2f} s, needed {needed:6.2f} s,"
            f" off by {off:4.0%}",
            flush=True,
        )
    return {"runs": lines, "median_off": statistics.median(line["off"] for line in lines), "bar": BAR}


def main() -> None:
    """Measure or check, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--efforts", default="fast,balanced,best")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("training_estimate.json"))
    asked = parser.parse_args()
    found = measure(asked.efforts.split(","), asked.out) if asked.measure else check(asked.runs, asked.seed)
    asked.out.write_text(json.dumps(found, indent=1))
    if not asked.measure:
        print(f"median error {found['median_off']:.0%} over {asked.runs} trainings (bar {BAR:.0%})")


if __name__ == "__main__":
    main()
