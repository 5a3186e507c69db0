"""Every end of a job is told once: in its log, in the outbox, and a bad one in the audit log."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.events.models import Event
from apps.jobs import Progress, dispatch, entries, runner, services
from apps.jobs.errors import JobFinished, JobOpen, TryLater
from apps.jobs.models import Job, JobEntry
from tenants.context import system_scope, tenant_scope
from tests import factories
from tests.jobs.conftest import change, perform, row
from tests.jobs.test_agreement import acme_is, noted
from tests.jobs.test_runner import TooHot
from tests.jobs.test_stopping import STOPPED_BY_HEARTBEAT, working

Enqueue = Callable[..., Job]
Does = Callable[..., None]


def told() -> list[tuple[str, str]]:
    """Type and job of what the outbox says of jobs, oldest first."""
    with system_scope("operator"):
        found = Event.objects.filter(type__startswith="job.").order_by("occurred_at", "id")
        return [(event.type, event.data["id"]) for event in found]


def log_of(job: Job) -> list[str]:
    with system_scope("operator"):
        return list(JobEntry.objects.filter(job_id=job.id).order_by("id").values_list("text", flat=True))


def fail(error: Exception) -> Any:
    def work(_payload: dict[str, Any], _progress: Progress) -> dict[str, Any]:
        raise error

    return work


def test_a_success_is_told(enqueue: Enqueue, does: Does) -> None:
    def work(_payload: dict[str, Any], progress: Progress) -> dict[str, Any]:
        progress("Counting", 10)
        progress.log("There are 7", level="warning")
        return {}

    does(work)
    job = enqueue()
    perform(job)
    assert told() == [("job.succeeded", job.public_id)]
    assert log_of(job) == ["Queued", "Attempt 1 of 3 begins", "Counting", "There are 7", "Succeeded"]


def test_an_error_of_ours_is_told_with_its_words(enqueue: Enqueue, does: Does) -> None:
    does(fail(TooHot(degrees=41)))
    job = enqueue()
    perform(job)
    assert told() == [("job.failed", job.public_id)]
    assert log_of(job)[-1] == "Failed: It is 41 degrees."
    assert noted() == [("job.failed", job.public_id, "failure")]


def test_each_attempt_that_crashed_stands_in_the_log_and_only_the_last_is_told(
    enqueue: Enqueue, does: Does
) -> None:
    does(fail(ZeroDivisionError("by nothing")))
    job = enqueue()
    for _ in range(3):
        perform(job)
    assert told() == [("job.failed", job.public_id)]
    assert log_of(job)[1:] == [
        "Attempt 1 of 3 begins",
        "Failed at attempt 1; waiting to be tried again",
        "Attempt 2 of 3 begins",
        "Failed at attempt 2; waiting to be tried again",
        "Attempt 3 of 3 begins",
        "Failed: ZeroDivisionError: by nothing. Tried 3 times.",
    ]


def test_a_queued_job_that_is_cancelled_is_told(enqueue: Enqueue) -> None:
    job = enqueue()
    with tenant_scope(factories.tenant("acme").key):
        services.cancel(job_id=job.id)
    assert told() == [("job.cancelled", job.public_id)]
    assert log_of(job) == ["Queued", "Asked to end", "Cancelled"]


def test_a_running_job_that_is_cancelled_is_told(enqueue: Enqueue) -> None:
    job = enqueue()
    with working(job) as process:
        with tenant_scope(factories.tenant("acme").key):
            services.cancel(job_id=job.id)
        assert process.wait(20) == STOPPED_BY_HEARTBEAT
    assert told() == [("job.cancelled", job.public_id)]


@pytest.mark.parametrize("attempt", [1, 3])
def test_a_cancelled_job_whose_worker_died_is_told(enqueue: Enqueue, attempt: int) -> None:
    job = enqueue()
    change(
        job,
        state="running",
        attempt=attempt,
        cancel_requested_at=timezone.now(),
        lease_until=timezone.now() - timedelta(seconds=1),
    )
    dispatch.sweep()
    assert told() == [("job.cancelled", job.public_id)]


def test_a_refusal_is_told(enqueue: Enqueue) -> None:
    job = enqueue()
    with acme_is("suspended"):
        perform(job)
    assert told() == [("job.failed", job.public_id)]
    assert noted() == [("job.refused", job.public_id, "failure")]


def test_a_dead_letter_says_how_much_memory_was_seen(enqueue: Enqueue) -> None:
    job = enqueue()
    change(
        job,
        state="running",
        attempt=3,
        peak_rss_bytes=3_210_000_000,
        lease_until=timezone.now() - timedelta(seconds=1),
    )
    dispatch.sweep()
    assert "the most it was seen to hold was 3210 MB" in row(job).error["detail"]
    assert told() == [("job.failed", job.public_id)]


def test_the_heartbeat_notes_the_most_memory_that_was_held(
    enqueue: Enqueue, does: Does, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "HEARTBEAT_SECONDS", 0.02)
    held = iter([5_000_000_000, *[1] * 10_000])
    monkeypatch.setattr(runner, "resident_bytes", lambda: next(held))

    def work(_payload: dict[str, Any], progress: Progress) -> dict[str, Any]:
        while row(progress.job_id).peak_rss_bytes == 0:
            pass
        return {}

    does(work)
    job = enqueue()
    perform(job)
    assert row(job).peak_rss_bytes == 5_000_000_000


def test_memory_is_that_of_the_process_and_its_children() -> None:
    import psutil

    assert runner.resident_bytes() >= psutil.Process(os.getpid()).memory_info().rss * 0.9


def test_what_is_put_off_waits_and_uses_up_no_attempt(enqueue: Enqueue, does: Does) -> None:
    does(fail(TryLater(30, "Waiting for MLflow")))
    job = enqueue()
    for _ in range(4):
        change(job, not_before=None)
        perform(job)
    waiting = row(job)
    assert (waiting.state, waiting.attempt, waiting.stage) == ("queued", 0, "Waiting for MLflow")
    assert timedelta(seconds=20) < waiting.not_before - timezone.now() <= timedelta(seconds=30)
    assert (waiting.fencing_token, told()) == (4, [])


def test_a_job_that_failed_is_done_after_all(enqueue: Enqueue, does: Does) -> None:
    does(fail(TooHot(degrees=41)))
    job = enqueue()
    perform(job)
    does(lambda _payload, _progress: {"ok": True})
    with tenant_scope(factories.tenant("acme").key):
        again = services.retry(job_id=job.id)
    assert (again.state, again.error, again.finished_at, again.max_attempts) == ("queued", None, None, 4)
    perform(job)
    done = row(job)
    assert (done.state, done.result, done.attempt, done.fencing_token) == ("succeeded", {"ok": True}, 2, 2)
    assert told() == [("job.failed", job.public_id), ("job.succeeded", job.public_id)]
    assert log_of(job)[3:5] == ["Asked to be tried again", "Queued again"]


def test_a_cancelled_job_is_done_after_all(enqueue: Enqueue) -> None:
    job = enqueue()
    with tenant_scope(factories.tenant("acme").key):
        services.cancel(job_id=job.id)
        services.retry(job_id=job.id)
    perform(job)
    assert row(job).state == "succeeded"


def test_what_is_open_or_succeeded_is_not_tried_again(enqueue: Enqueue) -> None:
    job = enqueue()
    with tenant_scope(factories.tenant("acme").key):
        with pytest.raises(JobOpen, match="still queued"):
            services.retry(job_id=job.id)
        perform(job)
        with pytest.raises(JobFinished, match="already succeeded"):
            services.retry(job_id=job.id)


def test_another_tenants_log_is_not_there(enqueue: Enqueue) -> None:
    job = enqueue("acme")
    with tenant_scope(factories.tenant("globex").key):
        assert not JobEntry.objects.exists()
    with tenant_scope(factories.tenant("acme").key):
        assert JobEntry.objects.filter(job_id=job.id).exists()


def test_a_handler_that_writes_without_end_fills_no_table(enqueue: Enqueue, does: Does) -> None:
    def work(_payload: dict[str, Any], progress: Progress) -> dict[str, Any]:
        for number in range(1010):
            progress.log(f"line {number}")
        progress("Still at it", 50)
        assert row(progress.job_id).stage == "Still at it"
        return {}

    does(work)
    job = enqueue()
    perform(job)
    assert row(job).state == "succeeded", row(job).error
    assert len(log_of(job)) == 1003


def test_old_lines_are_forgotten(enqueue: Enqueue) -> None:
    from django.db import connections

    job = enqueue()
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE jobs_jobentry SET created_at = now() - interval '91 days'")
    services_job = enqueue()
    assert entries.forget_old() == 1
    assert (log_of(job), log_of(services_job)) == ([], ["Queued"])
