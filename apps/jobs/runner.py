"""One job on one worker: lease, heartbeat, handler, result; each write under the fencing token."""

from __future__ import annotations

import contextlib
import os
import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import structlog
from django.db import DatabaseError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.audit import services as audit
from apps.core.errors import AppError
from apps.core.request_context import Actor, RequestContext, bind
from apps.core.scope import SystemRole
from apps.jobs import dispatch, registry
from apps.jobs.errors import JobRefused, LeaseLost
from apps.jobs.models import Job, JobState
from apps.jobs.progress import LEASE_SECONDS, Progress
from tenants import queries as tenants
from tenants.context import system_scope, tenant_scope
from tenants.models import Tenant, TenantState

log = structlog.get_logger(__name__)
HEARTBEAT_SECONDS = 5
LEASE = timedelta(seconds=LEASE_SECONDS)


def run(*, job_id: uuid.UUID) -> None:
    """Do the job if it can be leased; a doubled or late message does nothing."""
    job = _lease(job_id)
    if job is None:
        log.info("job_not_leased", job=str(job_id))
        return
    with structlog.contextvars.bound_contextvars(
        job=job.public_id, kind=job.kind, attempt=job.attempt, request_id=job.request_id
    ):
        log.info("job_started")
        _finish(job, _outcome(job))
        dispatch.dispatch_quietly()


def _lease(job_id: uuid.UUID) -> Job | None:
    free = Q(state=JobState.QUEUED) | Q(state=JobState.RUNNING, lease_until__lt=Now())
    wanted = Q(id=job_id, attempt__lt=F("max_attempts"), cancel_requested_at=None)
    with system_scope(SystemRole.DISPATCHER):
        leased = Job.objects.filter(free, wanted).update(
            state=JobState.RUNNING,
            attempt=F("attempt") + 1,
            fencing_token=F("fencing_token") + 1,
            lease_until=Now() + LEASE,
            started_at=Now(),
            stage="Starting",
            percent=0,
        )
        return Job.objects.get(id=job_id) if leased else None


def _outcome(job: Job) -> dict[str, Any]:
    """The columns that the job ends with."""
    try:
        with _heartbeat(job):
            result = _call(job)
        return {"state": JobState.SUCCEEDED, "result": result, "error": None, "percent": 100, "stage": "Done"}
    except AppError as error:
        log.info("job_failed", code=error.code, detail=error.detail)
        return _failed(error.code, error.title, error.detail)
    except JobRefused as error:
        log.warning("job_refused", reason=str(error))
        return _failed("job_refused", "The job was refused", str(error))
    except LeaseLost:
        log.warning("job_lease_lost")
        return {}
    except Exception as error:
        log.exception("job_crashed")
        return _retry_or_fail(job, error)


def _call(job: Job) -> dict[str, Any]:
    tenant = _tenant(job)
    actor = Actor(job.actor_type or "system", job.actor_id, job.actor_label)  # type: ignore[arg-type]
    progress = Progress(job_id=job.id, fencing_token=job.fencing_token)
    with bind(RequestContext(request_id=job.request_id, actor=actor)), tenant_scope(tenant.key):
        return registry.get(job.kind)(job.payload, progress)


def _tenant(job: Job) -> Tenant:
    with system_scope(SystemRole.DISPATCHER):
        tenant = tenants.get_tenant(tenant_id=job.tenant_id)
    if tenant.state != TenantState.ACTIVE:
        raise JobRefused(f"The workspace is {tenant.state}; its jobs do not run.")
    return tenant


def _failed(code: str, title: str, detail: str) -> dict[str, Any]:
    return {
        "state": JobState.FAILED,
        "error": {"code": code, "title": title, "detail": detail},
        "stage": "Failed",
    }


def _retry_or_fail(job: Job, error: Exception) -> dict[str, Any]:
    if job.attempt < job.max_attempts:
        return {
            "state": JobState.QUEUED,
            "dispatched_at": None,
            "stage": f"Failed at attempt {job.attempt}; waiting to be tried again",
        }
    return _failed(
        "job_crashed",
        "The work failed unexpectedly",
        f"{type(error).__name__}: {str(error)[:300]}. Tried {job.attempt} times.",
    )


def _finish(job: Job, columns: dict[str, Any]) -> None:
    if not columns:
        return
    if columns["state"] != JobState.QUEUED:
        columns = {**columns, "finished_at": Now()}
    mine = Job.objects.filter(id=job.id, fencing_token=job.fencing_token, state=JobState.RUNNING)
    connection.close_if_unusable_or_obsolete()  # the handler may have failed because the database went away
    with system_scope(SystemRole.DISPATCHER), transaction.atomic():
        written = mine.update(lease_until=None, **columns)
        if written and columns["state"] == JobState.FAILED:
            _record_failure(job, columns["error"])
    log.info("job_ended", state=str(columns["state"]), written=bool(written))


def _record_failure(job: Job, error: dict[str, Any]) -> None:
    audit.record(
        action="job.failed",
        target_type="job",
        target_id=job.public_id,
        changes={"kind": job.kind, "error": error},
        tenant_id=job.tenant_id,
        outcome="failure",
    )


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
    """Renew the lease; when it is lost or the job was cancelled, end this process: only so does running work stop."""
    try:
        while not stop.wait(HEARTBEAT_SECONDS):
            try:
                alive = _renew(job)
            except DatabaseError as error:
                # The lease outlives six missed beats; if the database stays away, the next one finds it lost.
                log.warning("heartbeat_missed", error=str(error))
                connection.close()
                continue
            if not alive and not stop.is_set():
                log.warning("job_stopped_by_heartbeat", job=job.public_id)
                os._exit(75)
    finally:
        connection.close()


def _renew(job: Job) -> bool:
    mine = Job.objects.filter(id=job.id, fencing_token=job.fencing_token, state=JobState.RUNNING)
    with system_scope(SystemRole.DISPATCHER):
        if mine.filter(cancel_requested_at=None).update(lease_until=Now() + LEASE):
            return True
        mine.exclude(cancel_requested_at=None).update(
            state=JobState.CANCELLED, finished_at=Now(), lease_until=None, stage="Cancelled"
        )
        return False
