"""How fast is a warm forecast, beside a bare Django view behind the same server? Prints tables, writes a JSON file.

    python benchmarks/serving.py [ALMANAC_JSON] [--seconds 2] [--rounds 5]

ALMANAC_JSON is that of a running stack; without it one is started in a temporary folder. Every round asks each
target in turn, so that what else the machine does falls on all alike. CPU is that of the server's processes for
one request: it stays true on a busy machine, where latencies do not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import load
import psutil
import running_stack
from running_stack import HERE, REPOSITORY, Stack

CONNECTIONS = (1, 8)
HORIZON = 14
LEVELS = [80, 95]
STEP_REQUESTS = 300
PLENTY_OF_POINTS = 10**12
WARM_SECONDS = 0.5


@dataclass
class Target:
    """What is asked, and which processes answer it."""

    name: str
    url: str
    request: bytes
    server: list[psutil.Process]
    database: list[psutil.Process] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("announcement", nargs="?", type=Path, metavar="ALMANAC_JSON")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each target in each round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with running_stack.open_stack(options.announcement) as stack, plenty_of_points(stack):
        results = measure(stack, options.rounds, options.seconds)
    show(results)
    running_stack.write("serving", results)
    return 0


@contextlib.contextmanager
def plenty_of_points(stack: Stack) -> Iterator[None]:
    """Lift the tenant's quota for the block: a benchmark spends more than any plan has. What was left is left again."""
    before = stack.inside("limits", stack.tenant, str(PLENTY_OF_POINTS))
    try:
        yield
    finally:
        spent = stack.inside("limits", stack.tenant)["used"] - before["used"]
        stack.inside("limits", stack.tenant, str(before["points"] + spent))


def measure(stack: Stack, rounds: int, seconds: float) -> dict[str, Any]:
    """Loads on a server and on a bare view, then the steps of one request."""
    one = body(stack)
    everything = {name: value for name, value in one.items() if name != "series"}
    with bare_server(stack) as (bare_url, bare_process):
        targets = [
            forecasts(stack, "forecast, 1 series", one),
            forecasts(stack, "forecast, all series", everything),
            health(stack),
            Target(
                "bare Django view",
                bare_url,
                load.make_request(bare_url, json.dumps(one).encode()),
                family(bare_process),
            ),
        ]
        loads = asyncio.run(compare(targets, rounds, seconds))
    return {
        "conditions": running_stack.conditions()
        | {"rounds": rounds, "seconds": seconds, "fsync_ms": fsync_ms(stack.folder)},
        "loads": loads,
        "ratios": ratios(loads),
        "steps": {
            target.name: steps(stack, asked)
            for target, asked in zip(targets, (one, everything), strict=False)
        },
    }


def body(stack: Stack) -> dict[str, Any]:
    """A forecast of the model's first series."""
    asked = {"model": stack.model, "horizon": HORIZON, "levels": LEVELS}
    answer = httpx.post(
        f"{stack.url}/v1/forecasts", json=asked, headers={"Authorization": f"Bearer {stack.api_key}"}
    )
    answer.raise_for_status()
    return asked | {"series": [answer.json()["series"][0]["series_id"]]}


def forecasts(stack: Stack, name: str, asked: dict[str, Any]) -> Target:
    url, members = f"{stack.url}/v1/forecasts", stack.members()
    request = load.make_request(url, json.dumps(asked).encode(), {"Authorization": f"Bearer {stack.api_key}"})
    return Target(name, url, request, members["web"], members.get("postgres", []))


def health(stack: Stack) -> Target:
    url = f"{stack.url}/livez"
    return Target("/livez (all middleware)", url, load.make_request(url), stack.members()["web"])


