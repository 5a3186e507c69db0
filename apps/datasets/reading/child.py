"""The limited child process: ``python -m apps.datasets.reading.child MEMORY CPU FILE_SIZE``.

Reads one JSON request on standard input: ``{"task": "csv", "source", "target", "mapping"}`` or
``{"task": "demo", "name", "target"}``, and writes one JSON reading on standard output.
"""

from __future__ import annotations

import ctypes
import json
import resource
import signal
import sys
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1


def limit(memory_bytes: int, cpu_seconds: int, file_bytes: int) -> None:
    """Bound this process before it looks at anything, and let it die with its parent."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The reading that the request asks for, as JSON values."""
    from apps.datasets.reading.contracts import ColumnMapping
    from apps.datasets.reading.read import read_csv, read_table

    target = Path(request["target"]) if request.get("target") else None
    if request["task"] == "demo":
        from apps.datasets.demo import catalogue

        assert target is not None
        frame, covariates = catalogue.build(request["name"])
        return read_table(frame, covariates, target).to_json()
    mapping = ColumnMapping.from_json(request["mapping"]) if request.get("mapping") else None
    return read_csv(Path(request["source"]).read_bytes(), mapping, target).to_json()


def main(arguments: list[str]) -> None:
    """Apply the limits, answer the one request, end."""
    limit(*(int(value) for value in arguments))
    request = json.load(sys.stdin)
    json.dump(answer(request), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
