"""A running Almanac to measure: the one whose `almanac.json` is given, or one that is started for the purpose."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
RESULTS = HERE / "results"
START_SECONDS = 900


@dataclass(frozen=True)
class Stack:
    """Where a running stack answers, with the demo's key, and the folder of its state."""

    url: str
    api_key: str
    model: str
    tenant: str
    folder: Path

    def leaders(self) -> dict[str, psutil.Process]:
        """The processes of the supervisor's state file by name, and the supervisor itself."""
        content = json.loads((self.folder / "stack.json").read_text())
        noted = [content["supervisor"], *content["processes"]]
        return {each["name"]: psutil.Process(each["pid"]) for each in noted}

    def members(self) -> dict[str, list[psutil.Process]]:
        """Each leader with its children (the supervisor without: they are leaders themselves)."""
        return {
            name: [process] if name == "supervisor" else [process, *process.children(recursive=True)]
            for name, process in self.leaders().items()
        }

    def environment(self, name: str) -> dict[str, str]:
        """The variables that a process of the stack was started with."""
        return self.leaders()[name].environ()

    def inside(self, *words: str) -> dict[str, Any]:
        """Run `inside.py` with the web process's environment; the JSON that it prints."""
        command = [sys.executable, str(HERE / "inside.py"), *words]
        done = subprocess.run(
            command, env=self.environment("web"), cwd=REPOSITORY, check=True, stdout=subprocess.PIPE
        )
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer


@contextlib.contextmanager
def open_stack(announcement: Path | None) -> Iterator[Stack]:
    """The stack of an `almanac.json`, or a new one in a temporary folder that goes at the end."""
    if announcement is not None:
        yield read(announcement)
        return
    with tempfile.TemporaryDirectory(prefix="alm-bench-") as place:
        os.chmod(place, 0o711)  # PostgreSQL runs as another user when we are root, and must pass through
        folder = Path(place) / "var"
        with started(folder, free_port()) as stack:
            yield stack


@contextlib.contextmanager
def started(folder: Path, port: int) -> Iterator[Stack]:
    """`make up` in a folder that is kept; stopped at the end of the block."""
    variables = os.environ | {"ALMANAC_VAR": str(folder), "PORT": str(port)}
    make = ["make", "--no-print-directory"]
    process = subprocess.Popen([*make, "up"], cwd=REPOSITORY, env=variables, stdout=sys.stderr)
    try:
        wait_until_announced(folder, process)
        yield read(folder / "almanac.json")
    finally:
        subprocess.run([*make, "down"], cwd=REPOSITORY, env=variables, stdout=sys.stderr, check=True)
        process.wait(120)


def wait_until_announced(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the first forecast was answered: that is when `almanac.json` appears."""
    end = time.monotonic() + START_SECONDS
    while not (folder / "almanac.json").exists():
        if process.poll() is not None:
            raise SystemExit(f"make up ended with code {process.returncode}")
        if time.monotonic() > end:
            raise SystemExit(f"make up was not ready after {START_SECONDS} s")
        time.sleep(0.1)


def read(announcement: Path) -> Stack:
    """The stack that an `almanac.json` describes."""
    content = json.loads(announcement.read_text())
    return Stack(
        content["url"], content["api_key"], content["model"], content["tenant"], announcement.parent.resolve()
    )


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """CPU that living processes have used so far, their ended children included."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def conditions() -> dict[str, Any]:
    """The machine and how busy it is: without them no time means anything."""
    return {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_average": [round(each, 2) for each in os.getloadavg()],
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
    }


def write(name: str, results: dict[str, Any]) -> None:
    """Keep the figures below `benchmarks/results/`."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\nwritten: {path}")
