"""The parent's side: start a limited child for one task, bound its time, say how it ended."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
CHILDREN_AT_ONCE = 2
_slots = threading.BoundedSemaphore(CHILDREN_AT_ONCE)
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may use: address space and file size in bytes, CPU and wall-clock time in seconds."""

    memory_bytes: int = 4 << 30
    cpu_seconds: int = 240
    wall_seconds: float = 240.0
    file_bytes: int = 4 << 30


DEFAULT_LIMITS = Limits()


class ChildFailed(Exception):
    """The child gave no answer: ``code`` is ``too_slow`` or ``too_heavy``, ``message`` a sentence for the user."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def run(task: str, request: dict[str, Any], limits: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
    """The answer of ``tasks.TASKS[task]`` to ``request``; raises ``ChildFailed``."""
    command = [sys.executable, "-m", "apps.datasets.sandbox.child", task]
    command += [str(limits.memory_bytes), str(limits.cpu_seconds), str(limits.file_bytes)]
    try:
        with _slots:
            done = subprocess.run(  # noqa: S603 - our own module, no text of a user in the command
                command,
                input=json.dumps(request).encode(),
                capture_output=True,
                timeout=limits.wall_seconds,
                cwd=ROOT,
                env=environment(),
                check=False,
            )
    except subprocess.TimeoutExpired as error:
        raise ChildFailed(
            "too_slow", f"The work could not be done within {limits.wall_seconds:.0f} s."
        ) from error
    if done.returncode != 0:
        logger.warning(
            "child for %s ended with %s: %s",
            task,
            done.returncode,
            done.stderr[-2000:].decode(errors="replace"),
        )
        raise ChildFailed("too_heavy", "The work took more memory or time than one request may use.")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def environment() -> dict[str, str]:
    """Only what the child needs: no secret of ours reaches a process that parses strangers' files."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPYCACHEPREFIX")
        if name in os.environ
    }
    return {**kept, "POLARS_MAX_THREADS": "2", "MALLOC_ARENA_MAX": "2", "PYTHONDONTWRITEBYTECODE": "1"}
