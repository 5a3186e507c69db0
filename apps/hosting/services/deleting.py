"""Deleting versions and models. What was asked of them stays in the ledger; it can no longer be computed again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.db import transaction

from apps.core import scope, storage
from apps.hosting import queries
from apps.hosting.errors import HostedVersionServes
from apps.hosting.models import HostedVersion
from apps.hosting.services.telling import locked, tell
from apps.jobs import services as jobs
from apps.jobs.errors import TryLater
from tenants.backups import contents as backups

FORGET: Final = "hosting.forget"
BACKUP_SECONDS: Final = 30


def delete_version(*, name: str, number: int) -> None:
    """Delete a version that does not answer, with its file. Raises ``NotFound`` and ``HostedVersionServes``."""
    with transaction.atomic():
        model = locked(name)
        version = queries.get_version(model=model, number=number)
        if model.champion_id == version.id:
            raise HostedVersionServes(model=name, version=number, wish="deleted")
        tell("deleted", model, version)
        _delete(name, [version])


def delete_model(*, name: str) -> None:
    """Delete a model with all its versions, the one that answers too; raises ``NotFound``."""
    with transaction.atomic():
        model = locked(name)
        versions = list(queries.list_versions(model=model))
        tell("deleted", model, versions=len(versions))
        _delete(name, versions)
        model.delete()


def _delete(name: str, versions: list[HostedVersion]) -> None:
    """The rows at once; the files once that is committed."""
    HostedVersion.objects.filter(id__in=[version.id for version in versions]).delete()
    paths = [version.path for version in versions]
    jobs.enqueue(kind=FORGET, payload={"paths": paths}, title=f"Delete the files of {name}")


def forget(*, paths: Iterable[str]) -> None:
    """Delete the files that no row names any more; raises ``TryLater`` while a backup is being taken."""
    key = scope.current_tenant()
    for path in paths:
        with transaction.atomic():
            if not backups.files_may_be_deleted():
                raise TryLater(BACKUP_SECONDS, "Waiting for a backup to end")
            if not queries.count_rows_with(path=path):
                storage.delete(key, path)
