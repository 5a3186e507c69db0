"""The folder that MLflow keeps of a version: the bundle, and an ``MLmodel`` that says how to load and call it.

``MLmodel`` is YAML, of which JSON is a part, so it is written without MLflow.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = "model"
BUNDLE: Final = "bundle"
LOADER: Final = "apps.engine.pyfunc"
PYTHON: Final = "3.11"
EXAMPLE: Final = "input_example.json"


@dataclass(frozen=True, slots=True)
class Facts:
    """What ``MLmodel`` says of a version; ``series`` is one of its series, for the example."""

    sha256: str
    job_id: uuid.UUID
    horizon: int
    levels: Iterable[int]
    covariates: Iterable[str]
    engine_version: str
    series: str


def write(folder: Path, bundle: Path, facts: Facts) -> None:
    """Write the folder's files; ``bundle`` is copied under its SHA-256, by which the loader checks it."""
    place = folder / BUNDLE
    place.mkdir(parents=True)
    shutil.copyfile(bundle, place / f"{facts.sha256}.alm")
    example = {"columns": ["series_id"], "data": [[facts.series]]}
    (folder / EXAMPLE).write_text(json.dumps(example, ensure_ascii=False))
    (folder / "MLmodel").write_text(json.dumps(_description(facts), indent=2, ensure_ascii=False))


def _description(facts: Facts) -> dict[str, Any]:
    loading = {"loader_module": LOADER, "data": BUNDLE, "python_version": PYTHON}
    return {
        "artifact_path": FOLDER,
        "model_uuid": facts.job_id.hex,
        "flavors": {
            "python_function": loading,
            "almanac": {"sha256": facts.sha256, "engine_version": facts.engine_version, "data": BUNDLE},
        },
        "saved_input_example_info": {
            "artifact_path": EXAMPLE,
            "type": "dataframe",
            "pandas_orient": "split",
        },
        "signature": {name: json.dumps(value) for name, value in _signature(facts).items()},
    }


def _signature(facts: Facts) -> dict[str, list[dict[str, Any]]]:
    known = [_column(name, "double", required=False) for name in facts.covariates]
    bands = [_column(f"{end}-{level}", "double") for level in facts.levels for end in ("lo", "hi")]
    return {
        "inputs": [_column("series_id", "string"), *known],
        "outputs": [_column("series_id", "string"), _column("mean", "double"), *bands],
        "params": [
            {"name": "horizon", "type": "long", "default": facts.horizon, "shape": None},
            {"name": "levels", "type": "long", "default": list(facts.levels), "shape": [-1]},
        ],
    }


def _column(name: str, type: str, *, required: bool = True) -> dict[str, Any]:
    return {"name": name, "type": type, "required": required}
