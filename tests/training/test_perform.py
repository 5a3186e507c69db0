"""A training on a worker: one version, one run in MLflow, one champion, however often the job is tried."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from mlflow import MlflowClient

from apps import engine
from apps.audit.models import AuditEvent
from apps.core import storage
from apps.core.tenancy import TenantKey
from apps.engine.errors import SeriesTooShort
from apps.jobs import runner
from apps.jobs.models import JobState
from apps.registry import mlflow_store
from apps.registry import queries as registry
from apps.registry.models import Model, ModelVersion
from apps.registry.services import publishing
from apps.training import services
from apps.training.models import TrainingRun
from tenants.context import tenant_scope
from tests import trained
from tests.engine import panels
from tests.jobs.conftest import change
from tests.training.conftest import finish, job_of

Train = Callable[..., TrainingRun]


def mirrored(mlflow: MlflowClient, version: ModelVersion) -> tuple[int, int, str]:
    """How many runs and versions MLflow has for the version's job, and which version the alias names."""
    experiment = mlflow.get_experiment_by_name(version.mlflow_name.partition(".")[0])
    assert experiment is not None
    runs = mlflow.search_runs([experiment.experiment_id], f"tags.`almanac.job_id` = '{version.job_id}'")
    versions = [
        found
        for found in mlflow.search_model_versions(f"name = '{version.mlflow_name}'")
        if found.tags["almanac.job_id"] == str(version.job_id)
    ]
    champion = mlflow.get_model_version_by_alias(version.mlflow_name, "champion")
    return len(runs), len(versions), str(champion.version)


def actions(tenant: TenantKey) -> list[str]:
    with tenant_scope(tenant):
        events = AuditEvent.objects.order_by("occurred_at", "id").values_list("action", flat=True)
        return [action for action in events if action.startswith(("training.", "model.", "job."))]


def test_a_training_makes_one_version_one_mlflow_run_and_a_champion(
    train: Train, tenant: TenantKey, mlflow: MlflowClient
) -> None:
    run = train(candidates=["auto_ets"], seed=7)
    job = job_of(tenant, run)
    assert job.state == JobState.SUCCEEDED, job.error
    version = run.model_version
    assert version is not None
    assert job.result == {"model": "sales", "version": 1, "model_version_id": str(version.id)}
    assert (run.selected, version.algorithm, version.seed) == ("auto_ets", "auto_ets", 7)
    assert {line["name"] for line in run.leaderboard} == {"auto_ets", "seasonal_naive"}
    assert [line["name"] for line in run.leaderboard if line["selected"]] == ["auto_ets"]
    assert run.leaderboard[0]["mase"] < run.leaderboard[1]["mase"]
    assert run.finished_at is not None
    assert (version.horizon_max, version.series_count, version.frequency) == (6, 3, "MS")
    assert version.metrics["beats_naive"]
    with tenant_scope(tenant):
        assert registry.get_champion(name="sales") == version
        data = storage.read_content(tenant, version.bundle_path, version.bundle_sha256)
    assert engine.load_bundle(data, version.bundle_sha256).meta.kind == "auto_ets"
    assert mirrored(mlflow, version) == (1, 1, version.mlflow_version)
    assert actions(tenant) == ["training.started", "model.registered", "model.promoted", "training.succeeded"]


