"""The only importer of mlflow: runs, registered models, versions and aliases, in MLflow's own database.

Tenants never talk to MLflow. Names start with the tenant's schema; objects carry the job's id and are looked for
before they are made, so a job that is done twice makes them once. Nothing is ever loaded through MLflow.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from django.conf import settings

from apps.core.ids import public_id
from apps.core.tenancy import TenantKey
from apps.jobs.errors import TryLater
from apps.registry import mlmodel
from apps.registry.contracts import Trained
from apps.registry.mlmodel import Facts

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Experiment, Run

JOB_TAG = "almanac.job_id"
CONNECT_SECONDS = 3
STATEMENT_SECONDS = 10
AWAY_SECONDS = 30
AWAY = "Waiting for MLflow, whose database does not answer"


@dataclass(frozen=True, slots=True)
class Registered:
    """Where MLflow keeps a version: its run, and the registered model's name and version."""

    run_id: str
    name: str
    version: str


def upgrade() -> None:
    """Make or upgrade MLflow's tables; run once before the workers start."""
    _harden()
    from mlflow.store.db import utils as untyped

    utils: Any = untyped

    engine = utils.create_sqlalchemy_engine_with_retry(settings.MLFLOW_TRACKING_URI)
    with contextlib.closing(engine.connect()):
        if utils._all_tables_exist(engine):
            utils._upgrade_db(engine)
        else:
            utils._initialize_tables(engine)
    engine.dispose()


def register(*, key: TenantKey, trained: Trained, sha256: str, bundle: Path) -> Registered:
    """Log the training as a run with its bundle, and register that as a version of ``<schema>.<model>``.

    Raises ``TryLater`` where MLflow's database is away or too slow; so do the other writes.
    """
    with _answering() as client:
        run = _run(client, key, trained)
        name = f"{key.schema}.{trained.model_name}"
        version = _version(client, name, run, bundle, _facts(trained, sha256))
        return Registered(run_id=run.info.run_id, name=name, version=version)


