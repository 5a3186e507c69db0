"""Commands that run to their end, and work done side by side."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.local import logs
from deploy.local.commands import bound
from deploy.local.console import Step
from deploy.local.layout import REPOSITORY
from deploy.local.problems import StartProblem

LONGEST_LINE = 1_000_000


async def together(*work: Coroutine[Any, Any, Any]) -> None:
    """Do all at the same time; the first that fails cancels the others, and its error is raised as it is."""
    tasks = [asyncio.create_task(item) for item in work]
    try:
        for finished in asyncio.as_completed(tasks):
            await finished
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def run_command(
    name: str,
    command: Sequence[str],
    variables: Mapping[str, str],
    log_folder: Path,
    step: Step | None = None,
) -> dict[str, Any]:
    """Run a command to its end; returns the `result` among the JSON lines it prints (empty when none).

    Lines with `stage` and `percent` are shown as progress. What it writes to standard error is its log.
    """
    log = logs.log_path(log_folder, name)
    log.unlink(missing_ok=True)
    child = await _spawn(command, variables, log)
    try:
        result = await _read_progress(child, step)
        code = await child.wait()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()
        raise
    if code != 0:
        raise StartProblem(
            f"{name} failed: {logs.last_line(log)}", f"See {log}; the next `make up` tries again."
        )
    return result


async def _spawn(
    command: Sequence[str], variables: Mapping[str, str], log: Path
) -> asyncio.subprocess.Process:
    output = logs.open_for_append(log)
    try:
        return await asyncio.create_subprocess_exec(
            *bound(command, death_signal=signal.SIGKILL),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=output,
            env=dict(variables),
            cwd=REPOSITORY,
            start_new_session=True,
            limit=LONGEST_LINE,
        )
    finally:
        os.close(output)


async def _read_progress(child: asyncio.subprocess.Process, step: Step | None) -> dict[str, Any]:
    result: dict[str, Any] = {}
    assert child.stdout is not None, "it was opened as a pipe"
    async for line in child.stdout:
        message = _message(line)
        if step and "stage" in message:
            step.progress(str(message["stage"]), message.get("percent"))
        result = message.get("result", result)
    return result


def _message(line: bytes) -> dict[str, Any]:
    """A JSON object; empty for a line that is meant for people."""
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
