"""MLflow away, slow, or with more than our rows know."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from mlflow import MlflowClient

from apps.api_keys import services as api_keys
from apps.core.tenancy import TenantKey
from apps.jobs.errors import TryLater
from apps.registry import mirroring, mlflow_store
from apps.registry.models import ModelVersion
from apps.training import services
from apps.training.models import TrainingRun
from tenants.context import tenant_scope
from tests import trained
from tests.training.conftest import finish, job_of, mlflow, tenant, train

__all__ = ["mlflow", "tenant", "train"]
Train = Callable[..., TrainingRun]


@pytest.fixture
def away(settings: Any) -> Any:
    """MLflow's database at an address where nobody answers; ``away()`` brings it back."""
    there = settings.MLFLOW_TRACKING_URI
    mlflow_store._uri.cache_clear()
    settings.MLFLOW_TRACKING_URI = "postgresql+psycopg://x:y@127.0.0.1:1/nothing"

    def come_back() -> None:
        settings.MLFLOW_TRACKING_URI = there
        mlflow_store._uri.cache_clear()

    yield come_back
    come_back()


def test_a_training_waits_for_mlflow_and_is_done_when_it_is_back(
    tenant: TenantKey, mlflow: MlflowClient, away: Callable[[], None]
) -> None:
    with tenant_scope(tenant):
        slug = trained.dataset("Sales").slug
        run = services.start(dataset_slug=slug, horizon=6, candidates=["seasonal_naive"])
    run = finish(tenant, run)
    waiting = job_of(tenant, run)
    assert (waiting.state, waiting.attempt) == ("queued", 0)
    assert "MLflow" in waiting.stage
    away()
    from tests.jobs.conftest import change

    change(waiting, not_before=None)
    run = finish(tenant, run)
    assert job_of(tenant, run).state == "succeeded"
    with tenant_scope(tenant):
        assert ModelVersion.objects.count() == 1


def test_a_forecast_needs_no_mlflow(train: Train, tenant: TenantKey, away: Callable[[], None]) -> None:
    away()
    version = train().model_version
    assert version is not None
    with tenant_scope(tenant):
        _key, text = api_keys.create(name="Program", scopes=["forecasts:run"])
    mlflow_store._client.cache_clear()
    program = Client(headers={"host": "localhost", "authorization": f"Bearer {text}"})
    body = {"model": version.model.name, "horizon": 2}
    assert program.post("/v1/forecasts", body, content_type="application/json").status_code == 200


def test_a_database_that_takes_connections_and_says_nothing_is_given_up_soon(
    settings: Any, mlflow: MlflowClient
) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        mlflow_store._uri.cache_clear()
        settings.MLFLOW_TRACKING_URI = f"postgresql+psycopg://x:y@127.0.0.1:{mute.getsockname()[1]}/nothing"
        began = time.monotonic()
        with pytest.raises(TryLater):
            mlflow_store.check()
        assert time.monotonic() - began < 10
    mlflow_store._uri.cache_clear()


def test_a_statement_that_hangs_is_given_up(mlflow: MlflowClient) -> None:
    from sqlalchemy import create_engine, text

    engine = create_engine(mlflow_store._uri())
    with engine.connect() as connection:
        limit = connection.execute(text("SHOW statement_timeout")).scalar_one()
    engine.dispose()
    assert limit == "10s"


def test_what_mlflow_holds_and_no_row_names_is_swept_once_it_is_a_day_old(
    train: Train, tenant: TenantKey, mlflow: MlflowClient
) -> None:
    version = train().model_version
    assert version is not None
    experiment = mlflow.get_experiment_by_name(tenant.schema)
    long_ago = int((time.time() - 25 * 3600) * 1000)
    old = mlflow.create_run(
        experiment.experiment_id, start_time=long_ago, tags={mlflow_store.JOB_TAG: "killed"}
    )
    new = mlflow.create_run(experiment.experiment_id, tags={mlflow_store.JOB_TAG: "on its way"})
    mlflow.log_text(old.info.run_id, "bytes", "model/bundle/x.alm")
    mlflow.create_registered_model(f"{tenant.schema}.orphan")
    mlflow.create_model_version(f"{tenant.schema}.orphan", f"{old.info.artifact_uri}/model", old.info.run_id)
    with tenant_scope(tenant):
        assert mirroring.sweep(tenant) == 1
        assert mirroring.sweep(tenant) == 0
    runs = {run.info.run_id for run in mlflow.search_runs([experiment.experiment_id])}
    assert {version.mlflow_run_id, new.info.run_id} <= runs
    assert old.info.run_id not in runs
    assert not mlflow.search_registered_models(f"name = '{tenant.schema}.orphan'")
    champion = mlflow.get_model_version_by_alias(version.mlflow_name, "champion")
    assert str(champion.version) == version.mlflow_version


def test_every_tenant_is_swept(train: Train, tenant: TenantKey, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.registry import tasks

    swept: list[str] = []
    monkeypatch.setattr(mirroring, "sweep", lambda key: swept.append(key.schema))
    tasks.sweep_mlflow()
    assert tenant.schema in swept
    assert len(swept) >= 2