def test_mlflow_keeps_parameters_metrics_and_the_bundle_itself(
    train: Train, tenant: TenantKey, mlflow: MlflowClient
) -> None:
    version = train(name="mirror").model_version
    assert version is not None
    kept = mlflow.get_run(version.mlflow_run_id)
    assert kept.info.status == "FINISHED"
    assert (kept.data.params["algorithm"], kept.data.params["horizon"]) == ("seasonal_naive", "6")
    assert kept.data.metrics["mase"] == version.metrics["mase"]
    assert "seasonal_naive.smape" in kept.data.metrics
    by_step = mlflow.get_metric_history(version.mlflow_run_id, "horizon.mase")
    assert [metric.step for metric in by_step] == [1, 2, 3, 4, 5, 6]
    names = {file.path for file in mlflow.list_artifacts(version.mlflow_run_id)}
    assert {"backtest_by_horizon.png", "leaderboard.json", "model"} <= names
    (data,) = kept.inputs.dataset_inputs
    assert (data.dataset.name, len(data.dataset.digest)) == ("mirror.1", 36)
    registered = mlflow.get_model_version(version.mlflow_name, version.mlflow_version)
    assert registered.tags["sha256"] == version.bundle_sha256
    from urllib.parse import urlsplit

    (bundle,) = Path(urlsplit(registered.source).path, "bundle").iterdir()
    assert hashlib.sha256(bundle.read_bytes()).hexdigest() == version.bundle_sha256
    assert version.mlflow_name == f"{tenant.schema}.mirror", "tenants do not meet in MLflow's names"