@contextlib.contextmanager
def bare_server(stack: Stack) -> Iterator[tuple[str, psutil.Process]]:
    """`bare_view` under the very command line and environment of the stack's web process, but for port and application."""
    web, port = stack.leaders()["web"], running_stack.free_port()
    words = web.cmdline()
    words[words.index("--port") + 1] = str(port)
    variables = web.environ() | {"PYTHONPATH": f"{HERE}{os.pathsep}{REPOSITORY}"}
    process = subprocess.Popen([*words[:-1], "bare_view:app"], cwd=HERE, env=variables)
    url = f"http://127.0.0.1:{port}/"
    try:
        wait_until_answered(url)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def wait_until_answered(url: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(httpx.TransportError):
            httpx.post(url, json={})
            return
        time.sleep(0.1)
    raise SystemExit(f"{url} does not answer")


def family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


async def compare(targets: list[Target], rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Each target at each number of connections, in rounds; the figures of all rounds together."""
    pooled = {(target.name, number): (load.Run(), [0.0, 0.0]) for target in targets for number in CONNECTIONS}
    for _ in range(rounds):
        for number in CONNECTIONS:
            for target in targets:
                await load.run(target.url, target.request, connections=number, seconds=WARM_SECONDS)
                run, cpu = pooled[target.name, number]
                before = spent(target)
                run.add(await load.run(target.url, target.request, connections=number, seconds=seconds))
                for index, (end, start) in enumerate(zip(spent(target), before, strict=True)):
                    cpu[index] += end - start
    return [
        {"target": name, "connections": number, **run.figures(), **per_request(run, cpu)}
        for (name, number), (run, cpu) in pooled.items()
    ]


def spent(target: Target) -> tuple[float, float]:
    """CPU seconds of server and database so far; backends come and go, so they are looked up anew."""
    database = family(target.database[0]) if target.database else []
    return running_stack.cpu_seconds(target.server), running_stack.cpu_seconds(database)


def per_request(run: load.Run, cpu: list[float]) -> dict[str, float]:
    web, database = (round(each / len(run.taken) * 1000, 3) for each in cpu)
    return {"web_cpu_ms": web, "database_cpu_ms": database}


def ratios(loads: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Forecasts of one series against the bare view: p50, CPU of the web process, requests a second."""
    found = {(each["target"], each["connections"]): each for each in loads}
    return {
        f"{number} connections": {
            name: round(
                found["forecast, 1 series", number][name] / found["bare Django view", number][name], 2
            )
            for name in ("p50_ms", "web_cpu_ms", "per_second")
        }
        for number in CONNECTIONS
    }


def steps(stack: Stack, asked: dict[str, Any]) -> dict[str, Any]:
    request = {"key": stack.api_key, "host": stack.url.removeprefix("http://"), "body": asked}
    return stack.inside("steps", json.dumps(request), str(STEP_REQUESTS))


def fsync_ms(folder: Path) -> float:
    """Median time of making 8 KB durable beside the database: the ledger waits for it once a request."""
    path, taken = folder / "fsync.probe", []
    with path.open("wb") as file:
        for _ in range(50):
            file.write(b"\0" * 8192)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    path.unlink()
    return round(sorted(taken)[len(taken) // 2] * 1000, 3)


def show(results: dict[str, Any]) -> None:
    print(f"\n{results['conditions']}\n")
    print(
        f"{'target':<26}{'conn.':>6}{'requests':>10}{'failed':>8}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}"
        f"{'req/s':>9}{'web CPU ms':>12}{'DB CPU ms':>11}"
    )
    for row in results["loads"]:
        print(
            f"{row['target']:<26}{row['connections']:>6}{row['requests']:>10}{row['failed']:>8}{row['p50_ms']:>9.2f}"
            f"{row['p95_ms']:>9.2f}{row['p99_ms']:>9.2f}{row['per_second']:>9.0f}{row['web_cpu_ms']:>12.2f}"
            f"{row['database_cpu_ms']:>11.2f}"
        )
    print("\nforecast of 1 series / bare Django view:", results["ratios"])
    for name, found in results["steps"].items():
        print(
            f"\n{name}, in one thread without a socket: {found['wall_us']:.0f} us, of which {found['cpu_us']:.0f} us CPU; "
            f"{found['sql_statements']:.2f} SQL statements"
        )
        for step, taken in found["steps"].items():
            share = taken["cpu_us"] / found["cpu_us"]
            print(f"  {step:<44}{taken['wall_us']:>9.0f} us{taken['cpu_us']:>9.0f} us CPU{share:>8.1%}")


if __name__ == "__main__":
    sys.exit(main())
