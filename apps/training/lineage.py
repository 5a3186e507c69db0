"""Training runs in the lineage: between a data set's version and a model's."""

from __future__ import annotations

from collections.abc import Iterator

from apps.core.ids import parse_public_id
from apps.datasets import lineage
from apps.datasets.lineage import Node
from apps.registry.lineage import MODEL_VERSION, model_version_node
from apps.training.models import TrainingRun

RUN = "training_run"


def register() -> None:
    """Make runs known, and what they link."""
    lineage.register(RUN, find=_find, before=_version_of, after=_model_of)
    lineage.register(lineage.VERSION, after=_runs_on)
    lineage.register(MODEL_VERSION, before=_run_of)


def _node(run: TrainingRun) -> Node:
    facts = {
        "model": run.model_name,
        "seed": run.seed,
        "selected": run.selected,
        "horizon": run.spec.get("horizon"),
    }
    label = f"of {run.model_name}"
    return Node(RUN, run.public_id, label, run.created_at, f"/training/{run.public_id}/", facts)


def _run(id: str) -> TrainingRun | None:
    related = ("dataset_version__dataset", "model_version__model")
    return TrainingRun.objects.select_related(*related).filter(id=parse_public_id("run", id)).first()


def _find(id: str) -> Node | None:
    run = _run(id)
    return _node(run) if run else None


def _version_of(id: str) -> Iterator[Node]:
    if run := _run(id):
        yield lineage.version_node(run.dataset_version)


def _model_of(id: str) -> Iterator[Node]:
    run = _run(id)
    if run and run.model_version:
        yield model_version_node(run.model_version)


def _runs_on(id: str) -> Iterator[Node]:
    return map(
        _node, TrainingRun.objects.filter(dataset_version_id=parse_public_id("dsv", id)).order_by("id")
    )


def _run_of(id: str) -> Iterator[Node]:
    return map(_node, TrainingRun.objects.filter(model_version_id=parse_public_id("mv", id)))
