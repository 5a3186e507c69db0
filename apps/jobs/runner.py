"""One job on one worker: lease, heartbeat, handler, result; each write under the fencing token."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psutil
import structlog
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Greatest, Now

from apps.core.errors import AppError
from apps.core.request_context import Actor, RequestContext, bind
from apps.core.scope import SystemRole
from apps.core.tenancy import TenantKey
from apps.jobs import agreement, dispatch, ending, entries, registry, turns
from apps.jobs.ending import Ended
from apps.jobs.errors import JobRefused, LeaseLost, MessageRefused, TryLater
from apps.jobs.models import Job, JobState
from apps.jobs.progress import LEASE_SECONDS, Progress
from tenants.context import system_scope, tenant_scope
from tenants.models import Tenant, TenantState

log = structlog.get_logger(__name__)
HEARTBEAT_SECONDS = 2  # a cancelled job ends within that and the time a process takes to end
LEASE = timedelta(seconds=LEASE_SECONDS)
STOPPED = 75  # the exit code of a process whose job was taken from it


def run(*, job_id: uuid.UUID, schema: str) -> None:
    """A message rang for the job ``job_id``: do the one of its queue whose turn it is, which need not be that one.

    ``schema`` is what the message says whose job it is. Job, message and tenant must agree, else it is refused. A doubled
    or late message finds nothing to do.
    """
    job = _find(job_id)
    if job is None:
        log.info("job_not_there", job=str(job_id))
        return
    try:
        agreement.check(job, schema)
    except JobRefused as error:
        agreement.refuse(job, error)
        if isinstance(error, MessageRefused):
            return
    turn = turns.take(job.queue)
    if turn is None:
        log.info("no_job_to_do", rung_for=str(job_id))
        return
    _perform(*turn)


def _find(job_id: uuid.UUID) -> Job | None:
    with system_scope(SystemRole.DISPATCHER):
        return Job.objects.filter(id=job_id).first()


def _perform(job: Job, key: TenantKey) -> None:
    with structlog.contextvars.bound_contextvars(
        job=job.public_id, kind=job.kind, attempt=job.attempt, request_id=job.request_id
    ):
        log.info("job_started")
        _finish(job, _outcome(job, key))
        dispatch.dispatch_quietly()


def _active_tenants() -> QuerySet[Tenant, Any]:
    return Tenant.objects.filter(state=TenantState.ACTIVE).values("id")


def _outcome(job: Job, key: TenantKey) -> dict[str, Any]:
    """The columns that the job ends with."""
    try:
        with _heartbeat(job):
            result = _call(job, key)
        return {"state": JobState.SUCCEEDED, "result": result, "error": None, "percent": 100, "stage": "Done"}
    except AppError as error:
        log.info("job_failed", code=error.code, detail=error.detail)
        return ending.failed(error.code, error.title, error.detail)
    except TryLater as error:
        log.info("job_put_off", seconds=error.seconds, reason=error.reason)
        return {
            "state": JobState.QUEUED,
            "dispatched_at": None,
            "not_before": Now() + timedelta(seconds=error.seconds),
            "attempt": F("attempt") - 1,
            "stage": error.reason[:120],
        }
    except LeaseLost:
        log.warning("job_lease_lost")
        return {}
    except Exception as error:
        log.exception("job_crashed")
        return _retry_or_fail(job, error)


def _call(job: Job, key: TenantKey) -> dict[str, Any]:
    actor = Actor(job.actor_type or "system", job.actor_id, job.actor_label)  # type: ignore[arg-type]
    progress = Progress(job_id=job.id, fencing_token=job.fencing_token, attempt=job.attempt)
    with bind(RequestContext(request_id=job.request_id, actor=actor)), tenant_scope(key):
        return registry.get(job.kind)(job.payload, progress)


def _retry_or_fail(job: Job, error: Exception) -> dict[str, Any]:
    if job.attempt < job.max_attempts:
        return {
            "state": JobState.QUEUED,
            "dispatched_at": None,
            "stage": f"Failed at attempt {job.attempt}; waiting to be tried again",
        }
    return ending.failed(
        "job_crashed",
        "The work failed unexpectedly",
        f"{type(error).__name__}: {str(error)[:300]}. Tried {job.attempt} times.",
    )


def _finish(job: Job, columns: dict[str, Any]) -> None:
    if not columns:
        return
    connection.close_if_unusable_or_obsolete()  # the handler may have failed because the database went away
    with system_scope(SystemRole.DISPATCHER), transaction.atomic():
        if columns["state"] == JobState.QUEUED:
            written = _mine(job).update(lease_until=None, **columns)
            _note(job, columns["stage"])
        elif written := ending.end(_mine(job), columns):
            why = (columns["error"] or {}).get("detail", "")
            ending.tell([_ended(job, columns["state"], why)])
    log.info("job_ended", state=str(columns["state"]), written=bool(written))


def _ended(job: Job, state: str, why: str) -> Ended:
    return Ended(job.id, job.tenant_id, job.kind, state, why)


def _note(job: Job, text: str) -> None:
    entries.note(job_id=job.id, tenant_id=job.tenant_id, text=text, level="warning", attempt=job.attempt)


def _mine(job: Job) -> QuerySet[Job]:
    return Job.objects.filter(id=job.id, fencing_token=job.fencing_token, state=JobState.RUNNING)


@contextlib.contextmanager
def _heartbeat(job: Job) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=_beat, args=(job, stop), name=f"heartbeat-{job.id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=HEARTBEAT_SECONDS)


def _beat(job: Job, stop: threading.Event) -> None:
    """Renew the lease; when it is not ours any more, end this process: only so does running work stop."""
    began = time.monotonic()
    try:
        while not stop.wait(HEARTBEAT_SECONDS):
            try:
                alive = _renew(job, time.monotonic() - began)
            except DatabaseError as error:
                # The lease outlives six missed beats; if the database stays away, the next one finds it lost.
                log.warning("heartbeat_missed", error=str(error))
                connection.close()
                continue
            if not alive and not stop.is_set():
                log.warning("job_stopped_by_heartbeat", job=job.public_id)
                os._exit(STOPPED)
    finally:
        connection.close()


def _renew(job: Job, seconds: float) -> bool:
    """Renew the lease; False where the work must stop: cancelled, too long, the tenant not active, or another's."""
    with system_scope(SystemRole.DISPATCHER), transaction.atomic():
        if seconds < _most_seconds(job):
            open_job = _mine(job).filter(cancel_requested_at=None, tenant_id__in=_active_tenants())
            peak = Greatest("peak_rss_bytes", Value(resident_bytes()))
            if open_job.update(lease_until=Now() + LEASE, peak_rss_bytes=peak):
                return True
        _end_running(job, seconds)
        return False


def _most_seconds(job: Job) -> int:
    return min(job.timeout_seconds or settings.JOB_SECONDS, settings.JOB_SECONDS)


def resident_bytes() -> int:
    """Memory that this process and its children hold now."""
    process = psutil.Process()
    held = 0
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended while we looked
            held += each.memory_info().rss
    return held


def _end_running(job: Job, seconds: float) -> None:
    cancelled = _mine(job).exclude(cancel_requested_at=None)
    if ending.end(cancelled, {"state": JobState.CANCELLED, "stage": "Cancelled"}):
        ending.tell([_ended(job, JobState.CANCELLED, "")])
        return
    if seconds >= _most_seconds(job):
        detail = f"The work was stopped after {_in_words(_most_seconds(job))}. It is not tried again."
        columns, action = ending.failed("job_too_long", "The work took too long", detail), "job.failed"
    else:
        detail = agreement.reason(Tenant.objects.filter(id=job.tenant_id).first())
        columns, action = agreement.refused(detail), agreement.REFUSED
    if ending.end(_mine(job), columns):
        ending.tell([_ended(job, JobState.FAILED, detail)], action=action)


def _in_words(seconds: int) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.0f} minutes"