def log_backtest(*, run_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Log the errors of each step ahead beside the seasonal naive's, as metrics whose step is the horizon's and as a figure.

    ``rows`` have ``step``, ``mase`` and ``naive_mase``, which may be None. May be run again.
    """
    from mlflow.entities import Metric

    with _answering() as client:
        if "horizon.mase" not in client.get_run(run_id).data.metrics:
            metrics = [
                Metric(f"horizon.{name}", float(row[name]), 0, int(row["step"]))
                for row in rows
                for name in ("mase", "naive_mase")
                if row[name] is not None
            ]
            client.log_batch(run_id, metrics=metrics)
        client.log_figure(run_id, _figure(rows), "backtest_by_horizon.png")


def _figure(rows: Sequence[Mapping[str, Any]]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    steps = [row["step"] for row in rows]
    axes.plot(steps, [row["mase"] for row in rows], marker="o", label="this version")
    axes.plot(steps, [row["naive_mase"] for row in rows], marker="o", label="seasonal naive")
    axes.set(xlabel="steps ahead", ylabel="MASE", ylim=(0, None))
    axes.legend()
    return figure


def check() -> None:
    """Raise ``TryLater`` where MLflow's database does not answer: before work that would end there."""
    import psycopg
    from sqlalchemy.engine import make_url

    url = make_url(_uri()).set(drivername="postgresql")
    try:
        psycopg.connect(url.render_as_string(hide_password=False)).close()
    except psycopg.OperationalError as error:
        raise TryLater(AWAY_SECONDS, AWAY) from error


@contextlib.contextmanager
def _answering() -> Iterator[MlflowClient]:
    """The client, while MLflow's database answers in time: MLflow itself would try for minutes."""
    check()
    client = _client()
    from mlflow.exceptions import MlflowException

    try:
        yield client
    except MlflowException as error:
        if error.error_code != "TEMPORARILY_UNAVAILABLE":
            raise
        raise TryLater(AWAY_SECONDS, AWAY) from error


@functools.cache
def _uri() -> str:
    from sqlalchemy.engine import make_url

    limits = {
        "connect_timeout": str(CONNECT_SECONDS),
        "options": f"-cstatement_timeout={STATEMENT_SECONDS}s",
    }
    url = make_url(settings.MLFLOW_TRACKING_URI).update_query_dict(limits)
    return url.render_as_string(hide_password=False)


def _facts(trained: Trained, sha256: str) -> Facts:
    return Facts(
        sha256=sha256,
        job_id=trained.job_id,
        horizon=trained.horizon_max,
        levels=trained.levels,
        covariates=trained.schema.get("covariates", ()),
        engine_version=trained.code_version,
        series=trained.series_example,
    )


def set_aliases(*, name: str, versions: Mapping[str, str]) -> None:
    """Have the registered model's aliases be these, each with its version, and no others. One that MLflow lacks has none."""
    with _answering() as client:
        model = next(iter(client.search_registered_models(f"name = '{name}'")), None)
        there = dict(model.aliases) if model is not None else {}
        for alias in there.keys() - versions.keys():
            client.delete_registered_model_alias(name, alias)
        for alias, version in versions.items():
            if str(there.get(alias)) != version:
                client.set_registered_model_alias(name, alias, version)


def forget(*, name: str, version: str, run_id: str) -> None:
    """Remove one version with its run and artefacts, and the registered model with its last version. May be run again."""
    with _answering() as client:
        versions = list(client.search_model_versions(f"name = '{name}'"))
        for each in versions:
            if str(each.version) == version and each.run_id == run_id:
                client.delete_model_version(name, version)
                if len(versions) == 1:
                    client.delete_registered_model(name)
        forget_run(client, run_id)


def forget_run(client: MlflowClient, run_id: str) -> None:
    """Remove a run with its artefacts for good. May be run again."""
    from mlflow.entities import LifecycleStage
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException:  # an earlier attempt removed it
        return
    folder = Path(unquote(urlsplit(str(run.info.artifact_uri)).path))
    if run.info.lifecycle_stage == LifecycleStage.ACTIVE:
        client.delete_run(run_id)
    store: Any = client._tracking_client.store
    _hard_delete(store, run_id)
    root = Path(settings.MLFLOW_ARTIFACT_ROOT).resolve()
    if folder.exists() and folder.resolve().is_relative_to(root):
        shutil.rmtree(folder.parent if folder.name == "artifacts" else folder)


def erase(key: TenantKey) -> None:
    """Remove all of a tenant for good: models, the experiment with its runs, artefacts. May be run again.

    MLflow only marks what its API deletes; what ``mlflow gc`` calls afterwards is called here for this experiment only,
    as the command takes every run in the database that is marked.
    """
    if list_leftovers(key):
        client = _client()
        for model in client.search_registered_models(f"name LIKE '{_like(key)}'", max_results=1000):
            client.delete_registered_model(model.name)
        experiment = client.get_experiment_by_name(key.schema)
        if experiment is not None:
            _purge(client, experiment)
    if _artifacts(key).exists():
        shutil.rmtree(_artifacts(key))


def list_leftovers(key: TenantKey) -> list[str]:
    """What MLflow's tables and the artefacts' folder still hold of a tenant, also what is only marked as deleted."""
    left = [f"artefacts in {_artifacts(key)}"] if _artifacts(key).exists() else []
    if not settings.MLFLOW_TRACKING_URI:
        return left
    from sqlalchemy import create_engine, inspect, text

    engine = create_engine(settings.MLFLOW_TRACKING_URI)
    try:
        if not inspect(engine).has_table("experiments"):
            return left
        with engine.connect() as connection:
            for query in _TRACES:
                rows = connection.execute(text(query), {"schema": key.schema, "like": _like(key)})
                left += [str(row[0]) for row in rows]
    finally:
        engine.dispose()
    return left


# Schema names hold no character that LIKE or MLflow's filter would read as more than itself, but for the one "_".
_TRACES = (
    "SELECT 'registered model ' || name FROM registered_models WHERE name LIKE :like",
    "SELECT 'version ' || version || ' of ' || name FROM model_versions WHERE name LIKE :like",
    "SELECT 'experiment ' || name FROM experiments WHERE name = :schema",
    "SELECT 'run ' || run_uuid FROM runs WHERE artifact_uri LIKE '%/' || :schema || '/%'",
)


def _like(key: TenantKey) -> str:
    return f"{key.schema}.%"


def _artifacts(key: TenantKey) -> Path:
    return Path(settings.MLFLOW_ARTIFACT_ROOT) / key.schema


def _purge(client: MlflowClient, experiment: Experiment) -> None:
    from mlflow.entities import LifecycleStage, ViewType

    if experiment.lifecycle_stage == LifecycleStage.ACTIVE:
        client.delete_experiment(experiment.experiment_id)
    store: Any = client._tracking_client.store
    while runs := client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL):
        for run in runs:
            if run.info.lifecycle_stage == LifecycleStage.ACTIVE:
                client.delete_run(run.info.run_id)
            _hard_delete(store, run.info.run_id)
    store._hard_delete_experiment(experiment.experiment_id)


