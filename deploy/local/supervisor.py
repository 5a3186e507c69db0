"""Starts the processes of the stack, restarts what ends, and stops everything in order.

One event loop in the main thread: Linux binds 'die with the parent' to the thread that forked.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local import logs
from deploy.local.accounts import Account
from deploy.local.commands import bound
from deploy.local.problems import StartProblem
from deploy.local.state import State, describe

Probe = Callable[[], Awaitable[bool]]
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
STEADY_SECONDS = 60.0  # one that ran this long starts again without delay
FAILED_STARTS = 3  # before the first answer: then the whole start is given up
ROTATE_EVERY_SECONDS = 10.0


@dataclass(frozen=True)
class Process:
    """How to run one process, when it counts as up, and how to end it."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    ready: Probe
    ready_seconds: float = 120.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 15.0
    death_signal: signal.Signals = signal.SIGTERM
    account: Account | None = None
    folder: Path = Path("/")


class Supervisor:
    """The processes that run now. All methods belong to the event loop of the main thread."""

    def __init__(self, state: State, log_folder: Path, report: Callable[[str], None]) -> None:
        self._state = state
        self._logs = log_folder
        self._report = report
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._specs: dict[str, Process] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._answered: set[str] = set()
        self._failures: dict[str, int] = {}

    async def start(self, process: Process) -> float:
        """Start one process and wait until it answers; returns the seconds that took."""
        began = time.monotonic()
        self._specs[process.name] = process
        self._failures[process.name] = 0
        self._launch(process)
        self._watchers[process.name] = asyncio.create_task(self._watch(process))
        await self._wait_ready(process, began)
        self._answered.add(process.name)
        return time.monotonic() - began

    def pid(self, name: str) -> int:
        """The process number of a process."""
        return self._children[name].pid

    async def run(self) -> None:
        """Keep the logs short until cancelled; the watchers do the rest."""
        while True:
            for name in self._specs:
                logs.rotate(logs.log_path(self._logs, name))
            await asyncio.sleep(ROTATE_EVERY_SECONDS)

    async def stop(self, groups: Sequence[Sequence[str]]) -> None:
        """End the named processes group by group, then whatever was not named, and forget the state."""
        for watcher in self._watchers.values():
            watcher.cancel()
        await asyncio.gather(*self._watchers.values(), return_exceptions=True)
        named = {name for group in groups for name in group}
        rest = [name for name in self._specs if name not in named]
        for group in [*groups, rest]:
            await asyncio.gather(*(self._stop_one(name) for name in group if name in self._children))
        self._state.clear()

    def _launch(self, process: Process) -> None:
        output = logs.open_for_append(logs.log_path(self._logs, process.name))
        try:
            child = subprocess.Popen(
                bound(process.command, process.account, process.death_signal),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(process.environment),
                cwd=process.folder,
                start_new_session=True,  # Ctrl-C at the terminal reaches us only: we stop the others in order
            )
        finally:
            os.close(output)
        self._children[process.name] = child
        self._state.processes[process.name] = describe(process.name, child.pid)
        self._state.save()

    async def _watch(self, process: Process) -> None:
        delay = FIRST_DELAY_SECONDS
        while True:
            began = time.monotonic()
            code = await self._ended(process.name)
            _end_group(self._children[process.name].pid)
            self._failures[process.name] += 1
            if process.name in self._answered:
                self._report(f"{process.name} ended ({_meaning(code)}); starting it again.")
            delay = FIRST_DELAY_SECONDS if time.monotonic() - began > STEADY_SECONDS else delay
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_DELAY_SECONDS)
            try:
                self._launch(process)
            except OSError as error:
                self._report(f"{process.name} cannot be started: {error}.")

    async def _ended(self, name: str) -> int:
        """Wait for the end of a child. Polling costs little and needs no signal handler or thread."""
        while (code := self._children[name].poll()) is None:
            await asyncio.sleep(0.1)
        return code

    async def _wait_ready(self, process: Process, began: float) -> None:
        while not await process.ready():
            if self._failures[process.name] >= FAILED_STARTS:
                raise StartProblem(
                    f"{process.name} does not start: {self._last_line(process)}", self._see(process)
                )
            if time.monotonic() - began > process.ready_seconds:
                late = f"{process.name} did not answer within {process.ready_seconds:.0f} s"
                raise StartProblem(f"{late}: {self._last_line(process)}", self._see(process))
            await asyncio.sleep(0.1)

    def _last_line(self, process: Process) -> str:
        return logs.last_line(logs.log_path(self._logs, process.name))

    def _see(self, process: Process) -> str:
        return f"See {logs.log_path(self._logs, process.name)}."

    async def _stop_one(self, name: str) -> None:
        child, process = self._children[name], self._specs[name]
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(process.stop_signal)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended(name), process.stop_seconds)
        if child.poll() is None:
            self._report(f"{name} did not stop within {process.stop_seconds:.0f} s; ending it.")
        _end_group(child.pid)
        await self._ended(name)


def _end_group(leader: int) -> None:
    """End what is left of a process and its children: they share a group that the process leads."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _meaning(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
