"""What the supervisor has running, written down so that a later start finds what an earlier one left."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

CLOCK_SLACK_SECONDS = 3.0  # the start time is derived from the boot time, which the clock's corrections move


@dataclass(frozen=True)
class Running:
    """A process told apart from a later one with the same number by the time it started."""

    name: str
    pid: int
    started: float  # seconds since the epoch

    def find(self) -> psutil.Process | None:
        """The process if it still runs."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < CLOCK_SLACK_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def describe(name: str, pid: int) -> Running:
    """Note a process that runs now; one that has already ended gets the start time 0."""
    try:
        return Running(name, pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return Running(name, pid, 0.0)


@dataclass
class State:
    """The state file: the supervisor and its processes."""

    path: Path
    supervisor: Running | None = None
    url: str = ""
    processes: dict[str, Running] = field(default_factory=dict)

    def save(self) -> None:
        """Replace the file in one step."""
        content = {
            "supervisor": asdict(self.supervisor) if self.supervisor else None,
            "url": self.url,
            "processes": [asdict(process) for process in self.processes.values()],
        }
        partial = self.path.with_suffix(".new")
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(content))
        partial.rename(self.path)

    def clear(self) -> None:
        """Nothing runs any more."""
        self.path.unlink(missing_ok=True)


def load(path: Path) -> State:
    """The state an earlier start left; empty when there is none or it is unreadable."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        supervisor = Running(**content["supervisor"]) if content["supervisor"] else None
        processes = {item["name"]: Running(**item) for item in content["processes"]}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return State(path)
    return State(path, supervisor, str(content.get("url", "")), processes)


def orphans(state: State) -> list[psutil.Process]:
    """What still runs of a stack whose supervisor is gone: the noted processes and their groups."""
    noted = {process.pid: process.started for process in state.processes.values() if process.started}
    direct = [found for process in state.processes.values() if (found := process.find())]
    pids = {process.pid for process in direct}
    return direct + [member for member in _group_members(noted, state.path.parent) if member.pid not in pids]


def _group_members(leaders: dict[int, float], var: Path) -> Iterable[psutil.Process]:
    """Processes in a session of their own led by a noted process, of this very state folder.

    Numbers are reused: a group alone proves nothing, so the environment must name our folder too.
    """
    own_session = os.getsid(0)
    for process in psutil.process_iter():
        try:
            session = os.getsid(process.pid)
            if session == own_session or session not in leaders:
                continue
            if process.environ().get("ALMANAC_VAR") == str(var):
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError, PermissionError):
            continue


def end(processes: Iterable[psutil.Process], grace_seconds: float = 10.0) -> int:
    """Ask the processes to end, then make them; returns how many there were."""
    found = list(processes)
    for process in found:
        _send(process, signal.SIGINT if process_name(process) == "postgres" else signal.SIGTERM)
    stubborn = still_there(found, grace_seconds)
    for process in stubborn:
        _send(process, signal.SIGKILL)
    still_there(stubborn, grace_seconds)
    return len(found)


def still_there(processes: Iterable[psutil.Process], timeout_seconds: float) -> list[psutil.Process]:
    """Wait until all have ended; returns those that have not. One that only waits to be reaped has ended."""
    deadline = time.monotonic() + timeout_seconds
    left = [process for process in processes if _runs(process)]
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = [process for process in left if _runs(process)]
    return left


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def process_name(process: psutil.Process) -> str:
    """The program's name; empty when the process is gone."""
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
