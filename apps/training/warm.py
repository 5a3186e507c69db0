"""Beginning where an earlier version ended: its members are the candidates."""

from __future__ import annotations

from typing import Any

from apps.core.errors import FieldError
from apps.registry import queries as registry
from apps.training.errors import InvalidTraining
from apps.training.models import TrainingRun


def started(spec: dict[str, Any], model_name: str) -> dict[str, Any]:
    """The spec with the candidates that counted in version ``warm_from`` of the model; as it is where none is asked for.

    Raises ``InvalidTraining`` for a version that is not there or whose members nobody noted.
    """
    number = spec.get("warm_from")
    if number is None:
        return spec
    members = members_of(model_name=model_name, number=number)
    if not members:
        detail = f"The model {model_name!r} has no version {number} whose members are known."
        raise InvalidTraining(reason=detail, errors=[FieldError("unknown_version", detail, "/warm_from")])
    return {**spec, "candidates": members}


def members_of(*, model_name: str, number: int) -> list[str]:
    """The candidates with a weight in that version; empty where there is no such version or run."""
    model = registry.list_models().filter(name=model_name).first()
    version = registry.list_versions(model=model).filter(number=number).first() if model else None
    run = TrainingRun.objects.filter(model_version=version).first() if version else None
    lines = run.leaderboard if run else []
    return [line["name"] for line in lines if line.get("weight") and line["name"] != "auto"]
