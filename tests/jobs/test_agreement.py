"""Job, message and tenant must agree: else nothing is run, it is noted in the audit log, and not tried again."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from apps.audit.models import AuditEvent
from apps.core import redis, scope
from apps.core.tenancy import new_schema_name
from apps.jobs import dispatch, runner, tasks, turns
from apps.jobs.models import Job
from tenants.context import system_scope
from tenants.models import Tenant, TenantState
from tests import factories
from tests.jobs.conftest import announced, change, perform, row

Enqueue = Callable[..., Job]
CLOSED = [TenantState.SUSPENDED, TenantState.DELETING, TenantState.GONE]


@pytest.fixture
def ran(does: Callable[..., None]) -> list[Any]:
    """The scopes in which the handler was called."""
    scopes: list[Any] = []
    does(lambda _payload, _progress: scopes.append(scope.current()) or {})
    return scopes


def owner(statement: str, *parameters: Any) -> None:
    """One statement as the owner, past triggers as well: states that no use case reaches."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE tenants_tenant DISABLE TRIGGER USER")
        cursor.execute(statement, parameters)
        cursor.execute("ALTER TABLE tenants_tenant ENABLE TRIGGER USER")


@contextlib.contextmanager
def acme_is(state: str) -> Iterator[None]:
    """acme in another state of its life, for the block."""
    owner("UPDATE tenants_tenant SET state = %s WHERE slug = 'acme'", state)
    try:
        yield
    finally:
        owner("UPDATE tenants_tenant SET state = 'active' WHERE slug = 'acme'")


def noted() -> list[tuple[str, str, str]]:
    """What the audit log says of jobs, oldest first."""
    with system_scope("operator"):
        events = AuditEvent.objects.filter(action__startswith="job.").order_by("occurred_at", "id")
        return [(event.action, event.target_id, event.outcome) for event in events]


@pytest.mark.parametrize("state", CLOSED)
def test_a_queued_job_of_a_tenant_that_is_not_active_is_refused_with_the_reason(
    enqueue: Enqueue, ran: list[Any], state: str
) -> None:
    job = enqueue()
    with acme_is(state):
        perform(job)
        perform(job)
    after = row(job)
    assert (after.state, after.attempt, after.error["code"]) == ("failed", 0, "job_refused")
    assert after.error["detail"] == f"The workspace is {state}; its jobs do not run."
    assert after.finished_at is not None
    assert noted() == [("job.refused", job.public_id, "failure")], "once"
    perform(job)
    assert ran == [], "not tried again, also when the tenant is active again"


def test_a_job_whose_tenant_is_gone_fails_with_a_reason_and_never_runs_in_public(
    enqueue: Enqueue, ran: list[Any]
) -> None:
    job, schema = enqueue(), factories.tenant("acme").schema_name
    change(job, tenant_id=uuid.uuid4())
    runner.run(job_id=job.id, schema=schema)
    assert ran == []
    assert (row(job).state, row(job).error["detail"]) == (
        "failed",
        "The workspace is gone; its jobs do not run.",
    )
    assert noted() == [("job.refused", job.public_id, "failure")]


@pytest.mark.parametrize("state", [*CLOSED, "no row"])
def test_the_sweep_ends_what_waits_for_a_tenant_that_is_not_active(
    enqueue: Enqueue, ran: list[Any], state: str
) -> None:
    """Whether or not a message is on its way, nothing waits for ever."""
    job, other = enqueue("acme"), enqueue("globex")
    redis.client().flushdb()
    change(job, dispatched_at=None)
    if state == "no row":
        change(job, tenant_id=uuid.uuid4())
    with acme_is("active" if state == "no row" else state):
        assert dispatch.dispatch() == 0, "it is not announced"
        dispatch.sweep()
    assert announced() == 0
    assert (row(job).state, row(job).error["code"], row(other).state) == ("failed", "job_refused", "queued")
    assert noted() == [("job.refused", job.public_id, "failure")]


def test_what_a_dead_worker_held_for_a_tenant_that_was_suspended_is_refused(enqueue: Enqueue) -> None:
    job = enqueue()
    change(job, state="running", attempt=1, lease_until=timezone.now() - timedelta(seconds=1))
    with acme_is("suspended"):
        dispatch.sweep()
    assert (row(job).state, row(job).error["code"]) == ("failed", "job_refused")


@pytest.mark.parametrize("whose", ["globex", "nobody", "public", ""])
def test_a_message_with_another_schema_is_refused_and_the_job_waits_for_its_own(
    enqueue: Enqueue, ran: list[Any], whose: str
) -> None:
    job = enqueue("acme")
    schema = {"globex": factories.tenant("globex").schema_name, "nobody": new_schema_name()}.get(whose, whose)
    runner.run(job_id=job.id, schema=schema)
    assert ran == []
    assert (row(job).state, row(job).attempt, row(job).error) == ("queued", 0, None)
    assert noted() == [("job.refused", job.public_id, "failure")]
    perform(job)
    assert [scope.tenant for scope in ran] == [factories.tenant("acme").key]
    assert row(job).state == "succeeded"


def test_a_message_of_an_older_program_is_refused_and_announced_again(
    enqueue: Enqueue, ran: list[Any]
) -> None:
    job = enqueue()
    redis.client().flushdb()
    tasks.run(str(job.id))
    assert (ran, row(job).state) == ([], "queued")
    change(job, dispatched_at=timezone.now() - timedelta(seconds=6))
    dispatch.sweep()
    assert announced() == 1


def test_the_message_names_the_job_and_its_tenants_schema(
    enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    from config.celery import app

    sent: list[Any] = []
    monkeypatch.setattr(app, "send_task", lambda name, args, queue: sent.append((name, args, queue)))
    jobs = [enqueue(slug) for slug in ("acme", "globex")]
    assert sent == [
        ("jobs.run", (str(job.id), factories.tenant(slug).schema_name), "training")
        for job, slug in zip(jobs, ("acme", "globex"), strict=True)
    ]


def test_a_message_of_a_job_that_is_not_there_does_nothing(committed: None) -> None:
    runner.run(job_id=uuid.uuid4(), schema=new_schema_name())
    assert noted() == []


def test_a_late_message_of_a_job_that_ended_changes_nothing(enqueue: Enqueue, ran: list[Any]) -> None:
    job = enqueue()
    perform(job)
    before = row(job)
    with acme_is("suspended"):
        perform(job)
    assert row(job).finished_at == before.finished_at
    assert (len(ran), row(job).state, noted()) == (1, "succeeded", [])


def test_a_tenant_suspended_between_message_and_lease_gets_no_lease(
    enqueue: Enqueue, ran: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = enqueue()
    take = turns.take

    def late(queue: str) -> turns.Turn | None:
        with acme_is("suspended"):
            return take(queue)

    monkeypatch.setattr(turns, "take", late)
    perform(job)
    assert (ran, row(job).state) == ([], "queued")


def test_a_job_given_up_by_the_sweep_is_in_the_audit_log(enqueue: Enqueue) -> None:
    job = enqueue()
    change(job, state="running", attempt=3, lease_until=timezone.now() - timedelta(seconds=1))
    dispatch.sweep()
    assert noted() == [("job.failed", job.public_id, "failure")]


def test_the_tenants_that_the_tests_change_are_active_again(committed: None) -> None:
    with system_scope("operator"):
        assert set(Tenant.objects.filter(slug__isnull=False).values_list("state", flat=True)) == {"active"}
