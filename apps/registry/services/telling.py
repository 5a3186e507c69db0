"""What every change of a model leaves behind: a line in the audit log, one event, and work for MLflow's mirror."""

from __future__ import annotations

from typing import Any

from apps.audit import services as audit
from apps.events import services as events
from apps.jobs import services as jobs
from apps.registry import queries
from apps.registry.models import Model, ModelVersion

MIRROR = "registry.mirror_aliases"
FORGET = "registry.forget"


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
