"""Which job is announced when: fair, capped, and never lost, whatever becomes of Redis."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psutil
import pytest
from django.db import transaction
from django.utils import timezone

from apps.core import redis
from apps.jobs import dispatch, holders, queries, services
from apps.jobs.errors import JobFinished
from apps.jobs.models import Job
from config.celery import app as celery_app
from tenants.context import system_scope, tenant_scope
from tenants.models import TenantLimits
from tests import factories
from tests.jobs.conftest import announced, change, perform, row

Enqueue = Callable[..., Job]


def cap(slug: str, running_jobs: int) -> None:
    with system_scope("operator"):
        TenantLimits.objects.filter(tenant_id=factories.tenant(slug).id).update(running_jobs=running_jobs)


def expire(job: Job) -> None:
    change(job, state="running", lease_until=timezone.now() - timedelta(seconds=1))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids in the order in which they are announced."""
    ids: list[str] = []
    monkeypatch.setattr(celery_app, "send_task", lambda _name, args, queue: ids.append(f"{queue}:{args[0]}"))
    return ids


def test_a_job_is_announced_when_its_transaction_commits_and_not_before(enqueue: Enqueue) -> None:
    with tenant_scope(factories.tenant("acme").key), transaction.atomic():
        job = services.enqueue(kind="tests.work", payload={}, queue="interactive")
        assert announced("interactive") == 0
    assert announced("interactive") == 1
    assert row(job).dispatched_at is not None


def test_a_job_of_a_transaction_that_fails_never_was(enqueue: Enqueue) -> None:
    def fail() -> None:
        with tenant_scope(factories.tenant("acme").key), transaction.atomic():
            services.enqueue(kind="tests.work", payload={}, queue="training")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert announced() == 0
    with system_scope("operator"):
        assert Job.objects.count() == 0


def test_tenants_take_turns_however_many_jobs_one_of_them_queued(enqueue: Enqueue, sent: list[str]) -> None:
    with system_scope("operator"):
        TenantLimits.objects.update(running_jobs=0)
    many, few = [enqueue("acme") for _ in range(3)], [enqueue("globex") for _ in range(2)]
    cap("acme", 3)
    cap("globex", 3)
    assert dispatch.dispatch() == 5
    expected = [many[0], few[0], many[1], few[1], many[2]]
    assert sent == [f"training:{job.id}" for job in expected]


def test_a_plan_caps_how_many_jobs_of_a_tenant_run_at_the_same_time(
    enqueue: Enqueue, sent: list[str]
) -> None:
    cap("acme", 2)
    jobs = [enqueue("acme") for _ in range(4)]
    other = enqueue("globex")
    assert sent == [f"training:{job.id}" for job in (*jobs[:2], other)]
    change(jobs[0], state="running", lease_until=timezone.now() + timedelta(seconds=30))
    assert dispatch.dispatch() == 0
    change(jobs[0], state="succeeded")
    assert dispatch.dispatch() == 1
    assert sent[-1] == f"training:{jobs[2].id}"


def test_the_queues_of_a_tenant_do_not_hold_each_other_up(enqueue: Enqueue, sent: list[str]) -> None:
    jobs = [enqueue(queue=queue) for queue in ("training", "training", "interactive")]
    assert sent == [f"training:{jobs[0].id}", f"interactive:{jobs[2].id}"]


def test_with_redis_away_the_job_stays_and_is_announced_later(
    enqueue: Enqueue, redis_away: Callable[[], Callable[[], None]]
) -> None:
    come_back = redis_away()
    began = time.monotonic()
    job = enqueue()
    assert time.monotonic() - began < 5, "who asks must not wait long for Redis"
    assert (row(job).state, row(job).dispatched_at) == ("queued", None)
    come_back()
    assert announced() == 0
    dispatch.sweep()
    assert announced() == 1
    perform(job)
    assert row(job).state == "succeeded"


def test_a_message_that_was_lost_is_announced_again_within_seconds(enqueue: Enqueue) -> None:
    job = enqueue()
    redis.client().flushdb()
    dispatch.sweep()
    assert announced() == 0
    change(job, dispatched_at=timezone.now() - timedelta(seconds=6))
    dispatch.sweep()
    assert announced() == 1
    change(job, dispatched_at=timezone.now() - timedelta(seconds=6))
    dispatch.sweep()
    assert announced() == 1, "who rings for what is on its way would fill the broker while workers are busy"


