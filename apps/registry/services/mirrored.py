"""Bringing MLflow and the stored files in line with the rows: what workers do after a change; each may be repeated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django.db import transaction

from apps.core import scope, storage
from apps.core.tenancy import TenantKey
from apps.jobs.errors import TryLater
from apps.registry import mlflow_store, queries
from apps.registry.models import ModelVersion
from tenants.backups import contents as backups

BACKUP_SECONDS: Final = 30


def mirror_aliases(*, model_name: str) -> dict[str, str]:
    """Point MLflow's aliases where the model's row says; which they are. Nothing where the model is gone.

    Another worker may do the same for an older row: whoever writes last looks at the row once more.
    """
    wanted: dict[str, str] | None = None
    while True:
        model = queries.list_models().filter(name=model_name).first()
        found = queries.aliases_in_mlflow(model=model) if model else {}
        if model is None or found == wanted:
            return found
        wanted = found
        mlflow_store.set_aliases(name=f"{scope.current_tenant().schema}.{model_name}", versions=found)


def log_backtest(*, version: ModelVersion, rows: Sequence[Mapping[str, Any]]) -> None:
    """Have MLflow's run tell the errors of each step ahead: ``step``, ``mase``, ``naive_mase``."""
    mlflow_store.log_backtest(run_id=version.mlflow_run_id, rows=rows)


def forget(*, versions: Iterable[Mapping[str, str]]) -> None:
    """Delete what is left of versions whose rows are gone: MLflow's run and version, and the bundle if no row names it.

    Raises ``TryLater`` while a backup is being taken.
    """
    key = scope.current_tenant()
    for gone in versions:
        if gone["run_id"]:
            mlflow_store.forget(name=gone["name"], version=gone["version"], run_id=gone["run_id"])
        _delete_bundle(key, gone["path"])


def _delete_bundle(key: TenantKey, path: str) -> None:
    with transaction.atomic():
        if not backups.files_may_be_deleted():
            raise TryLater(BACKUP_SECONDS, "Waiting for a backup to end")
        if not ModelVersion.objects.filter(bundle_path=path).exists():
            storage.delete(key, path)
