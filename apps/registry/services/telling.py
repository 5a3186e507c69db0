"""What every change of a model leaves behind: a line in the audit log, one event, and work for MLflow's mirror."""

from __future__ import annotations

from typing import Any, Final

from apps.audit import services as audit
from apps.events import services as events
from apps.jobs import services as jobs
from apps.registry import queries
from apps.registry.models import Model, ModelVersion

MIRROR: Final = "registry.mirror_aliases"
FORGET: Final = "registry.forget"
_VERSION: Final = {"model": "sales", "model_version": "mv_01K…", "version": 4, "semver": "1.3.0"}
# type, what happened, the fields that go out
TYPES: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    (
        "model.registered",
        "A model has a new version.",
        {**_VERSION, "algorithm": "ensemble", "gate": "passed"},
    ),
    ("model.promoted", "Another version answers for a model.", _VERSION),
    ("model.rolled_back", "The version before answers for a model again.", _VERSION),
    ("model.archived", "A version was archived.", _VERSION),
    ("model.unarchived", "A version was taken back out of the archive.", _VERSION),
    (
        "model.gate_overridden",
        "An owner let a version answer that the gate refused.",
        {**_VERSION, "reason": "…"},
    ),
    ("model.deleted", "A version, or a model with all of them, was deleted.", _VERSION),
)


def tell(what: str, model: Model, version: ModelVersion | None = None, **changes: Any) -> None:
    """Note ``model.<what>`` in the log and the outbox, inside the caller's transaction."""
    about = {"version": version.number, "semver": version.semver} if version else {}
    audit.record(
        action=f"model.{what}",
        target_type="model",
        target_id=model.name,
        changes={**about, **changes},
    )
    ids = {"model_version": version.public_id} if version else {}
    events.emit(type=f"model.{what}", data={"model": model.name, **ids, **about, **changes})


def mirror_later(model: Model) -> None:
    """Have MLflow's aliases follow the row once the caller's transaction commits."""
    jobs.enqueue(kind=MIRROR, payload={"model": model.name}, title=f"Mirror the aliases of {model.name}")


def locked(name: str) -> Model:
    """The model's row, which nobody else changes before the caller's transaction ends; raises ``NotFound``."""
    Model.objects.select_for_update().filter(name=name).first()
    return queries.get_model(name=name)
