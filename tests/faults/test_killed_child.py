"""A real worker whose child is killed in the middle of a training does the job again, once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from mlflow import MlflowClient

from apps.jobs import dispatch
from apps.jobs.models import Job
from apps.registry.models import ModelVersion
from apps.training import services
from tenants.context import tenant_scope
from tests import factories, trained
from tests.faults.running import child_of, wait
from tests.jobs.conftest import change, row
from tests.training.conftest import mlflow

__all__ = ["mlflow"]
pytestmark = pytest.mark.stack


@pytest.fixture
def worker(committed: None) -> Iterator[int]:
    """A Celery worker of all queues with one child; its pid."""
    queues = ["-Q", "training,interactive,default", "-c", "1", "--without-gossip", "--without-mingle"]
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "config.celery", "worker", *queues, "-n", "faults@%h"],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield process.pid
    process.terminate()
    process.wait(30)


def test_a_training_whose_worker_was_killed_is_done_again_once(worker: int, mlflow: MlflowClient) -> None:
    acme = factories.tenant("acme").key
    with tenant_scope(acme):
        slug = trained.dataset("Sales").slug
        run = services.start(dataset_slug=slug, horizon=6, candidates=["auto_ets"])
    job = Job(id=run.job_id)
    wait(lambda: row(job).percent > 1, 90, "progress")
    killed = child_of(worker)
    killed.kill()
    wait(lambda: not killed.is_running(), 10, "the end of the child")
    assert row(job).state == "running", "its lease still runs"

    # Here the test stands for the clock: half a minute passes, and the sweep comes round.
    change(job, lease_until=timezone.now() - timedelta(seconds=1))
    dispatch.sweep()
    wait(lambda: row(job).is_final, 90, "the end")
    assert (row(job).state, row(job).attempt) == ("succeeded", 2), row(job).error
    with tenant_scope(acme):
        version = ModelVersion.objects.get()
    assert version.number == 1
    mirrored = mlflow.search_model_versions(f"name = '{version.mlflow_name}'")
    assert [found.tags["almanac.job_id"] for found in mirrored].count(str(run.job_id)) == 1
    assert child_of(worker).pid != killed.pid