def test_what_a_dead_worker_held_is_queued_and_announced_again(enqueue: Enqueue) -> None:
    job = enqueue()
    redis.client().flushdb()
    change(job, attempt=1)
    expire(job)
    dispatch.sweep()
    after = row(job)
    assert (after.state, after.attempt, after.lease_until, announced()) == ("queued", 1, None, 1)
    assert after.stage == "Waiting to be tried again"


def test_a_lease_that_has_not_ended_is_left_alone(enqueue: Enqueue) -> None:
    job = enqueue()
    change(job, state="running", attempt=3, lease_until=timezone.now() + timedelta(seconds=5))
    dispatch.sweep()
    assert row(job).state == "running"


def test_a_job_whose_worker_died_three_times_is_given_up_with_a_reason(enqueue: Enqueue) -> None:
    job = enqueue()
    change(job, attempt=3)
    expire(job)
    dispatch.sweep()
    dead = row(job)
    assert (dead.state, dead.error["code"], dead.lease_until) == ("failed", "job_lost", None)
    assert "3 times" in dead.error["detail"]
    assert dead.finished_at is not None


def test_cancelling_a_queued_job_ends_it_at_once(enqueue: Enqueue) -> None:
    job = enqueue()
    with tenant_scope(factories.tenant("acme").key):
        after = services.cancel(job_id=job.id)
        assert (after.state, after.stage) == ("cancelled", "Cancelled")
        with pytest.raises(JobFinished, match="already cancelled"):
            services.cancel(job_id=job.id)
    perform(job)
    assert (row(job).state, row(job).attempt) == ("cancelled", 0)


def test_a_cancelled_job_whose_worker_died_is_not_tried_again(enqueue: Enqueue) -> None:
    for attempt in (1, 3):
        job = enqueue()
        change(job, attempt=attempt, cancel_requested_at=timezone.now())
        expire(job)
        dispatch.sweep()
        assert (row(job).state, row(job).error) == ("cancelled", None)
        assert row(job).finished_at is not None


def test_a_cancelled_job_is_not_leased_by_a_late_message(enqueue: Enqueue) -> None:
    job = enqueue()
    change(job, attempt=1, cancel_requested_at=timezone.now())
    expire(job)
    perform(job)
    assert (row(job).state, row(job).attempt) == ("running", 1)


def test_another_tenants_jobs_are_not_there(enqueue: Enqueue) -> None:
    from apps.core.errors import NotFound

    job = enqueue("acme")
    with tenant_scope(factories.tenant("globex").key):
        assert queries.count_open() == 0
        assert not queries.list_jobs().exists()
        with pytest.raises(NotFound):
            queries.get_job(job_id=job.id)
        with pytest.raises(NotFound):
            services.cancel(job_id=job.id)


def test_two_dispatchers_at_once_announce_each_job_once(enqueue: Enqueue, sent: list[Any]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections

    with system_scope("operator"):
        TenantLimits.objects.update(running_jobs=0)
    jobs = [enqueue() for _ in range(6)]
    cap("acme", 4)

    def work(_number: int) -> int:
        count = dispatch.dispatch()
        connections.close_all()
        return count

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 4
    assert sorted(sent) == sorted(f"training:{job.id}" for job in jobs[:4])


def test_a_killed_process_of_this_host_is_seen_before_its_lease_ends(enqueue: Enqueue) -> None:
    killed = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    began = psutil.Process(killed.pid).create_time()
    holder = f"{socket.gethostname()}/{killed.pid}/{began:.1f}"
    job = enqueue()
    lease = timezone.now() + timedelta(seconds=30)
    change(job, state="running", attempt=1, lease_until=lease, holder=holder)
    dispatch.sweep()
    assert row(job).state == "running"
    killed.kill()
    killed.wait()
    dispatch.sweep()
    assert (row(job).state, row(job).attempt) == ("queued", 1)


@pytest.mark.parametrize("holder", ["", "elsewhere/1/5.0", "elsewhere/999999/5.0", "odd"])
def test_a_lease_whose_holder_nothing_is_known_of_runs_on(enqueue: Enqueue, holder: str) -> None:
    job = enqueue()
    change(job, state="running", attempt=1, lease_until=timezone.now() + timedelta(seconds=30), holder=holder)
    dispatch.sweep()
    assert row(job).state == "running"


def test_a_number_that_was_given_again_is_another_process(enqueue: Enqueue) -> None:
    assert holders.is_dead(f"{socket.gethostname()}/{os.getpid()}/5.0")
    assert not holders.is_dead(holders.me())
