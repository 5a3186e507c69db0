"""Reads about models."""

from __future__ import annotations

import uuid

from django.db.models import Count, F, QuerySet

from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.registry.models import Model, ModelVersion


def list_models() -> QuerySet[Model]:
    """All models with champion and data set, by name."""
    return (
        Model.objects.select_related("champion", "dataset")
        .annotate(version_count=Count("versions"))
        .order_by("name")
    )


def get_model(*, name: str) -> Model:
    """The model of that name; raises ``NotFound``."""
    model = Model.objects.select_related("champion", "dataset").filter(name=name).first()
    if model is None:
        raise NotFound(what="model", name=name[:80])
    return model


def find_champion(*, name: str) -> ModelVersion | None:
    """The version that answers for ``name``, with its model and data set version: one statement."""
    return (
        ModelVersion.objects.select_related("model", "dataset_version")
        .filter(model__name=name, model__champion_id=F("id"))
        .first()
    )


def get_champion(*, name: str) -> ModelVersion:
    """As ``find_champion``; raises ``NotFound``."""
    version = find_champion(name=name)
    if version is None:
        raise NotFound(what="model", name=name[:80])
    return version


def get_version(*, version_id: uuid.UUID) -> ModelVersion:
    """One version; raises ``NotFound``."""
    version = ModelVersion.objects.select_related("model", "dataset_version").filter(id=version_id).first()
    if version is None:
        raise NotFound(what="model version", name=public_id("mv", version_id))
    return version


def list_versions(*, model: Model) -> QuerySet[ModelVersion]:
    """The model's versions, newest first."""
    return ModelVersion.objects.filter(model=model).select_related("dataset_version").order_by("-number")


def find_by_job(*, job_id: uuid.UUID) -> ModelVersion | None:
    """The version that a training job published, if it did."""
    return ModelVersion.objects.select_related("model").filter(job_id=job_id).first()
