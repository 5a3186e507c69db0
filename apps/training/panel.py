"""What training adds to a data set's page: the form, the runs, the models."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from apps.datasets.models import Dataset, DatasetVersion
from apps.jobs import queries as jobs
from apps.registry import queries as registry
from apps.training import queries
from apps.training.forms import TrainForm
from apps.training.services import default_horizon

RUNS = 10


def dataset_panel(request: HttpRequest, dataset: Dataset, version: DatasetVersion) -> dict[str, Any]:
    """Context for ``datasets/detail.html``."""
    can_train = "models:train" in request.permissions  # type: ignore[attr-defined]
    initial = {
        "horizon": default_horizon(season_length=version.season_length or 1),
        "model_name": dataset.slug,
    }
    models = registry.list_models().filter(dataset_id=dataset.id, champion__isnull=False)
    return {
        "can_train": can_train,
        "train_form": TrainForm(version=version, initial=initial) if can_train else None,
        "runs": runs(dataset),
        "models": [{"name": model.name, "label": model.champion.label} for model in models if model.champion],
    }


def runs(dataset: Dataset) -> list[dict[str, Any]]:
    """The data set's latest runs with the state of their jobs."""
    latest = list(queries.list_runs(dataset_id=dataset.id)[:RUNS])
    states = dict(jobs.list_jobs().filter(id__in=[run.job_id for run in latest]).values_list("id", "state"))
    return [
        {
            "public_id": run.public_id,
            "model_name": run.model_name,
            "state": states.get(run.job_id, ""),
            "created_at": run.created_at,
        }
        for run in latest
    ]