@pytest.mark.parametrize("killed", ["publish", "note_result", "finish"])
def test_a_worker_that_is_killed_late_and_followed_by_another_leaves_one_of_everything(
    train: Train, tenant: TenantKey, mlflow: MlflowClient, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    """The kill is an exception that no handler sees, after which the lease just ends."""

    class Killed(BaseException):
        pass

    def kill(*_args: Any, **_kwargs: Any) -> None:
        raise Killed

    owner: Any = {"publish": publishing, "note_result": services, "finish": runner}[killed]
    name = {"publish": "_place", "note_result": "_note_result", "finish": "_finish"}[killed]
    with monkeypatch.context() as dying:
        dying.setattr(owner, name, kill)
        with pytest.raises(Killed):
            train(name=f"killed-{killed.replace('_', '-')}")
    with tenant_scope(tenant):
        run = TrainingRun.objects.get()
    job = job_of(tenant, run)
    assert job.state == JobState.RUNNING
    change(job, lease_until=timezone.now() - timedelta(seconds=1))
    run = finish(tenant, run)
    assert (job_of(tenant, run).state, job_of(tenant, run).attempt) == ("succeeded", 2)
    with tenant_scope(tenant):
        assert ModelVersion.objects.count() == 1
    assert run.model_version is not None
    assert mirrored(mlflow, run.model_version) == (1, 1, run.model_version.mlflow_version)
    assert actions(tenant) == ["training.started", "model.registered", "model.promoted", "training.succeeded"]


def test_a_second_training_is_version_2_and_the_champion(
    train: Train, tenant: TenantKey, mlflow: MlflowClient
) -> None:
    first = train(name="twice")
    with tenant_scope(tenant):
        started = services.start(dataset_slug="twice", horizon=3, candidates=["seasonal_naive"])
    second = finish(tenant, started)
    assert first.model_version is not None
    assert second.model_version is not None
    assert (first.model_version.number, second.model_version.number) == (1, 2)
    assert mirrored(mlflow, second.model_version) == (1, 1, second.model_version.mlflow_version)
    with tenant_scope(tenant):
        assert Model.objects.get().champion == second.model_version
        promoted = AuditEvent.objects.filter(action="model.promoted").first()
    assert promoted is not None
    assert (promoted.changes["before"], promoted.changes["after"]) == (1, 2)


def test_the_seasonal_naive_serves_when_nothing_beats_it(train: Train, tenant: TenantKey) -> None:
    season = [10.5, 20.5, 30.5, 25.5, 15.5, 5.5, 12.5, 22.5, 35.5, 28.5, 18.5, 8.5]
    lines = [f"a,{2015 + step // 12}-{step % 12 + 1:02d}-01,{season[step % 12]}" for step in range(72)]
    run = train(name="perfect", text="unique_id,ds,y\n" + "\n".join(lines) + "\n", candidates=["auto_ets"])
    assert run.selected == "seasonal_naive", run.leaderboard
    assert run.model_version is not None
    assert run.model_version.is_naive
    assert run.model_version.metrics["beats_naive"] is False


def test_too_short_a_history_for_a_backtest_gives_the_naive_and_says_so(
    train: Train, tenant: TenantKey
) -> None:
    run = train(name="short", text="unique_id,ds,y\na,2024-01-01,1.5\na,2024-02-01,2.5\na,2024-03-01,2.5\n")
    assert run.selected == "seasonal_naive"
    assert any("No series is long enough" in note for note in run.notes), run.notes
    assert run.model_version is not None
    assert "naive_mase" not in run.model_version.metrics


def test_what_the_engine_refuses_fails_the_job_with_its_words_and_leaves_no_model(
    train: Train, tenant: TenantKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise SeriesTooShort(series_id="a", length=3, forecaster="AutoETS", needed=8)

    with monkeypatch.context() as patched:
        patched.setattr("apps.engine.training.train", refuse)
        run = train(name="refused")
    job = job_of(tenant, run)
    assert (job.state, job.attempt) == ("failed", 1), "trying again would not help"
    assert job.error is not None
    assert (job.error["code"], job.error["detail"]) == (
        "series_too_short",
        "Series 'a' has 3 points; AutoETS needs 8.",
    )
    assert (run.finished_at, run.model_version) == (None, None)
    assert actions(tenant) == ["training.started", "job.failed"]
    with tenant_scope(tenant):
        assert not Model.objects.exists()


def test_two_data_sets_that_race_for_one_name_do_not_share_a_model(
    train: Train, tenant: TenantKey, mlflow: MlflowClient
) -> None:
    with tenant_scope(tenant):
        runs = [
            services.start(
                dataset_slug=trained.dataset(name).slug,
                horizon=3,
                model_name="shared",
                candidates=["seasonal_naive"],
            )
            for name in ("One", "Two")
        ]
    for run in runs:
        finish(tenant, run)
    loser = job_of(tenant, runs[1])
    assert (job_of(tenant, runs[0]).state, loser.state) == ("succeeded", "failed")
    assert loser.error is not None
    assert loser.error["code"] == "model_name_taken"
    with tenant_scope(tenant):
        assert ModelVersion.objects.count() == 1


def test_a_worker_that_lost_its_lease_publishes_nothing(
    train: Train, tenant: TenantKey, mlflow: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = mlflow_store.register

    def slow(**given: Any) -> Any:
        change_all(tenant)
        return real(**given)

    monkeypatch.setattr(mlflow_store, "register", slow)
    run = train(name="lost")
    assert job_of(tenant, run).state == JobState.RUNNING
    with tenant_scope(tenant):
        assert not ModelVersion.objects.exists()
        assert not Model.objects.exists()


def change_all(tenant: TenantKey) -> None:
    """Somebody else leases whatever runs."""
    from apps.jobs.models import Job

    with tenant_scope(tenant):
        job = Job.objects.get(state="running")
    change(job, fencing_token=job.fencing_token + 1)


def test_the_operators_trees_for_the_datas_frequency_join_its_trainings(
    train: Train, tenant: TenantKey, tmp_path: Path, settings: Any
) -> None:
    horizon = trained.HORIZON
    spec = engine.Spec(horizon, forecaster="lightgbm_global", effort="fast")
    (tmp_path / "MS.alm").write_bytes(engine.train(panels.monthly(10, seed=4), spec).bundle)
    settings.PRETRAINED_MODELS = str(tmp_path)
    run = train(effort="fast", horizon=horizon, candidates=None)
    with tenant_scope(tenant):
        run = TrainingRun.objects.get(id=run.id)
    line = next(line for line in run.leaderboard if line["name"] == "pretrained_global")
    assert line["error"] is None
    assert line["windows"] > 0


def test_a_file_that_holds_no_such_trees_fails_the_training_and_says_so(
    train: Train, tenant: TenantKey, tmp_path: Path, settings: Any
) -> None:
    (tmp_path / "MS.alm").write_bytes(b"trees")
    settings.PRETRAINED_MODELS = str(tmp_path)
    job = job_of(tenant, train(effort="fast", candidates=None))
    assert job.state == JobState.FAILED
    assert job.error["code"] == "bundle_damaged"
