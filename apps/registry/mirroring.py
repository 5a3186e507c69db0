"""MLflow's part of a tenant's backup: runs as they were logged, made anew where they are gone. The rows are the truth."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings

from apps.core import storage
from apps.core.tenancy import TenantKey
from apps.registry import mlflow_store, queries
from apps.registry.mlflow_store import JOB_TAG
from apps.registry.models import ModelVersion

MlflowClient = Any  # MLflow's own classes; only the store imports them
Run = Any

LEADERBOARD = "leaderboard.json"


def dump(key: TenantKey) -> Iterator[dict[str, Any]]:
    """Each run of the tenant's experiment; bundles are not repeated, they stand among the tenant's files."""
    if not settings.MLFLOW_TRACKING_URI:
        return
    for run in _runs(mlflow_store._client(), key):
        yield {
            "job_id": run.data.tags.get(JOB_TAG, ""),
            "name": run.info.run_name,
            "started_at": run.info.start_time,
            "ended_at": run.info.end_time,
            "params": dict(run.data.params),
            "metrics": dict(run.data.metrics),
            "leaderboard": _leaderboard(run),
        }


def restore(key: TenantKey, records: Iterable[dict[str, Any]]) -> None:
    """Bring MLflow in line with the rows of the tenant in scope; safe to repeat.

    A run or version that is gone is made anew, and the row told its new name; one that no row knows is removed.
    """
    if not settings.MLFLOW_TRACKING_URI:
        return
    client = mlflow_store._client()
    known = {record["job_id"]: record for record in records}
    runs = {run.data.tags.get(JOB_TAG, ""): run for run in _runs(client, key)}
    versions = list(ModelVersion.objects.exclude(mlflow_run_id="").select_related("model").order_by("number"))
    for version in versions:
        job = str(version.job_id)
        run = runs.get(job) or _log_again(client, key, version, known.get(job, {}))
        _register(client, key, version, run)
        if job not in runs:
            client.set_terminated(run.info.run_id, end_time=known.get(job, {}).get("ended_at"))
    _forget(client, key, {str(version.job_id) for version in versions})
    for model in queries.list_models():
        found = queries.aliases_in_mlflow(model=model)
        if found:
            mlflow_store.set_aliases(name=f"{key.schema}.{model.name}", versions=found)


def _runs(client: MlflowClient, key: TenantKey) -> Iterator[Run]:
    experiment = client.get_experiment_by_name(key.schema)
    token: str | None = None
    while experiment is not None:
        page = client.search_runs([experiment.experiment_id], page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _leaderboard(run: Run) -> Any:
    path = _artifact(run, LEADERBOARD)
    return json.loads(path.read_text()) if path.exists() else None


def _artifact(run: Run, *parts: str) -> Path:
    """A file of the run; ours are kept in a folder of this machine (``MLFLOW_ARTIFACT_ROOT``)."""
    return Path(unquote(urlsplit(run.info.artifact_uri).path)).joinpath(*parts)


def _log_again(client: MlflowClient, key: TenantKey, version: ModelVersion, record: dict[str, Any]) -> Run:
    experiment = mlflow_store._experiment(client, key)
    run = client.create_run(
        experiment,
        start_time=record.get("started_at"),
        tags={JOB_TAG: str(version.job_id)},
        run_name=version.model.name,
    )
    run_id = run.info.run_id
    for name, value in (record.get("params") or _params(version)).items():
        client.log_param(run_id, name, value)
    for name, value in (record.get("metrics") or version.metrics).items():
        client.log_metric(run_id, name, float(value), timestamp=0)
    if record.get("leaderboard") is not None:
        client.log_dict(run_id, record["leaderboard"], LEADERBOARD)
    return client.get_run(run_id)


def _params(version: ModelVersion) -> dict[str, Any]:
    """What the row knows, where the backup has no record of the run."""
    return {
        "algorithm": version.algorithm,
        "seed": version.seed,
        "dataset_version": version.dataset_version_id,
    }


def _register(client: MlflowClient, key: TenantKey, version: ModelVersion, run: Run) -> None:
    name = f"{key.schema}.{version.model.name}"
    with storage.local_copy(key, version.bundle_path, version.bundle_sha256) as bundle:
        if not _artifact(run, "bundle", bundle.name).exists():
            client.log_artifact(run.info.run_id, str(bundle), "bundle")
        number = mlflow_store._version(client, name, run, version.bundle_sha256, bundle)
    found = {"mlflow_run_id": run.info.run_id, "mlflow_name": name, "mlflow_version": number}
    if any(getattr(version, field) != value for field, value in found.items()):
        ModelVersion.objects.filter(id=version.id).update(**found)


def _forget(client: MlflowClient, key: TenantKey, jobs: set[str]) -> None:
    gone = {run.info.run_id for run in _runs(client, key) if run.data.tags.get(JOB_TAG, "") not in jobs}
    for model in client.search_registered_models(f"name LIKE '{key.schema}.%'", max_results=1000):
        versions = client.search_model_versions(f"name = '{model.name}'")
        orphans = [version for version in versions if version.run_id in gone]
        for version in orphans:
            client.delete_model_version(model.name, version.version)
        if len(orphans) == len(versions):
            client.delete_registered_model(model.name)
    for run_id in gone:
        client.delete_run(run_id)
