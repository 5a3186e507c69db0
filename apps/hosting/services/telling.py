"""What every change of a hosted model leaves behind: a line in the audit log and one event."""

from __future__ import annotations

from typing import Any

from apps.audit import services as audit
from apps.events import services as events
from apps.hosting import queries
from apps.hosting.models import HostedModel, HostedVersion


def tell(what: str, model: HostedModel, version: HostedVersion | None = None, **changes: Any) -> None:
    """Note ``model.<what>`` in the log and the outbox, inside the caller's transaction."""
    about = {"version": version.number, "algorithm": version.format} if version else {}
    audit.record(
        action=f"model.{what}",
        target_type="model",
        target_id=model.name,
        changes={**about, "hosted": True, **changes},
    )
    ids = {"model_version": version.public_id} if version else {}
    events.emit(type=f"model.{what}", data={"model": model.name, **ids, **about, **changes})


def locked(name: str) -> HostedModel:
    """The model's row, which nobody else changes before the caller's transaction ends; raises ``NotFound``."""
    HostedModel.objects.select_for_update().filter(name=name).first()
    return queries.get_model(name=name)
