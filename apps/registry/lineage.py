"""Models' versions in the lineage. What they were trained by is told by the training app."""

from __future__ import annotations

from collections.abc import Iterator

from apps.core.ids import parse_public_id
from apps.datasets import lineage
from apps.datasets.lineage import Node
from apps.registry.models import ModelVersion

MODEL_VERSION = "model_version"


def register() -> None:
    """Make models' versions known."""
    lineage.register(MODEL_VERSION, find=_find)
    lineage.register(lineage.VERSION, after=_made_without_run)


def model_version_node(version: ModelVersion) -> Node:
    """A model's version in the lineage."""
    return Node(
        MODEL_VERSION,
        version.public_id,
        f"{version.model.name}, version {version.number}",
        version.created_at,
        f"/models/{version.model.name}/",
        {"algorithm": version.algorithm, "sha256": version.bundle_sha256, "cutoff": version.cutoff},
    )


def _find(id: str) -> Node | None:
    version = ModelVersion.objects.select_related("model").filter(id=parse_public_id("mv", id)).first()
    return model_version_node(version) if version else None


def _made_without_run(id: str) -> Iterator[Node]:
    made = ModelVersion.objects.filter(dataset_version_id=parse_public_id("dsv", id)).select_related("model")
    return map(model_version_node, made.order_by("id"))
