"""Processes of Almanac's own that tests start, kill and wait for."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from deploy.local import state
from deploy.local.layout import REPOSITORY

Found = TypeVar("Found")
OURS = ("ALMANAC_", "REDIS_", "MLFLOW_", "DJANGO_", "DATABASE_", "PYTEST_")


def wait(look: Callable[[], Found | None], seconds: float, what: str) -> Found:
    """What ``look`` finds, as soon as it finds something."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"{what} did not come within {seconds:.0f} s"
        time.sleep(0.1)
    return found


def child_of(pid: int) -> psutil.Process:
    """The one child of a worker: it does the work."""
    return wait(lambda: next(iter(psutil.Process(pid).children()), None), 20, "the worker's child")


@dataclass
class Stack:
    """Everything that `make up` starts, in a folder of its own."""

    root: Path
    process: subprocess.Popen[bytes]
    announced: dict[str, Any]

    @classmethod
    def start(cls, root: Path) -> Stack:
        """Start, and wait for the first forecast."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        variables = {**kept, "ALMANAC_VAR": str(root / "var"), "PORT": str(port)}
        with (root / "out").open("wb") as out:
            command = [sys.executable, "-m", "deploy.local", "up"]
            process = subprocess.Popen(command, cwd=REPOSITORY, env=variables, stdout=out, stderr=out)
        try:
            announcement = root / "var" / "almanac.json"
            wait(lambda: announcement.exists() or process.poll() is not None, 400, "the first forecast")
            assert process.poll() is None, (root / "out").read_text()
            return cls(root, process, json.loads(announcement.read_text()))
        except BaseException:
            process.terminate()
            process.wait(60)
            raise

    def stop(self) -> None:
        """As Ctrl-C would."""
        self.process.terminate()
        self.process.wait(60)

    def pid(self, name: str) -> int:
        """Of a process by its name, whoever it is by now."""
        return state.load(self.root / "var" / "stack.json").processes[name].pid

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response | None:
        """An answer of the API; None while nobody or nothing behind it answers."""
        headers = {"Authorization": f"Bearer {self.announced['api_key']}"}
        try:
            answer = httpx.request(
                method, self.announced["url"] + path, json=body, headers=headers, timeout=10
            )
        except httpx.HTTPError:
            return None
        return answer if answer.status_code < 500 else None

    def get(self, path: str, seconds: float = 60) -> dict[str, Any]:
        """The JSON of an answer that comes sooner or later."""
        found: dict[str, Any] = wait(lambda: self.ask("GET", path), seconds, path).json()
        return found
