"""Forecasts in the lineage: their receipts name the model's version."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

from apps.core.errors import NotFound
from apps.core.ids import parse_public_id, public_id
from apps.datasets import lineage
from apps.datasets.lineage import Node
from apps.forecasts import queries
from apps.forecasts.services import KIND
from apps.registry import queries as registry
from apps.registry.lineage import MODEL_VERSION, model_version_node
from apps.usage import queries as usage
from apps.usage.models import UsageEvent

FORECAST = "forecast"
NEWEST = 20


def register() -> None:
    """Make forecasts known, and which version made them."""
    lineage.register(FORECAST, find=_find, before=_version_of)
    lineage.register(MODEL_VERSION, after=_made_with)


def _node(event: UsageEvent) -> Node:
    id, receipt = public_id("fc", event.id), event.receipt
    facts = {"horizon": receipt.get("horizon"), "points": event.quantity}
    return Node(
        FORECAST, id, f"of {receipt.get('model', 'a model')}", event.occurred_at, f"/forecasts/{id}/", facts
    )


def _event(id: str) -> UsageEvent | None:
    try:
        event = usage.get_event(event_id=parse_public_id("fc", id))
    except NotFound:
        return None
    return event if event.kind.endswith(KIND) else None


def _find(id: str) -> Node | None:
    event = _event(id)
    return _node(event) if event else None


def _version_of(id: str) -> Iterator[Node]:
    if event := _event(id):
        version_id = uuid.UUID(event.receipt["model_version_id"])
        with contextlib.suppress(NotFound):  # it was deleted, the receipt stays
            yield model_version_node(registry.get_version(version_id=version_id))


def _made_with(id: str) -> Iterator[Node]:
    version_id = str(parse_public_id("mv", id))
    made = queries.list_forecasts().filter(receipt__model_version_id=version_id)
    return map(_node, made[:NEWEST])
