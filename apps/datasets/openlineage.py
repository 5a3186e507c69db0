"""Lineage told to others: an OpenLineage run event for each version and each training, where an endpoint is configured.

Form: OpenLineage 2-0-2, ``RunEvent`` with ``eventType`` COMPLETE; a dataset's ``version`` facet names ours.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from django.conf import settings

from apps.core import scope
from apps.core.ids import parse_public_id
from apps.datasets import lineage
from apps.datasets.errors import LineageNotTaken
from apps.datasets.lineage import Node
from apps.jobs import services as jobs

SCHEMA: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS: Final = "https://openlineage.io/spec/facets/1-0-1/DatasetVersionDatasetFacet.json"
PREFIXES: Final = {"dataset_version": "dsv", "upload": "up", "source": "src", "training_run": "run"}
SECONDS: Final = 10.0


def announce(*, kind: str, id: str) -> None:
    """Have the thing told once the caller's transaction commits; nothing where no endpoint is configured."""
    if settings.OPENLINEAGE_URL:
        jobs.enqueue(kind="datasets.tell_lineage", payload={"kind": kind, "id": id}, title="Tell the lineage")


def tell(*, kind: str, id: str) -> None:
    """Post the event; what a worker does. Raises ``LineageNotTaken`` for an answer that no repeat would better."""
    event = event_of(lineage.graph(kind=kind, id=id))
    headers = {"Authorization": f"Bearer {settings.OPENLINEAGE_KEY}"} if settings.OPENLINEAGE_KEY else {}
    answer = httpx.post(settings.OPENLINEAGE_URL, json=event, headers=headers, timeout=SECONDS)
    if 400 <= answer.status_code < 500:
        raise LineageNotTaken(status=answer.status_code)
    answer.raise_for_status()


def event_of(graph: lineage.Graph) -> dict[str, Any]:
    """The event of what made ``graph.focus``: a training's outputs are its models, anything else is its own output."""
    focus, nodes = graph.focus, {node.key: node for node in graph.nodes}
    inputs = [nodes[old] for old, new in graph.edges if new == focus.key]
    after = [nodes[new] for old, new in graph.edges if old == focus.key]
    outputs = after if focus.kind == "training_run" else [focus]
    name = focus.facts.get("change", focus.kind)
    return {
        "eventType": "COMPLETE",
        "eventTime": (focus.at or datetime.now(UTC)).isoformat(),
        "producer": f"{settings.PUBLIC_URL}/",
        "schemaURL": SCHEMA,
        "run": {"runId": str(_run_id(focus))},
        "job": {"namespace": _namespace(), "name": f"almanac.{name}"},
        "inputs": _datasets(inputs),
        "outputs": _datasets(outputs),
    }


def _datasets(nodes: Iterable[Node]) -> list[dict[str, Any]]:
    return [
        {
            "namespace": _namespace(),
            "name": f"{node.kind}/{node.label}",
            "facets": {
                "version": {
                    "_producer": f"{settings.PUBLIC_URL}/",
                    "_schemaURL": FACETS,
                    "datasetVersion": node.id,
                }
            },
        }
        for node in nodes
    ]


def _run_id(node: Node) -> uuid.UUID:
    return parse_public_id(PREFIXES[node.kind], node.id)


def _namespace() -> str:
    return f"almanac.{scope.current_tenant()}"
