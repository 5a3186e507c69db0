"""What the sandbox's child does with a file or a demo: see ``apps.datasets.sandbox.tasks``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apps.datasets.demo import catalogue
from apps.datasets.reading.contracts import ColumnMapping, Unreadable
from apps.datasets.reading.read import Targets, read_file, read_table
from apps.datasets.reading.statics import read_statics


def read(request: Mapping[str, Any]) -> dict[str, Any]:
    """``{"source", "filename", "mapping", "target", "target_static", "target_lines"}``: a reading of the file."""
    mapping = ColumnMapping.from_json(request["mapping"]) if request.get("mapping") else None
    return read_file(Path(request["source"]), request["filename"], mapping, _targets(request)).to_json()


def demo(request: Mapping[str, Any]) -> dict[str, Any]:
    """``{"name", "target"}``: a reading of the demo data set, which is written to ``target``."""
    frame, covariates = catalogue.build(request["name"])
    return read_table(frame, covariates, _targets(request)).to_json()


def statics(request: Mapping[str, Any]) -> dict[str, Any]:
    """``{"source", "filename", "target"}``: attributes of series; ``columns``, or ``problem`` in words."""
    try:
        return read_statics(Path(request["source"]), request["filename"], Path(request["target"]))
    except Unreadable as stopped:
        problem = stopped.problems[0] if stopped.problems else stopped.questions[0]
        return {"problem": problem.message}


def _targets(request: Mapping[str, Any]) -> Targets:
    paths = (request.get(name) for name in ("target", "target_static", "target_lines"))
    return Targets(*(Path(path) if path else None for path in paths))
