"""How long from a training asked for to its champion, and what jobs, MLflow and the registry add to the bare engine's call?

    python benchmarks/training.py [ALMANAC_JSON] [--runs 5]

24 monthly series of 72 points at `fast`, 12 steps ahead, over the API of a running stack: from the call that asks to the job that has
succeeded. Beside it, in this process, the engine alone on the same points, once its libraries are loaded. The stack's key must be allowed
to add data sets and to train; the data set `benchmark-training` stays, each run adds a version to its model.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
import numpy as np
import running_stack

from apps.engine import contracts, training
from apps.engine.panel import Panel, from_columns

SERIES, POINTS, HORIZON = 24, 72, 12
NAME: Final = "benchmark-training"
BAR_SECONDS, MORE_SECONDS, MORE_SHARE = 20.0, 3.0, 0.05
LONGEST_SECONDS = 300


def main() -> int:
    """Print the figures and write them as JSON; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("announcement", type=Path, nargs="?", help="almanac.json of a running stack")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with running_stack.open_stack(options.announcement) as stack:
        api = httpx.Client(
            base_url=stack.url, headers={"Authorization": f"Bearer {stack.api_key}"}, timeout=60
        )
        bring_data(api)
        pairs = [(through_the_stack(api, seed), bare(seed)) for seed in range(options.runs)]
    results = summed(pairs)
    show(results)
    running_stack.write("training", results)
    return 0 if results["met"] else 1


def rows() -> list[tuple[str, str, float]]:
    """The series: level, trend, season and noise."""
    random, t = np.random.default_rng(0), np.arange(POINTS)
    found = []
    for series in range(SERIES):
        season = 10 * np.sin(2 * np.pi * t / 12 + series)
        values = 100 + 10 * series + 0.3 * t + season + random.normal(0, 2, POINTS)
        found += [
            (f"series-{series:02d}", f"{2015 + step // 12}-{step % 12 + 1:02d}-01", round(value, 3))
            for step, value in enumerate(values)
        ]
    return found


def bring_data(api: httpx.Client) -> None:
    """The data set, unless it is there from before."""
    if api.get(f"/v1/datasets/{NAME}").status_code == 200:
        return
    lines = "unique_id,ds,y\n" + "".join(f"{name},{ds},{y}\n" for name, ds, y in rows())
    answer = api.post(
        "/v1/datasets", data={"name": NAME}, files={"file": (f"{NAME}.csv", lines.encode(), "text/csv")}
    )
    answer.raise_for_status()


def through_the_stack(api: httpx.Client, seed: int) -> dict[str, float]:
    """Seconds from the call to the champion, and those of them that the worker's engine took."""
    body = {"dataset": NAME, "horizon": HORIZON, "effort": "fast", "seed": seed}
    began = time.perf_counter()
    asked = api.post("/v1/training-runs", json=body)
    asked.raise_for_status()
    run = asked.json()
    while (job := api.get(f"/v1/jobs/{run['job']}").json())["status"] in ("queued", "running"):
        if time.perf_counter() - began > LONGEST_SECONDS:
            raise SystemExit(f"the job is {job['status']} after {LONGEST_SECONDS} s")
        time.sleep(0.05)
    whole = time.perf_counter() - began
    done = api.get(f"/v1/training-runs/{run['id']}").json()
    champion = api.get(f"/v1/models/{done['model']}").json()["champion"]
    if job["status"] != "succeeded" or champion["version"] != done["model_version"]:
        raise SystemExit(f"no champion came of it: {job}")
    return {"whole": whole, "engine_in_worker": done["seconds"]}


def bare(seed: int) -> float:
    """Seconds of the engine alone."""
    ids, ds, y = zip(*rows(), strict=True)
    panel: Panel = from_columns(ids, np.asarray(ds, "datetime64[s]"), y)
    spec = contracts.Spec(horizon=HORIZON, effort="fast", seed=seed)
    if seed == 0:
        training.train(panel, spec)  # loads the libraries
    began = time.perf_counter()
    training.train(panel, spec)
    return time.perf_counter() - began


def summed(pairs: list[tuple[dict[str, float], float]]) -> dict[str, Any]:
    """Each run, the medians, and whether the bars are met."""
    runs = [
        {**{name: round(value, 2) for name, value in stack.items()}, "bare": round(alone, 2)}
        for stack, alone in pairs
    ]
    whole = statistics.median(run["whole"] for run in runs)
    alone = statistics.median(run["bare"] for run in runs)
    allowed = MORE_SECONDS + MORE_SHARE * alone
    return {
        "conditions": running_stack.conditions(),
        "runs": runs,
        "median_whole": whole,
        "median_bare": alone,
        "median_overhead": round(whole - alone, 2),
        "allowed_overhead": round(allowed, 2),
        "met": whole <= BAR_SECONDS and whole - alone <= allowed,
    }


def show(results: dict[str, Any]) -> None:
    """The table."""
    print(f"{'whole':>8} {'worker':>8} {'bare':>8}   seconds")
    for run in results["runs"]:
        print(f"{run['whole']:8.2f} {run['engine_in_worker']:8.2f} {run['bare']:8.2f}")
    print(
        f"median {results['median_whole']:.2f} s (bar {BAR_SECONDS:.0f}); "
        f"overhead {results['median_overhead']:.2f} s (allowed {results['allowed_overhead']:.2f})"
    )


if __name__ == "__main__":
    raise SystemExit(main())
