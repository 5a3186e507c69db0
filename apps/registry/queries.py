"""Reads about models."""

from __future__ import annotations

import uuid
from typing import Final

from django.db import connection
from django.db.models import Count, QuerySet

from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.registry.models import Model, ModelVersion

# Every forecast asks this. Composing it through the ORM costs ten times what PostgreSQL needs to answer it.
_CHAMPION_FIELDS: Final = (
    "id", "model_id", "number", "algorithm", "label", "bundle_sha256", "bundle_path", "bundle_bytes",
    "dataset_version_id", "horizon_max", "frequency", "series_count", "cutoff", "seed", "code_version",
)  # fmt: skip
_CHAMPION: Final = f"""
SELECT {", ".join(f"v.{name}" for name in _CHAMPION_FIELDS)}
FROM registry_model m JOIN registry_modelversion v ON v.id = m.champion_id
WHERE m.name = %s
"""  # noqa: S608 - names of our own


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
    """The version that answers for ``name``, with its model: one statement. What an answer does not need (metrics,
    notes, levels) is read when it is asked for.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CHAMPION, [name])
        row = cursor.fetchone()
    if row is None:
        return None
    version = ModelVersion.from_db(connection.alias, _CHAMPION_FIELDS, row)
    version.model = Model.from_db(connection.alias, ("id", "name"), (version.model_id, name))
    return version


def get_champion(*, name: str) -> ModelVersion:
    """As ``find_champion``; raises ``NotFound``."""
    version = find_champion(name=name)
    if version is None:
        raise NotFound(what="model", name=name[:80])
    return version


def get_version(*, version_id: uuid.UUID) -> ModelVersion:
    """One version; raises ``NotFound``."""
    version = ModelVersion.objects.select_related("model").filter(id=version_id).first()
    if version is None:
        raise NotFound(what="model version", name=public_id("mv", version_id))
    return version


def list_versions(*, model: Model) -> QuerySet[ModelVersion]:
    """The model's versions, newest first."""
    return ModelVersion.objects.filter(model=model).select_related("dataset_version").order_by("-number")


def find_by_job(*, job_id: uuid.UUID) -> ModelVersion | None:
    """The version that a training job published, if it did."""
    return ModelVersion.objects.select_related("model").filter(job_id=job_id).first()
