"""What a forecast from a loaded bundle costs, without a server. Prints a table and writes a JSON file.

    python -m benchmarks.engine_serving

A start is a process of its own that imports the engine, loads a bundle and forecasts one series; the other figures are
the median of many calls in this process, for one series and 14 steps with two intervals. Linux only: the peak of memory
stands in /proc/self/status (what getrusage tells of a child includes the parent it was forked from).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from apps.engine import LoadedBundle, load_bundle
from apps.engine.update import update
from tests.engine import ensembles, panels

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results" / "engine_serving.json"
STEPS = 14
START = """
import json, re, sys, time
started = time.perf_counter()
from apps.engine import load_bundle
load_bundle(sys.argv[1]).predict(["series-0"], 14, (80, 95))
seconds = time.perf_counter() - started
peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())
print(json.dumps([seconds, int(peak[1]) / 1024]))
"""
BARS = {
    "start_ms": 500, "start_rss_mb": 80, "forecast_trees_ms": 2, "forecast_ensemble_ms": 2, "tree_row_us": 50,
}  # fmt: skip


def main() -> int:
    panel = panels.retail()
    trees = ensembles.packed("lightgbm_global", panel, STEPS)
    mixed = ensembles.five(panel, STEPS)
    figures = start(mixed) | calls(load_bundle(trees), "trees") | calls(load_bundle(mixed), "ensemble")
    figures |= rows(load_bundle(trees)) | {"update_ensemble_ms": updating(panel)}
    for name, value in figures.items():
        bar = f"(at most {BARS[name]})" if name in BARS else ""
        print(f"{name:26}{value:10.3f}  {bar}")
    RESULTS.parent.mkdir(exist_ok=True)
    conditions = {"cores": os.cpu_count(), "load_average": os.getloadavg()}
    RESULTS.write_text(json.dumps({"conditions": conditions, "p50": figures}, indent=2))
    return int(any(figures[name] > bar for name, bar in BARS.items()))


def start(data: bytes) -> dict[str, float]:
    """Time and memory of a fresh process, the median of five."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.alm"
        path.write_bytes(data)
        command = [sys.executable, "-c", START, str(path)]
        found = [json.loads(subprocess.check_output(command, cwd=ROOT)) for _ in range(5)]
    seconds, memory = np.median(np.asarray(found), axis=0)
    return {"start_ms": 1e3 * seconds, "start_rss_mb": memory}


def calls(loaded: LoadedBundle, name: str) -> dict[str, float]:
    """One forecast, its components, and a thousand of its sample paths."""
    one = ["series-1"]
    return {
        f"forecast_{name}_ms": 1e3 * median(lambda: loaded.predict(one, STEPS, (80, 95))),
        f"components_{name}_ms": 1e3 * median(lambda: loaded.components(one, STEPS), 100),
        f"samples_{name}_ms": 1e3 * median(lambda: loaded.samples(one, STEPS, 1000, 0), 100),
    }


def rows(loaded: LoadedBundle) -> dict[str, float]:
    """One row through the trees."""
    member: Any = loaded.members[0]
    future = {name: np.ones(STEPS) for name in loaded.meta.covariates}
    row = member.design(1, STEPS, future).x[:1]
    return {"tree_row_us": 1e6 * median(lambda: member.booster.predict(row))}


def updating(panel: Any) -> float:
    """Ten new points for each series, from bytes to bytes."""
    names = [name for name in ensembles.ALL if name != "paths"]
    data = ensembles.ensemble(names, panel.head(panel.lengths - 10), STEPS)
    return 1e3 * median(lambda: update(data, panel), 10)


def median(call: Callable[[], Any], repeats: int = 1000) -> float:
    """Seconds of a call."""
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))


if __name__ == "__main__":
    sys.exit(main())
