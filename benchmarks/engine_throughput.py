"""What forecasting many monthly series costs, and whether a series costs the same among few and among many.

    python benchmarks/engine_throughput.py [--counts 100 1000 10000] [--effort fast] [--workers 2] [--points 100]

The series are seeded: level, trend, season and noise of every strength, some with zeros. Each size runs in a process of
its own, smallest first, so that the peak of memory is that size's; a small panel before them all pays for imports. CPU is
that of the process and of the workers it starts.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import running_stack

sys.path.insert(0, str(running_stack.REPOSITORY))

from apps.engine import Spec, forecast, from_columns
from apps.engine.panel import Panel

HORIZON, SEASON = 12, 12
WARM = 20


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", type=int, nargs="*", default=[100, 1_000, 10_000])
    parser.add_argument("--effort", choices=("fast", "balanced", "best"), default="fast")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--points", type=int, default=100)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    found = []
    print(f"{'series':>8}{'seconds':>10}{'CPU ms a series':>18}{'peak MB':>10}")
    for count in options.counts:
        with ProcessPoolExecutor(1, context) as pool:
            each = pool.submit(measured, count, options.points, options.effort, options.workers).result()
        found.append(each)
        print(f"{count:8}{each['seconds']:10.1f}{each['cpu_ms']:18.1f}{each['peak_mb']:10.0f}", flush=True)
    results = {"conditions": running_stack.conditions(), "run": vars(options), "sizes": found}
    running_stack.write(f"engine-throughput-{options.effort}", results)
    return 0


def measured(count: int, points: int, effort: str, workers: int) -> dict[str, Any]:
    """Seconds, CPU and peak memory (of the largest process, and of all together) of one size."""
    spec = Spec(HORIZON, effort=effort, workers=workers)  # type: ignore[arg-type]
    forecast(panel(WARM, points), spec)
    data = panel(count, points)
    began, cpu = time.perf_counter(), cpu_seconds()
    result = forecast(data, spec)
    seconds = time.perf_counter() - began
    spent = cpu_seconds() - cpu
    assert np.isfinite(result.mean).all()
    assert len(result.series_ids) == count
    peaks = [
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    return {
        "series": count, "seconds": seconds, "cpu_ms": 1e3 * spent / count,
        "peak_mb": peaks[0] + workers * peaks[1], "choices": list(result.choices),
    }  # fmt: skip


def cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def panel(count: int, points: int) -> Panel:
    """Seeded monthly series."""
    rng = np.random.default_rng(count)
    t = np.arange(points)
    level, slope, strength = rng.lognormal(5, 1, count), rng.normal(0, 0.004, count), rng.beta(1, 3, count)
    season = 1 + strength[:, None] * np.sin(
        2 * np.pi * (t[None, :] + rng.integers(0, SEASON, count)[:, None]) / SEASON
    )
    walk = np.exp(np.cumsum(rng.normal(0, 0.03, (count, points)), axis=1))
    values = (
        level[:, None] * season * np.exp(slope[:, None] * t) * walk * rng.lognormal(0, 0.1, (count, points))
    )
    sparse = rng.random(count) < 0.05
    values[sparse] = np.where(rng.random((int(sparse.sum()), points)) < 0.6, 0.0, np.round(values[sparse]))
    names = np.repeat([f"series-{i}" for i in range(count)], points)
    months = np.arange(np.datetime64("2015-01"), np.datetime64("2015-01") + points).astype("datetime64[s]")
    return from_columns(names, np.tile(months, count), values.ravel(), frequency="MS")


if __name__ == "__main__":
    sys.exit(main())
