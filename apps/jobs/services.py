"""Queueing and cancelling jobs."""

from __future__ import annotations

import uuid
from typing import Any, Literal

from django.db import transaction
from django.utils import timezone

from apps.audit import services as audit
from apps.core import request_context, scope
from apps.jobs import dispatch, entries, queries
from apps.jobs.errors import JobFinished, JobOpen
from apps.jobs.models import Job, JobState

Queue = Literal["training", "interactive", "default"]


def enqueue(
    *,
    kind: str,
    payload: dict[str, Any],
    queue: Queue = "default",
    title: str = "",
    max_attempts: int = 3,
    priority: int = 0,
    timeout_seconds: int | None = None,
    estimate: dict[str, Any] | None = None,
) -> Job:
    """Queue work for the tenant in scope, in the caller's transaction; a worker gets it once that commits.

    ``payload`` is JSON and holds ids and options, never data. ``priority``: of the tenant's jobs the higher comes first.
    ``timeout_seconds`` ends it before ``JOB_SECONDS`` would. ``estimate`` is what it is expected to take, as JSON.
    """
    context = request_context.current()
    job = Job.objects.create(
        tenant_id=scope.current_tenant().id,
        kind=kind,
        payload=payload,
        queue=queue,
        title=title,
        max_attempts=max_attempts,
        priority=priority,
        timeout_seconds=timeout_seconds,
        estimate=estimate,
        request_id=context.request_id,
        actor_type=context.actor.type,
        actor_id=context.actor.id,
        actor_label=context.actor.label,
    )
    entries.note(job_id=job.id, tenant_id=job.tenant_id, text="Queued")
    transaction.on_commit(dispatch.dispatch_quietly)
    return job


def cancel(*, job_id: uuid.UUID) -> Job:
    """Ask for an end: a queued job ends at the next dispatch, a running one within seconds.

    Raises ``NotFound`` and ``JobFinished``.
    """
    with transaction.atomic():
        job = queries.get_job(job_id=job_id)
        open_job = Job.objects.filter(id=job_id, state__in=(JobState.QUEUED, JobState.RUNNING))
        if not open_job.update(cancel_requested_at=timezone.now()):
            raise JobFinished(job_id=job.public_id, state=job.state)
        entries.note(job_id=job.id, tenant_id=job.tenant_id, text="Asked to end")
        audit.record(action="job.cancel_requested", target_type="job", target_id=job.public_id)
        transaction.on_commit(dispatch.dispatch_quietly)
    job.refresh_from_db()
    return job


def retry(*, job_id: uuid.UUID) -> Job:
    """Have a job that failed or was cancelled done after all: the same job, with three more attempts.

    Raises ``NotFound``, ``JobOpen`` and, where it succeeded, ``JobFinished``.
    """
    with transaction.atomic():
        job = queries.get_job(job_id=job_id)
        if job.state == JobState.SUCCEEDED:
            raise JobFinished(job_id=job.public_id, state=job.state)
        ended = Job.objects.filter(id=job_id, state__in=(JobState.FAILED, JobState.CANCELLED))
        if not ended.update(retry_requested_at=timezone.now()):
            raise JobOpen(job_id=job.public_id, state=job.state)
        entries.note(job_id=job.id, tenant_id=job.tenant_id, text="Asked to be tried again")
        audit.record(action="job.retry_requested", target_type="job", target_id=job.public_id)
        transaction.on_commit(dispatch.dispatch_quietly)
    job.refresh_from_db()
    return job
