"""Work that runs is ended from outside: the worker's process stops by itself, whatever it is doing."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings

from apps.jobs import services, tasks
from apps.jobs.models import Job
from tenants.context import tenant_scope
from tests import factories
from tests.jobs.conftest import change, row
from tests.jobs.test_agreement import acme_is, noted

STOPPED_BY_HEARTBEAT = 75
# A worker's child with one job in hand, which it would do for a minute without looking up.
WORKER = """
import sys, time, uuid
import django
django.setup()
from apps.jobs import registry, runner
runner.HEARTBEAT_SECONDS = 0.1
registry.handler("tests.work")(lambda payload, progress: time.sleep(60) or {})
runner.run(job_id=uuid.UUID(sys.argv[1]), schema=sys.argv[2])
"""


@contextlib.contextmanager
def working(job: Job) -> Iterator[subprocess.Popen[bytes]]:
    """A process that does the job, from the moment that it holds the lease."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(job.id), factories.tenant("acme").schema_name],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"},
    )
    try:
        deadline = time.monotonic() + 60
        while row(job).state != "running":
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_running_job_that_is_cancelled_ends_within_seconds(enqueue: Callable[..., Job]) -> None:
    job = enqueue()
    with working(job) as process:
        with tenant_scope(factories.tenant("acme").key):
            assert services.cancel(job_id=job.id).state == "running"
        assert process.wait(20) == STOPPED_BY_HEARTBEAT
    after = row(job)
    assert (after.state, after.stage, after.lease_until, after.error) == (
        "cancelled",
        "Cancelled",
        None,
        None,
    )
    assert after.finished_at is not None


def test_a_worker_whose_job_another_one_took_stops_and_changes_nothing(enqueue: Callable[..., Job]) -> None:
    job = enqueue()
    with working(job) as process:
        change(job, fencing_token=9, stage="Somebody else's")
        assert process.wait(20) == STOPPED_BY_HEARTBEAT
    assert (row(job).state, row(job).stage, row(job).fencing_token) == ("running", "Somebody else's", 9)


@pytest.mark.parametrize("state", ["suspended", "deleting"])
def test_a_running_job_ends_within_a_heartbeat_of_its_tenants_doors_being_closed(
    enqueue: Callable[..., Job], state: str
) -> None:
    job = enqueue()
    with working(job) as process, acme_is(state):
        assert process.wait(20) == STOPPED_BY_HEARTBEAT
    after = row(job)
    assert (after.state, after.error["code"], after.lease_until) == ("failed", "job_refused", None)
    assert state in after.error["detail"]
    assert noted() == [("job.refused", job.public_id, "failure")]


def test_a_job_that_takes_too_long_is_ended_with_a_reason_and_not_tried_again(
    enqueue: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALMANAC_JOB_SECONDS", "1")
    job = enqueue()
    with working(job) as process:
        assert process.wait(20) == STOPPED_BY_HEARTBEAT
    after = row(job)
    assert (after.state, after.error["code"], after.attempt) == ("failed", "job_too_long", 1)
    assert noted() == [("job.failed", job.public_id, "failure")]


def test_no_worker_grows_without_bound() -> None:
    assert 0 < settings.CELERY_WORKER_MAX_MEMORY_PER_CHILD <= 2_000_000
    assert settings.CELERY_WORKER_MAX_TASKS_PER_CHILD <= 1000
    assert 0 < settings.CELERY_TASK_TIME_LIMIT <= 3600
    assert tasks.run.time_limit > settings.JOB_SECONDS, "the job's own end comes first, with a reason"


@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_a_job_that_ended_is_not_cancelled(enqueue: Callable[..., Job], state: str) -> None:
    from apps.jobs.errors import JobFinished

    job = enqueue()
    change(job, state=state)
    with tenant_scope(factories.tenant("acme").key), pytest.raises(JobFinished, match=f"already {state}"):
        services.cancel(job_id=job.id)
    assert row(job).cancel_requested_at is None
