"""MLflow follows the rows: aliases after each move, and nothing is left of what was deleted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from apps.core import storage
from apps.core.tenancy import TenantKey
from apps.jobs.models import Job, JobState
from apps.registry import mirroring, mlflow_store, services
from apps.registry.models import ModelVersion
from apps.training import services as training
from apps.training.models import TrainingRun
from tenants.context import tenant_scope
from tests.training.conftest import finish, follow

Train = Callable[..., TrainingRun]


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """The model's: MLflow outlives a test, so each has its own."""
    return str(request.node.name).replace("_", "-")[:60]


@pytest.fixture
def two(train: Train, tenant: TenantKey, name: str) -> list[ModelVersion]:
    """Version 1, and version 2, which answers."""
    train(name=name)
    with tenant_scope(tenant):
        started = training.start(dataset_slug=name, horizon=3, candidates=["seasonal_naive"])
    finish(tenant, started)
    with tenant_scope(tenant):
        return list(ModelVersion.objects.order_by("number"))


def aliases(mlflow: MlflowClient, two: list[ModelVersion]) -> dict[str, str]:
    found = mlflow.get_registered_model(two[0].mlflow_name).aliases
    return {alias: str(version) for alias, version in found.items()}


def folder(mlflow: MlflowClient, version: ModelVersion) -> Path:
    return Path(urlsplit(mlflow.get_run(version.mlflow_run_id).info.artifact_uri).path)


def test_aliases_follow_each_move(
    two: list[ModelVersion], name: str, tenant: TenantKey, mlflow: MlflowClient
) -> None:
    assert aliases(mlflow, two) == {"champion": "2", "previous": "1"}
    with tenant_scope(tenant):
        services.roll_back(model_name=name)
    follow(tenant)
    assert aliases(mlflow, two) == {"champion": "1", "previous": "2"}
    with tenant_scope(tenant):
        services.archive(model_name=name, ref="2")
    follow(tenant)
    assert aliases(mlflow, two) == {"champion": "1"}


def test_a_mirror_that_is_away_is_tried_again(
    two: list[ModelVersion],
    name: str,
    tenant: TenantKey,
    mlflow: MlflowClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tenant_scope(tenant):
        services.roll_back(model_name=name)
    with monkeypatch.context() as away:
        away.setattr(mlflow_store, "_client", lambda: (_ for _ in ()).throw(ConnectionError("away")))
        follow(tenant)
    with tenant_scope(tenant):
        job = Job.objects.filter(kind="registry.mirror_aliases").latest("created_at")
    assert job.state == JobState.QUEUED
    follow(tenant)
    assert aliases(mlflow, two) == {"champion": "1", "previous": "2"}


def test_nothing_is_left_of_a_deleted_version(
    two: list[ModelVersion], name: str, tenant: TenantKey, mlflow: MlflowClient
) -> None:
    first, second = two
    gone, kept = folder(mlflow, first), folder(mlflow, second)
    assert gone.exists()
    with tenant_scope(tenant):
        services.delete_version(model_name=name, ref="1")
    follow(tenant)
    assert [str(each.version) for each in mlflow.search_model_versions(f"name = '{first.mlflow_name}'")] == [
        "2"
    ]
    experiment = mlflow.get_experiment_by_name(tenant.schema)
    assert experiment is not None
    runs = mlflow.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL)
    assert {first.mlflow_run_id, second.mlflow_run_id} & {run.info.run_id for run in runs} == {
        second.mlflow_run_id
    }
    assert (gone.exists(), kept.exists()) == (False, True)
    assert not storage.exists(tenant, first.bundle_path)
    with tenant_scope(tenant):
        services.forget(
            versions=[
                {
                    "path": first.bundle_path,
                    "name": first.mlflow_name,
                    "version": first.mlflow_version,
                    "run_id": first.mlflow_run_id,
                }
            ]
        )  # a job that is done again finds nothing to do
        services.delete_model(model_name=name)
    follow(tenant)
    assert list(mlflow.search_registered_models(f"name = '{first.mlflow_name}'")) == []
    assert not kept.exists()


def test_a_backup_brings_the_aliases_back(
    two: list[ModelVersion], name: str, tenant: TenantKey, mlflow: MlflowClient
) -> None:
    with tenant_scope(tenant):
        kept = list(mirroring.dump(tenant))
        mlflow_store.erase(tenant)
        mirroring.restore(tenant, kept)
    assert aliases(mlflow, two) == {"champion": "2", "previous": "1"}
