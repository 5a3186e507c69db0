"""How much memory does a running stack take? Prints a table and writes a JSON file.

    python benchmarks/memory.py [ALMANAC_JSON] [--forecasts 1000]

ALMANAC_JSON is that of a running stack; without it one is started in a temporary folder. First the whole stack, 60 s
after its first forecast at the earliest, by PSS (a page that several processes share counts once); then the web process
after 1,000 forecasts, by RSS. Linux only: the figures stand in /proc/*/smaps_rollup.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import load
import psutil
import running_stack
import serving
from running_stack import Stack
from startup import program

WEB_BAR_MB = 200
STACK_BAR_MB = 1536
SETTLED_SECONDS = 60


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("announcement", nargs="?", type=Path, metavar="ALMANAC_JSON")
    parser.add_argument("--forecasts", type=int, default=1000)
    options = parser.parse_args()
    with running_stack.open_stack(options.announcement) as stack, serving.plenty_of_points(stack):
        results = measure(stack, options.forecasts)
    show(results)
    running_stack.write("memory", results)
    return 0 if results["web_rss_mb"] <= WEB_BAR_MB and results["stack_pss_mb"] <= STACK_BAR_MB else 1


def measure(stack: Stack, forecasts: int) -> dict[str, Any]:
    """The stack at rest, then the web process after so many forecasts, half for one series and half for all."""
    wait_until_settled(stack)
    processes = [row for name, members in stack.members().items() for row in rows(name, members)]
    one = serving.body(stack)
    everything = {name: value for name, value in one.items() if name != "series"}
    for asked in (one, everything):
        asyncio.run(ask(serving.forecasts(stack, "", asked), forecasts // 2))
    web = [row["rss_mb"] for row in rows("web", stack.members()["web"])]
    return {
        "conditions": running_stack.conditions(),
        "forecasts": forecasts,
        "web_rss_mb": max(web),
        "stack_pss_mb": round(sum(row["pss_mb"] for row in processes), 1),
        "processes": sorted(processes, key=lambda row: -row["pss_mb"]),
    }


def wait_until_settled(stack: Stack) -> None:
    """Until a minute has gone since `almanac.json` appeared, which is when the first forecast was answered."""
    age = time.time() - (stack.folder / "almanac.json").stat().st_mtime
    time.sleep(max(0.0, SETTLED_SECONDS - age))


async def ask(target: serving.Target, count: int) -> None:
    """`count` forecasts over eight connections; any other status than 200 ends the benchmark."""
    done = 0
    while done < count:
        run = await load.run(target.url, target.request, connections=8, seconds=0.5)
        done += len(run.taken)
        if set(run.statuses) != {200}:
            raise SystemExit(f"the API answered {dict(run.statuses)}")


def rows(name: str, members: list[psutil.Process]) -> list[dict[str, Any]]:
    found = []
    for process in members:
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            size = sizes(process.pid)
            found.append(
                {"process": name, "pid": process.pid, "rss_mb": size["Rss"], "pss_mb": size["Pss"]}
                | {"program": program(process.cmdline())}
            )
    return found


def sizes(pid: int) -> dict[str, float]:
    """MB by kind: Rss, Pss, Private_Dirty, …"""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    pairs = (line.split(":", 1) for line in lines)
    return {name: round(int(value.split()[0]) / 1024, 1) for name, value in pairs}


def show(results: dict[str, Any]) -> None:
    print(f"\n{json.dumps(results['conditions'])}\n")
    print(f"{'process':<20}{'pid':>8}{'RSS MB':>9}{'PSS MB':>9}  program")
    for row in results["processes"]:
        print(
            f"{row['process']:<20}{row['pid']:>8}{row['rss_mb']:>9.1f}{row['pss_mb']:>9.1f}  {row['program']}"
        )
    print(f"\nwhole stack: {results['stack_pss_mb']:.0f} MB PSS (at most {STACK_BAR_MB})")
    print(
        f"web after {results['forecasts']:,} forecasts: {results['web_rss_mb']:.0f} MB RSS (at most {WEB_BAR_MB})"
    )


if __name__ == "__main__":
    sys.exit(main())
