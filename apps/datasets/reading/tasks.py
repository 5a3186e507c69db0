"""What the sandbox's child does with a file or a demo: see ``apps.datasets.sandbox.tasks``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from apps.datasets.demo import catalogue
from apps.datasets.reading.contracts import ColumnMapping
from apps.datasets.reading.read import read_csv, read_table


def read(request: dict[str, Any]) -> dict[str, Any]:
    """``{"source", "target", "mapping"}``: a reading of the file; with ``target`` the long table is written there."""
    mapping = ColumnMapping.from_json(request["mapping"]) if request.get("mapping") else None
    target = Path(request["target"]) if request.get("target") else None
    return read_csv(Path(request["source"]).read_bytes(), mapping, target).to_json()


def demo(request: dict[str, Any]) -> dict[str, Any]:
    """``{"name", "target"}``: a reading of the demo data set, which is written to ``target``."""
    frame, covariates = catalogue.build(request["name"])
    return read_table(frame, covariates, Path(request["target"])).to_json()
