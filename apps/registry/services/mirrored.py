"""Bringing MLflow and the stored files in line with the rows: what workers do after a change; each may be repeated."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Final

from django.db import transaction

from apps.core import scope, storage
from apps.core.tenancy import TenantKey
from apps.registry import mlflow_store, queries
from apps.registry.models import ModelVersion
from tenants.backups import contents as backups

# For a backup to end: fifteen minutes, of which there are as many as the job has attempts.
TRIES: Final = 180
PAUSE_SECONDS: Final = 5.0


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


def forget(*, versions: Iterable[Mapping[str, str]]) -> None:
    """Delete what is left of versions whose rows are gone: MLflow's run and version, and the bundle if no row names it.

    Raises ``TimeoutError`` where a backup is being taken all the while.
    """
    key = scope.current_tenant()
    for gone in versions:
        if gone["run_id"]:
            mlflow_store.forget(name=gone["name"], version=gone["version"], run_id=gone["run_id"])
        _delete_bundle(key, gone["path"])


def _delete_bundle(key: TenantKey, path: str) -> None:
    for _ in range(TRIES):
        with transaction.atomic():
            if backups.files_may_be_deleted():
                if not ModelVersion.objects.filter(bundle_path=path).exists():
                    storage.delete(key, path)
                return
        time.sleep(PAUSE_SECONDS)
    raise TimeoutError("A backup was being taken all the while.")
