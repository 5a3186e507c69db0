"""Reads about training runs."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.training.models import TrainingRun


def get_run(*, run_id: uuid.UUID) -> TrainingRun:
    """One run with data set and result; raises ``NotFound``."""
    run = (
        TrainingRun.objects.select_related("dataset", "dataset_version", "model_version")
        .filter(id=run_id)
        .first()
    )
    if run is None:
        raise NotFound(what="training run", name=public_id("run", run_id))
    return run


def list_runs(*, dataset_id: uuid.UUID | None = None) -> QuerySet[TrainingRun]:
    """Runs, newest first."""
    runs = TrainingRun.objects.select_related("dataset", "dataset_version", "model_version").order_by(
        "-created_at", "-id"
    )
    return runs.filter(dataset_id=dataset_id) if dataset_id else runs


def find_run_of_version(*, version_id: uuid.UUID) -> TrainingRun | None:
    """The run that made a model version."""
    return TrainingRun.objects.select_related("dataset").filter(model_version_id=version_id).first()
