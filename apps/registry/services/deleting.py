"""Deleting versions and models. What was asked of them stays in the ledger; it can no longer be computed again."""

from __future__ import annotations

from django.db import transaction

from apps.jobs import services as jobs
from apps.registry import dependants, queries
from apps.registry.errors import BackupUnderWay, VersionServes
from apps.registry.models import Model, ModelVersion
from apps.registry.services.telling import FORGET, locked, mirror_later, tell
from tenants.backups import contents as backups


def delete_version(*, model_name: str, ref: str) -> None:
    """Delete a version that does not serve, with its bundle; its numbers are not given again.

    Raises ``NotFound``, ``VersionServes`` and ``BackupUnderWay``.
    """
    with transaction.atomic():
        model = locked(model_name)
        version = queries.resolve(name=model_name, ref=ref)
        if version.id == model.champion_id:
            raise VersionServes(model=model.name, version=version.semver, wish="deleted")
        model.retired = [*model.retired, [version.number, version.semver]]
        model.save(update_fields=["retired"])
        tell("deleted", model, version, dependants=dependants.counts(version))
        _delete(model, [version])
        mirror_later(model)


def delete_model(*, model_name: str) -> None:
    """Delete a model with all its versions, the one that serves too. Raises ``NotFound`` and ``BackupUnderWay``."""
    with transaction.atomic():
        model = locked(model_name)
        versions = list(queries.list_versions(model=model))
        tell("deleted", model, versions=len(versions))
        dependants.remove(model)
        _delete(model, versions)
        model.delete()


def _delete(model: Model, versions: list[ModelVersion]) -> None:
    """The rows at once; files and MLflow's copies once that is committed."""
    if not backups.files_may_be_deleted():
        raise BackupUnderWay(model=model.name)
    gone = [
        {
            "path": version.bundle_path,
            "name": version.mlflow_name,
            "version": version.mlflow_version,
            "run_id": version.mlflow_run_id,
        }
        for version in versions
    ]
    ModelVersion.objects.filter(id__in=[version.id for version in versions]).delete()
    jobs.enqueue(kind=FORGET, payload={"versions": gone}, title=f"Delete the files of {model.name}")
