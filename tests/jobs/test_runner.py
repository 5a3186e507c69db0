"""One job on one worker: leased once, fenced, beating, retried three times at most."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone

from apps.core import request_context, scope
from apps.core.errors import AppError, Kind
from apps.core.request_context import Actor, RequestContext
from apps.jobs import Progress, dispatch, progress, runner
from apps.jobs.errors import LeaseLost
from apps.jobs.models import Job
from tenants.context import tenant_scope
from tests import factories
from tests.jobs.conftest import change, perform, row

Enqueue = Callable[..., Job]
Does = Callable[..., None]


class TooHot(AppError):
    """An error that a customer can do something about."""

    kind = Kind.UNPROCESSABLE
    code = "too_hot"
    title = "Too hot"
    template = "It is {degrees} degrees."


def expired() -> Any:
    return timezone.now() - timedelta(seconds=1)


def elsewhere(function: Callable[[], object]) -> None:
    """Call it as another worker would: in a thread with a connection and a context of its own."""

    def work() -> None:
        function()
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()


def test_a_job_runs_in_its_tenants_scope_as_whoever_asked_and_keeps_its_result(
    enqueue: Enqueue, does: Does
) -> None:
    seen: list[Any] = []

    def work(payload: dict[str, Any], report: Progress) -> dict[str, Any]:
        seen.append((scope.current_tenant(), request_context.current().actor, payload))
        report("Half way", 50)
        seen.append((row(report.job_id).stage, row(report.job_id).percent))
        return {"answer": 42}

    does(work)
    alice = Actor("user", "7", "alice@acme.example")
    with request_context.bind(RequestContext(request_id="req_12345678", actor=alice)):
        job = enqueue(payload={"n": 1}, title="Work")
    assert (job.state, job.request_id) == ("queued", "req_12345678")
    perform(job)
    done = row(job)
    assert seen == [(factories.tenant("acme").key, alice, {"n": 1}), ("Half way", 50.0)]
    assert (done.state, done.result, done.error, done.percent, done.attempt) == (
        "succeeded",
        {"answer": 42},
        None,
        100,
        1,
    )
    assert done.lease_until is None
    assert done.started_at is not None
    assert done.finished_at is not None


def test_a_doubled_message_does_nothing(enqueue: Enqueue, does: Does) -> None:
    calls: list[int] = []
    does(lambda _payload, _progress: calls.append(1) or {})
    job = enqueue()
    perform(job)
    before = row(job)
    perform(job)
    assert calls == [1]
    assert (row(job).attempt, row(job).finished_at) == (1, before.finished_at)


def test_a_doubled_message_while_the_job_runs_does_nothing(enqueue: Enqueue, does: Does) -> None:
    calls: list[int] = []

    def work(_payload: dict[str, Any], report: Progress) -> dict[str, Any]:
        calls.append(1)
        if len(calls) == 1:
            elsewhere(lambda: perform(report.job_id))
        return {}

    does(work)
    job = enqueue()
    perform(job)
    assert calls == [1]
    assert (row(job).state, row(job).attempt) == ("succeeded", 1)


def test_whoever_lost_the_lease_writes_neither_progress_nor_effects_nor_result(
    enqueue: Enqueue, does: Does
) -> None:
    """The first worker hangs until its lease ends; a second does the job; then the first wakes up."""
    refused: list[str] = []

    def work(_payload: dict[str, Any], report: Progress) -> dict[str, Any]:
        if report.fencing_token > 1:
            return {"by": "second"}
        change(Job(id=report.job_id), lease_until=expired())
        elsewhere(lambda: perform(report.job_id))
        with pytest.raises(LeaseLost):
            report("I am still here", 99)
        with pytest.raises(LeaseLost), transaction.atomic():
            report.hold()
        refused.append("both")
        return {"by": "first"}

    does(work)
    job = enqueue()
    perform(job)
    after = row(job)
    assert refused == ["both"]
    assert (after.state, after.result, after.attempt) == ("succeeded", {"by": "second"}, 2)
    assert (after.fencing_token, after.stage) == (2, "Done")


def test_a_lost_lease_that_the_handler_lets_through_ends_quietly(enqueue: Enqueue, does: Does) -> None:
    def work(_payload: dict[str, Any], report: Progress) -> dict[str, Any]:
        change(Job(id=report.job_id), fencing_token=7, stage="Somebody else's")
        report("Mine", 10)
        return {}

    does(work)
    job = enqueue()
    perform(job)
    assert (row(job).state, row(job).stage, row(job).error) == ("running", "Somebody else's", None)


def test_the_heartbeat_renews_the_lease_while_the_handler_works(
    enqueue: Enqueue, does: Does, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "HEARTBEAT_SECONDS", 0.05)
    leases: list[Any] = []

    def work(_payload: dict[str, Any], report: Progress) -> dict[str, Any]:
        change(Job(id=report.job_id), lease_until=timezone.now() + timedelta(seconds=2))
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            leases.append(row(report.job_id).lease_until - timezone.now())
            if leases[-1] > timedelta(seconds=20):
                return {}
            time.sleep(0.05)
        raise AssertionError("the lease was not renewed")

    does(work)
    job = enqueue()
    perform(job)
    assert row(job).state == "succeeded", row(job).error
    assert leases[-1] <= timedelta(seconds=progress.LEASE_SECONDS)
    assert "heartbeat" not in " ".join(thread.name for thread in threading.enumerate())


def test_an_error_of_ours_ends_the_job_at_once_and_is_told(enqueue: Enqueue, does: Does) -> None:
    def work(_payload: dict[str, Any], _report: Progress) -> dict[str, Any]:
        raise TooHot(degrees=41)

    does(work)
    job = enqueue()
    perform(job)
    assert (row(job).state, row(job).attempt) == ("failed", 1)
    assert row(job).error == {"code": "too_hot", "title": "Too hot", "detail": "It is 41 degrees."}


def test_a_crash_is_tried_three_times_then_the_tenant_is_told_why(enqueue: Enqueue, does: Does) -> None:
    def work(_payload: dict[str, Any], _report: Progress) -> dict[str, Any]:
        raise ZeroDivisionError("by nothing")

    does(work)
    job = enqueue()
    for attempt in (1, 2):
        perform(job)
        assert (row(job).state, row(job).attempt, row(job).finished_at) == ("queued", attempt, None)
        assert f"attempt {attempt}" in row(job).stage
        assert row(job).dispatched_at is not None, "the end of the attempt announces the next one"
    perform(job)
    dead = row(job)
    assert (dead.state, dead.attempt, dead.error["code"]) == ("failed", 3, "job_crashed")
    assert "ZeroDivisionError: by nothing" in dead.error["detail"]
    assert "Tried 3 times" in dead.error["detail"]
    assert dead.finished_at is not None
    perform(job)
    assert row(job).attempt == 3


def test_a_crash_that_goes_away_is_forgotten(enqueue: Enqueue, does: Does) -> None:
    def work(_payload: dict[str, Any], report: Progress) -> dict[str, Any]:
        if report.fencing_token == 1:
            raise OSError("no route")
        return {"ok": True}

    does(work)
    job = enqueue()
    perform(job)
    perform(job)
    assert (row(job).state, row(job).error, row(job).result) == ("succeeded", None, {"ok": True})


def test_the_jobs_of_a_suspended_tenant_are_refused(enqueue: Enqueue, does: Does) -> None:
    ran: list[int] = []
    does(lambda _payload, _progress: ran.append(1) or {})
    job = enqueue()
    from tenants import services as tenants
    from tenants.context import system_scope

    with system_scope("operator"):
        tenants.suspend(tenant_id=job.tenant_id, reason="unpaid")
    perform(job)
    assert not ran
    assert (row(job).state, row(job).error["code"]) == ("failed", "job_refused")
    assert "suspended" in row(job).error["detail"]


def test_progress_that_says_nothing_new_costs_no_statement(
    enqueue: Enqueue, django_assert_num_queries: Any
) -> None:
    job = enqueue()
    change(job, state="running", fencing_token=1)
    report = Progress(job_id=job.id, fencing_token=1)
    with tenant_scope(factories.tenant("acme").key):
        with django_assert_num_queries(1):
            report("Fitting", 10)
            report("Fitting", 10)
            report("Fitting", 11)  # within half a second
        report("x" * 500, 250)
    assert (row(job).stage, row(job).percent) == ("x" * 120, 100)


def test_a_job_that_no_app_knows_is_a_crash_that_names_it(enqueue: Enqueue) -> None:
    job = enqueue(kind="nobody.knows", max_attempts=1)
    perform(job)
    assert row(job).state == "failed"
    assert "nobody.knows" in row(job).error["detail"]


def test_the_end_of_a_job_announces_the_next_one(enqueue: Enqueue) -> None:
    first, second = enqueue(), enqueue()
    assert (row(first).dispatched_at is not None, row(second).dispatched_at) == (True, None)
    perform(first)
    assert row(second).dispatched_at is not None
    assert dispatch.dispatch() == 0
