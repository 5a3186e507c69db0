"""The limited child process: ``python -m apps.datasets.sandbox.child TASK MEMORY CPU FILE_SIZE``.

Reads one JSON request on standard input and writes one JSON answer on standard output.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import resource
import signal
import sys
from typing import Any

from apps.datasets.sandbox.tasks import TASKS

PR_SET_PDEATHSIG = 1


def limit(memory_bytes: int, cpu_seconds: int, file_bytes: int) -> None:
    """Bound this process before it looks at anything, and let it die with its parent."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def answer(task: str, request: dict[str, Any]) -> dict[str, Any]:
    """What the task of that name says to the request."""
    module, _, function = TASKS[task].partition(":")
    result: dict[str, Any] = getattr(importlib.import_module(module), function)(request)
    return result


def main(arguments: list[str]) -> None:
    """Apply the limits, answer the one request, end."""
    task, *limits = arguments
    limit(*(int(value) for value in limits))
    json.dump(answer(task, json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
