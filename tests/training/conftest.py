"""MLflow's database, made once a run, and trainings that are done as a worker does them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import Q
from mlflow import MlflowClient

from apps.core.tenancy import TenantKey
from apps.jobs.models import Job, JobState
from apps.registry import mlflow_store
from apps.registry import tasks as registry_tasks
from apps.training import queries, services, tasks
from apps.training.models import TrainingRun
from tenants.context import tenant_scope
from tests import factories, trained
from tests.jobs.conftest import perform_first

assert tasks, registry_tasks  # importing them registers the handlers, as the workers do


@pytest.fixture(scope="session")
def mlflow(django_db_setup: None) -> MlflowClient:
    """A client of MLflow's own database, whose tables are up to date."""
    mlflow_store.upgrade()
    return mlflow_store._client()


@pytest.fixture
def tenant(committed: None) -> TenantKey:
    """acme, whose rows are committed here: the heartbeat looks at them with a connection of its own."""
    return factories.tenant("acme").key


@pytest.fixture
def train(tenant: TenantKey, mlflow: MlflowClient) -> Callable[..., TrainingRun]:
    """``train("sales")``: asks for a training of the small data set and does its job in this process."""

    def run(name: str = "sales", text: str | None = None, **wishes: Any) -> TrainingRun:
        with tenant_scope(tenant):
            data = trained.dataset(name.title(), text)
            wanted = {"horizon": 6, "candidates": ["seasonal_naive"], **wishes}
            started = services.start(dataset_slug=data.slug, **wanted)
        return finish(tenant, started)

    return run


def finish(tenant: TenantKey, run: TrainingRun) -> TrainingRun:
    """Do the run's job, and what it has MLflow follow; the run as it stands then."""
    perform_first(run.job_id)
    follow(tenant)
    with tenant_scope(tenant):
        return queries.get_run(run_id=run.id)


def follow(tenant: TenantKey) -> None:
    """Do the registry's jobs that wait."""
    with tenant_scope(tenant):
        waiting = list(
            Job.objects.filter(
                Q(kind__startswith="registry.") | Q(kind=services.LOG_BACKTEST), state=JobState.QUEUED
            )
        )
    for job in waiting:
        perform_first(job)


def job_of(tenant: TenantKey, run: TrainingRun) -> Job:
    """The run's job."""
    with tenant_scope(tenant):
        return Job.objects.get(id=run.job_id)
