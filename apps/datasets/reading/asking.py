"""The parent's side of reading: ask a limited child, and turn whatever happens to it into a ``Reading``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from apps.datasets.reading.contracts import ColumnMapping, Problem, Reading
from apps.datasets.sandbox import runner
from apps.datasets.sandbox.runner import DEFAULT_LIMITS, Limits


def read_file(
    *,
    source: Path,
    filename: str = "",
    mapping: ColumnMapping | None = None,
    target: Path | None = None,
    target_static: Path | None = None,
    target_lines: Path | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Reading:
    """Read the file at ``source`` in a child process; with targets also write the long table and the static attributes as
    Parquet, and all that the doctor found as NDJSON.

    Never raises for what the file holds or does to the child: a broken limit is a refused reading.
    """
    targets = {"target": target, "target_static": target_static, "target_lines": target_lines}
    request = {
        "source": str(source),
        "filename": filename or source.name,
        "mapping": mapping.to_json() if mapping else None,
        **{name: str(path) if path else None for name, path in targets.items()},
    }
    return _ask("read", request, limits)


def build_demo(
    *, name: str, target: Path, target_lines: Path | None = None, limits: Limits = DEFAULT_LIMITS
) -> Reading:
    """Generate the demo data set ``name`` in a child process and write it to ``target`` as Parquet."""
    lines = str(target_lines) if target_lines else None
    return _ask("demo", {"name": name, "target": str(target), "target_lines": lines}, limits)


def _ask(task: str, request: dict[str, Any], limits: Limits) -> Reading:
    try:
        return Reading.from_json(runner.run(task, request, limits))
    except runner.ChildFailed as failed:
        fix = "Check that the file has one row per series and time; split a very large file."
        problem = Problem(code=failed.code, message=failed.message, fix=fix)
        return Reading(state="refused", problems=(problem,))
