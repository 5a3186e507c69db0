"""Choosing what answers: one move of the champion on the model's locked row."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from apps.hosting import queries
from apps.hosting.errors import HostedVersionArchived, HostedVersionServes
from apps.hosting.models import HostedModel, HostedVersion
from apps.hosting.services.telling import locked, tell


def promote(*, name: str, number: int) -> HostedVersion:
    """Have the version answer from now on; nothing where it does. Raises ``NotFound`` and ``HostedVersionArchived``."""
    with transaction.atomic():
        model = locked(name)
        version = queries.get_version(model=model, number=number)
        if version.archived_at is not None:
            raise HostedVersionArchived(model=name, version=number)
        if model.champion_id != version.id:
            crown(model, version)
    return version


def crown(model: HostedModel, version: HostedVersion) -> None:
    """Make ``version`` the champion of the locked ``model``."""
    before = model.champion
    model.champion = version
    model.save(update_fields=["champion"])
    tell("promoted", model, version, before=before.number if before else None, after=version.number)


def archive(*, name: str, number: int) -> HostedVersion:
    """Set a version aside: it is shown, and answers no more. Raises ``NotFound`` and ``HostedVersionServes``."""
    with transaction.atomic():
        model = locked(name)
        version = queries.get_version(model=model, number=number)
        if model.champion_id == version.id:
            raise HostedVersionServes(model=name, version=number, wish="archived")
        if version.archived_at is None:
            version.archived_at = timezone.now()
            version.save(update_fields=["archived_at"])
            tell("archived", model, version)
    return version


def unarchive(*, name: str, number: int) -> HostedVersion:
    """Bring an archived version back; raises ``NotFound``."""
    with transaction.atomic():
        model = locked(name)
        version = queries.get_version(model=model, number=number)
        if version.archived_at is not None:
            version.archived_at = None
            version.save(update_fields=["archived_at"])
            tell("unarchived", model, version)
    return version
