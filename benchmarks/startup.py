"""How long until the first forecast, from nothing and a second time? Prints tables, writes a JSON file.

    python benchmarks/startup.py [--folder DIR]

Runs `make up` twice, with the packages installed, on one state folder, a temporary one unless given. CPU is
that of all processes of the stack: divided by the machine's cores it says how long a start takes at least when
nothing else runs, which the wall's clock on a busy machine does not.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import psutil
import running_stack
from running_stack import REPOSITORY

BARS = {"first": 180.0, "second": 20.0}
STEP = re.compile(r"\[\d/\d\] (?P<name>.+?) ✓ (?P<seconds>[\d.]+) s")
SAMPLE_SECONDS = 0.1


class Meter:
    """CPU seconds of every process below one, by what it runs; what a process used in its last tenth of a second is lost."""

    def __init__(self, root: int) -> None:
        self._root = psutil.Process(root)
        self._seen: dict[tuple[int, float], tuple[str, float]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def total(self) -> float:
        """Of all so far."""
        return sum(seconds for _, seconds in [*self._seen.values()])

    def end(self) -> dict[str, float]:
        """By program, the dearest first."""
        self._stop.set()
        self._thread.join()
        found: defaultdict[str, float] = defaultdict(float)
        for name, seconds in self._seen.values():
            found[name] += seconds
        return {name: round(found[name], 1) for name in sorted(found, key=lambda name: -found[name])}

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            with contextlib.suppress(psutil.NoSuchProcess):
                for process in [self._root, *self._root.children(recursive=True)]:
                    self._note(process)

    def _note(self, process: psutil.Process) -> None:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            times = process.cpu_times()
            name = program(process.cmdline())
            self._seen[process.pid, process.create_time()] = (name, times.user + times.system)


def program(words: list[str]) -> str:
    """What a person calls a process of the stack."""
    text = " ".join(words)
    for sign in ("manage.py ", "-Q ", "-m "):
        if sign in text:
            return f"{sign.split()[0]} {text.partition(sign)[2].split(' -')[0]}"[:50]
    return Path(words[0]).name.split(":")[0] if words else "ended"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="empty or absent: the first start begins from nothing")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="alm-bench-") as place:
        os.chmod(place, 0o711)  # PostgreSQL runs as another user when we are root, and must pass through
        folder = options.folder or Path(place) / "var"
        if folder.exists() and any(folder.iterdir()):
            parser.error(f"{folder} is not empty")
        port, conditions = running_stack.free_port(), running_stack.conditions()
        starts = {name: measure(folder, port) for name in BARS}
    show(conditions, starts)
    running_stack.write("startup", {"conditions": conditions, "bars_seconds": BARS, **starts})
    return 0 if all(starts[name]["wall_seconds"] <= bar for name, bar in BARS.items()) else 1


def measure(folder: Path, port: int) -> dict[str, Any]:
    """One start to the answered forecast, and its orderly end."""
    variables = os.environ | {"ALMANAC_VAR": str(folder), "PORT": str(port)}
    began = time.monotonic()
    process = subprocess.Popen(
        ["make", "--no-print-directory", "up"],
        cwd=REPOSITORY,
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
    )
    meter = Meter(process.pid)
    try:
        steps = follow(process, meter)
        wall, cpu = time.monotonic() - began, meter.total()
        programs = meter.end()
    finally:
        subprocess.run(["make", "--no-print-directory", "down"], cwd=REPOSITORY, env=variables, check=True)
        process.communicate(timeout=120)
    return {
        "wall_seconds": round(wall, 1),
        "cpu_seconds": round(cpu, 1),
        "steps": steps,
        "cpu_by_program": programs,
    }


def follow(process: subprocess.Popen[str], meter: Meter) -> list[dict[str, Any]]:
    """The steps as they end, with the CPU that was used meanwhile, until the start says that it is ready."""
    steps: list[dict[str, Any]] = []
    before = 0.0
    assert process.stdout is not None
    for line in process.stdout:
        if found := STEP.search(line):
            total = meter.total()
            wall = float(found["seconds"])
            steps.append(
                {"step": found["name"], "wall_seconds": wall, "cpu_seconds": round(total - before, 1)}
            )
            before = total
            print(steps[-1], flush=True)
        if line.startswith("Ready after"):
            return steps
    raise SystemExit(f"make up ended with code {process.wait()}")


def show(conditions: dict[str, Any], starts: dict[str, Any]) -> None:
    print(f"\n{conditions}")
    for name, start in starts.items():
        print(
            f"\n{name} start: {start['wall_seconds']:.1f} s (at most {BARS[name]:.0f} s), "
            f"{start['cpu_seconds']:.1f} s of CPU"
        )
        for step in start["steps"]:
            print(f"  {step['step']:<44}{step['wall_seconds']:>8.1f} s{step['cpu_seconds']:>8.1f} s CPU")
        for what, seconds in start["cpu_by_program"].items():
            if seconds >= 0.5:
                print(f"    {what:<50}{seconds:>8.1f} s CPU")


if __name__ == "__main__":
    sys.exit(main())
