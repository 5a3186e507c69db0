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

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from apps.core.errors import AppError
from apps.core.request_context import Actor, RequestContext, bind
from apps.core.scope import SystemRole
from apps.core.tenancy import TenantKey
from apps.jobs import agreement, dispatch, registry
from apps.jobs.errors import JobRefused, LeaseLost
from apps.jobs.models import Job, JobState
from apps.jobs.progress import LEASE_SECONDS, Progress
from tenants.context import system_scope, tenant_scope
from tenants.models import Tenant, TenantState

log = structlog.get_logger(__name__)
HEARTBEAT_SECONDS = 5
LEASE = timedelta(seconds=LEASE_SECONDS)
STOPPED = 75  # the exit code of a process whose job was taken from it


def run(*, job_id: uuid.UUID, schema: str) -> None:
    """Do the job if it can be leased; a doubled or late message does nothing.

    ``schema`` is what the message says whose job it is. Job, message and tenant must agree, else it is refused.
    """
    job = _find(job_id)
    if job is None:
        log.info("job_not_there", job=str(job_id))
        return
    try:
        tenant = agreement.check(job, schema)
    except JobRefused as error:
        agreement.refuse(job, error)
        return
    leased = _lease(job_id)
    if leased is None:
        log.info("job_not_leased", job=str(job_id))
        return
    _perform(leased, tenant.key)


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


def _lease(job_id: uuid.UUID) -> Job | None:
    free = Q(state=JobState.QUEUED) | Q(state=JobState.RUNNING, lease_until__lt=Now())
    wanted = Q(id=job_id, attempt__lt=F("max_attempts"), cancel_requested_at=None)
    with system_scope(SystemRole.DISPATCHER):
        leased = Job.objects.filter(free, wanted, tenant_id__in=_active_tenants()).update(
            state=JobState.RUNNING,
            attempt=F("attempt") + 1,
            fencing_token=F("fencing_token") + 1,
            lease_until=Now() + LEASE,
            started_at=Now(),
            stage="Starting",
            percent=0,
        )
        return Job.objects.get(id=job_id) if leased else None


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
        return agreement.failed(error.code, error.title, error.detail)
    except LeaseLost:
        log.warning("job_lease_lost")
        return {}
    except Exception as error:
        log.exception("job_crashed")
        return _retry_or_fail(job, error)


def _call(job: Job, key: TenantKey) -> dict[str, Any]:
    actor = Actor(job.actor_type or "system", job.actor_id, job.actor_label)  # type: ignore[arg-type]
    progress = Progress(job_id=job.id, fencing_token=job.fencing_token)
    with bind(RequestContext(request_id=job.request_id, actor=actor)), tenant_scope(key):
        return registry.get(job.kind)(job.payload, progress)


def _retry_or_fail(job: Job, error: Exception) -> dict[str, Any]:
    if job.attempt < job.max_attempts:
        return {
            "state": JobState.QUEUED,
            "dispatched_at": None,
            "stage": f"Failed at attempt {job.attempt}; waiting to be tried again",
        }
    return agreement.failed(
        "job_crashed",
        "The work failed unexpectedly",
        f"{type(error).__name__}: {str(error)[:300]}. Tried {job.attempt} times.",
    )


def _finish(job: Job, columns: dict[str, Any]) -> None:
    if not columns:
        return
    if columns["state"] != JobState.QUEUED:
        columns = {**columns, "finished_at": Now()}
    connection.close_if_unusable_or_obsolete()  # the handler may have failed because the database went away
    with system_scope(SystemRole.DISPATCHER), transaction.atomic():
        written = _mine(job).update(lease_until=None, **columns)
        if written and columns["state"] == JobState.FAILED:
            agreement.record("job.failed", job.id, job.tenant_id, job.kind, columns["error"]["code"])
    log.info("job_ended", state=str(columns["state"]), written=bool(written))


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
        if seconds < settings.JOB_SECONDS:
            open_job = _mine(job).filter(cancel_requested_at=None, tenant_id__in=_active_tenants())
            if open_job.update(lease_until=Now() + LEASE):
                return True
        _end_running(job, seconds)
        return False


def _end_running(job: Job, seconds: float) -> None:
    cancelled = _mine(job).exclude(cancel_requested_at=None)
    if cancelled.update(state=JobState.CANCELLED, finished_at=Now(), lease_until=None, stage="Cancelled"):
        return
    if seconds >= settings.JOB_SECONDS:
        detail = f"The work was stopped after {settings.JOB_SECONDS / 3600:.1f} hours. It is not tried again."
        code, title, action = "job_too_long", "The work took too long", "job.failed"
    else:
        detail = agreement.reason(Tenant.objects.filter(id=job.tenant_id).first())
        code, title, action = "job_refused", "The job was refused", "job.refused"
    if agreement.end(_mine(job), code, title, detail):
        agreement.record(action, job.id, job.tenant_id, job.kind, detail)
