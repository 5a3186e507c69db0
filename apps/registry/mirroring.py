"""MLflow's part of a tenant's backup: runs as they were logged, made anew where they are gone. The rows are the truth."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings

from apps.core import storage
from apps.core.tenancy import TenantKey
from apps.registry import mlflow_store, queries
from apps.registry.mlflow_store import JOB_TAG
from apps.registry.mlmodel import Facts
from apps.registry.models import ModelVersion

MlflowClient = Any  # MLflow's own classes; only the store imports them
Run = Any

LEADERBOARD = "leaderboard.json"
ORPHAN_SECONDS = 24 * 3600


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
    forget_orphans(client, key, {str(version.job_id) for version in versions})
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
        facts = _facts(version, bundle)
        mlflow_store.keep(client, run, bundle, facts)
        number = mlflow_store._version(client, name, run, bundle, facts)
    found = {"mlflow_run_id": run.info.run_id, "mlflow_name": name, "mlflow_version": number}
    if any(getattr(version, field) != value for field, value in found.items()):
        ModelVersion.objects.filter(id=version.id).update(**found)


def _facts(version: ModelVersion, bundle: Path) -> Facts:
    from apps import engine

    meta = engine.load_bundle(bundle, version.bundle_sha256).meta
    return Facts(
        sha256=version.bundle_sha256,
        job_id=version.job_id,
        horizon=meta.horizon_max,
        levels=meta.levels,
        covariates=sorted({*meta.covariates} - {*meta.events}),
        engine_version=meta.engine_version,
        series=meta.series_ids[0],
    )


def sweep(key: TenantKey) -> int:
    """Remove what MLflow holds of the tenant in scope and no row names: left by a worker that was killed between MLflow and
    our row, and a day old, so that no training is still on its way to it. How many runs."""
    if not settings.MLFLOW_TRACKING_URI:
        return 0
    known = {str(job) for job in ModelVersion.objects.values_list("job_id", flat=True)}
    client = mlflow_store._client()
    return forget_orphans(client, key, known, older_than=time.time() - ORPHAN_SECONDS)


def forget_orphans(
    client: MlflowClient, key: TenantKey, jobs: set[str], older_than: float | None = None
) -> int:
    """Remove the tenant's runs of other ``jobs``, begun before ``older_than`` (seconds since the epoch), with their versions and
    artefacts; how many."""
    gone = {
        run.info.run_id
        for run in _runs(client, key)
        if run.data.tags.get(JOB_TAG, "") not in jobs
        and (older_than is None or (run.info.start_time or 0) / 1000 < older_than)
    }
    for model in (
        client.search_registered_models(f"name LIKE '{key.schema}.%'", max_results=1000) if gone else ()
    ):
        for version in client.search_model_versions(f"name = '{model.name}'"):
            if version.run_id in gone:
                mlflow_store.forget(name=model.name, version=str(version.version), run_id=version.run_id)
    for run_id in gone:
        mlflow_store.forget_run(client, run_id)
    return len(gone)