def _hard_delete(store: Any, run_id: str) -> None:
    """Delete a run for good, and before it which data it saw: MLflow itself leaves that behind."""
    from sqlalchemy import text

    with store.ManagedSessionMaker(read_only=False) as session:
        for statement in _INPUTS_OF:
            session.execute(text(statement), {"run": run_id})
    store._hard_delete_run(run_id)


_INPUTS_OF = (
    "DELETE FROM input_tags WHERE input_uuid IN (SELECT input_uuid FROM inputs WHERE destination_id = :run)",
    "DELETE FROM inputs WHERE destination_id = :run",
)


def _harden() -> None:
    # Before mlflow is imported: it must never unpickle, and it must not call home.
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    os.environ["MLFLOW_ALLOW_MODEL_CODE_EXECUTION"] = "false"  # known to MLflow 3.18 and later
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


@functools.cache
def _client() -> MlflowClient:
    _harden()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=_uri(), registry_uri=_uri())


def _run(client: MlflowClient, key: TenantKey, trained: Trained) -> Run:
    experiment = _experiment(client, key)
    found = client.search_runs([experiment], f"tags.`{JOB_TAG}` = '{trained.job_id}'", max_results=1)
    run = (
        found[0]
        if found
        else client.create_run(experiment, tags={JOB_TAG: str(trained.job_id)}, run_name=trained.model_name)
    )
    if run.info.status != "FINISHED":
        _describe(client, run.info.run_id, trained)
    return run


def _experiment(client: MlflowClient, key: TenantKey) -> str:
    found = client.get_experiment_by_name(key.schema)
    if found is not None:
        return str(found.experiment_id)
    folder = Path(settings.MLFLOW_ARTIFACT_ROOT) / key.schema
    folder.mkdir(parents=True, exist_ok=True)
    return str(client.create_experiment(key.schema, artifact_location=folder.as_uri()))


def _describe(client: MlflowClient, run_id: str, trained: Trained) -> None:
    from mlflow.entities import Metric, Param

    params = {
        "algorithm": trained.algorithm,
        "seed": trained.seed,
        "dataset_version": trained.dataset_version_id,
        **trained.params,
    }
    metrics = [Metric(name, value, 0, 0) for name, value in _metrics(trained)]
    client.log_batch(
        run_id, metrics=metrics, params=[Param(name, str(value)[:500]) for name, value in params.items()]
    )
    client.log_inputs(run_id, datasets=[_input(trained)])
    client.log_dict(run_id, {"leaderboard": trained.leaderboard, "notes": trained.notes}, "leaderboard.json")


def _input(trained: Trained) -> DatasetInput:
    """The data as MLflow names it; a digest of its may have 36 characters."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    version = public_id("dsv", trained.dataset_version_id)
    source = json.dumps({"dataset_version": version, "sha256": trained.data_sha256})
    data = Dataset(
        name=trained.data_name or version,
        digest=trained.data_sha256[:36] or version,
        source_type="almanac",
        source=source,
    )
    return DatasetInput(data, tags=[InputTag("mlflow.data.context", "training")])


def _metrics(trained: Trained) -> Iterator[tuple[str, float]]:
    yield from trained.metrics.items()
    for line in trained.leaderboard:
        for metric in ("mase", "smape", "rmsse", "wape"):
            value: Any = line.get(metric)
            if value is not None:
                yield f"{line['name']}.{metric}", float(value)


def _version(client: MlflowClient, name: str, run: Run, bundle: Path, facts: Facts) -> str:
    from mlflow.exceptions import MlflowException

    run_id = run.info.run_id
    with contextlib.suppress(
        MlflowException
    ):  # it exists: MLflow has no 'create if absent', and the next call tells
        client.create_registered_model(name)
    found = [
        version for version in client.search_model_versions(f"name = '{name}'") if version.run_id == run_id
    ]
    if found:
        return str(found[0].version)
    source = keep(client, run, bundle, facts)
    tags = {JOB_TAG: str(facts.job_id), "sha256": facts.sha256, "engine_version": facts.engine_version}
    made = client.create_model_version(name, source, run_id, tags=tags)
    client.set_terminated(run_id)
    return str(made.version)


def keep(client: MlflowClient, run: Run, bundle: Path, facts: Facts) -> str:
    """Put the version's folder among the run's artefacts, unless it is there; where that is."""
    source = f"{run.info.artifact_uri}/{mlmodel.FOLDER}"
    if not Path(unquote(urlsplit(source).path), "MLmodel").exists():
        with tempfile.TemporaryDirectory(prefix="alm-mlmodel-") as temporary:
            folder = Path(temporary) / mlmodel.FOLDER
            mlmodel.write(folder, bundle, facts)
            client.log_artifacts(run.info.run_id, str(folder), mlmodel.FOLDER)
    return source
