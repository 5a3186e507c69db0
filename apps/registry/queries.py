"""Reads about models."""

from __future__ import annotations

import re
import uuid
from typing import Any, Final

from django.db import connection
from django.db.models import Count, QuerySet

from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.registry import numbering
from apps.registry.errors import GateRefused, VersionArchived
from apps.registry.models import Alias, Model, ModelVersion

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
_NUMBER: Final = re.compile(r"v?([1-9]\d{0,8})")
_RELATED: Final = ("champion", "challenger", "previous", "dataset")


def list_models() -> QuerySet[Model]:
    """All models with the versions that their aliases name and their data set, by name."""
    return Model.objects.select_related(*_RELATED).annotate(version_count=Count("versions")).order_by("name")


def get_model(*, name: str) -> Model:
    """The model of that name; raises ``NotFound``."""
    model = Model.objects.select_related(*_RELATED).filter(name=name).first()
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


def resolve(*, name: str, ref: str = Alias.CHAMPION) -> ModelVersion:
    """The version that ``ref`` means, with its model: an alias, ``3``, ``v3`` or ``1.2.0``; raises ``NotFound``.

    A program writes ``name@ref``.
    """
    model = get_model(name=name)
    named: ModelVersion | None = getattr(model, ref) if ref in Alias.values else None
    found = named or _numbered(model, ref)
    if found is None:
        raise NotFound(what="model version", name=f"{name}@{ref[:40]}")
    found.model = model
    return found


def get_answering(*, text: str) -> ModelVersion:
    """The version that a program asks for by ``sales`` (its champion) or ``sales@ref``, if it may answer.

    Raises ``NotFound``, ``VersionArchived``, and ``GateRefused`` for one that the publish gate keeps back.
    """
    name, ref = split_ref(text)
    if ref == Alias.CHAMPION:
        return get_champion(name=name)
    version = resolve(name=name, ref=ref)
    if version.archived_at is not None:
        raise VersionArchived(version=version.semver, model=name)
    if version.is_refused:
        raise GateRefused(version=version.semver, model=name, why=version.verdict["why"])
    return version


def split_ref(text: str) -> tuple[str, str]:
    """``sales@v3`` as name and ref; a name alone means its champion."""
    name, _, ref = text.partition("@")
    return name, ref or str(Alias.CHAMPION)


def _numbered(model: Model, ref: str) -> ModelVersion | None:
    versions = list_versions(model=model)
    if number := _NUMBER.fullmatch(ref):
        return versions.filter(number=int(number[1])).first()
    return versions.filter(semver=ref).first() if numbering.parse(ref) else None


def schema_of(version: ModelVersion) -> dict[str, Any]:
    """What programs that ask rely on: a change of it is a major version."""
    return {
        **version.schema,
        "horizon": version.horizon_max,
        "levels": version.levels,
        "frequency": version.frequency,
    }


def aliases_in_mlflow(*, model: Model) -> dict[str, str]:
    """MLflow's version for each alias of the model, as its row (with the versions) says; those that MLflow never had are left out."""
    named = {str(alias): getattr(model, alias) for alias in Alias}
    return {alias: each.mlflow_version for alias, each in named.items() if each and each.mlflow_version}


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
