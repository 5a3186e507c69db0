"""The parent's side: start the limited child, bound its time, turn whatever happens into a ``Reading``."""

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

from apps.datasets.reading.contracts import ColumnMapping, Problem, Reading

ROOT = Path(__file__).resolve().parents[3]
CHILDREN_AT_ONCE = 2
_slots = threading.BoundedSemaphore(CHILDREN_AT_ONCE)
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may use: address space and file size in bytes, CPU and wall-clock time in seconds."""

    memory_bytes: int = 3 << 30
    cpu_seconds: int = 60
    wall_seconds: float = 60.0
    file_bytes: int = 1 << 30


DEFAULT_LIMITS = Limits()


def read_file(
    *,
    source: Path,
    mapping: ColumnMapping | None = None,
    target: Path | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Reading:
    """Read the CSV at ``source`` in a child process; with ``target`` also write the long table as Parquet.

    Never raises for what the file holds or does to the child: a broken limit is a refused reading.
    """
    request = {
        "task": "csv",
        "source": str(source),
        "target": str(target) if target else None,
        "mapping": mapping.to_json() if mapping else None,
    }
    return _run(request, limits)


def build_demo(*, name: str, target: Path, limits: Limits = DEFAULT_LIMITS) -> Reading:
    """Generate the demo data set ``name`` in a child process and write it to ``target`` as Parquet."""
    return _run({"task": "demo", "name": name, "target": str(target)}, limits)


def _run(request: dict[str, Any], limits: Limits) -> Reading:
    command = [sys.executable, "-m", "apps.datasets.reading.child"]
    command += [str(limits.memory_bytes), str(limits.cpu_seconds), str(limits.file_bytes)]
    try:
        with _slots:
            done = subprocess.run(  # noqa: S603 - our own module, no text of a user in the command
                command,
                input=json.dumps(request).encode(),
                capture_output=True,
                timeout=limits.wall_seconds,
                cwd=ROOT,
                env=_environment(),
                check=False,
            )
    except subprocess.TimeoutExpired:
        return _broken("too_slow", f"The file could not be read within {limits.wall_seconds:.0f} s.")
    if done.returncode != 0:
        logger.warning(
            "reading child ended with %s: %s", done.returncode, done.stderr[-2000:].decode(errors="replace")
        )
        return _broken("too_heavy", "Reading the file took more memory or time than one upload may use.")
    return Reading.from_json(json.loads(done.stdout))


def _environment() -> dict[str, str]:
    """Only what the child needs: no secret of ours reaches a process that parses strangers' files."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
        if name in os.environ
    }
    return {**kept, "POLARS_MAX_THREADS": "2", "MALLOC_ARENA_MAX": "2", "PYTHONDONTWRITEBYTECODE": "1"}


def _broken(code: str, message: str) -> Reading:
    fix = "Check that it is a CSV file with one row per series and time; split a very large file."
    return Reading(state="refused", problems=(Problem(code=code, message=message, fix=fix),))
