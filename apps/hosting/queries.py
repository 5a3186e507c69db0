"""Reads about hosted models."""

from __future__ import annotations

from django.db.models import Count, QuerySet

from apps.core.errors import NotFound
from apps.hosting.models import HostedModel, HostedVersion


def list_models() -> QuerySet[HostedModel]:
    """All, with what answers and how many versions there are, by name."""
    return (
        HostedModel.objects.select_related("champion")
        .annotate(version_count=Count("versions"))
        .order_by("name")
    )


def find_model(*, name: str) -> HostedModel | None:
    """The hosted model of that name, if there is one."""
    return HostedModel.objects.select_related("champion").filter(name=name).first()


def get_model(*, name: str) -> HostedModel:
    """As ``find_model``; raises ``NotFound``."""
    model = find_model(name=name)
    if model is None:
        raise NotFound(what="hosted model", name=name[:80])
    return model


def list_versions(*, model: HostedModel) -> QuerySet[HostedVersion]:
    """Its versions, newest first."""
    return HostedVersion.objects.filter(model=model).order_by("-number")


def get_version(*, model: HostedModel, number: int) -> HostedVersion:
    """The version of that number, with its model; raises ``NotFound``."""
    version = HostedVersion.objects.filter(model=model, number=number).first()
    if version is None:
        raise NotFound(what="model version", name=f"{model.name}@{number}")
    version.model = model
    return version


def get_serving(*, name: str, number: int | None = None) -> HostedVersion:
    """What answers for ``name``: the version of that number, else the champion; raises ``NotFound``."""
    model = get_model(name=name)
    if number is not None:
        return get_version(model=model, number=number)
    if model.champion is None:
        raise NotFound(what="serving version of the model", name=name[:80])
    model.champion.model = model
    return model.champion


def count_rows_with(*, path: str) -> int:
    """How many versions are the stored file at ``path``."""
    return HostedVersion.objects.filter(path=path).count()
