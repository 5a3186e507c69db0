"""Whether a job may run: its row, the message that announced it and its tenant's state must agree."""

from __future__ import annotations

from typing import Any

import structlog
from django.db import transaction

from apps.core.scope import SystemRole
from apps.jobs import ending
from apps.jobs.ending import Ended
from apps.jobs.errors import JobRefused, MessageRefused
from apps.jobs.models import Job, JobState
from tenants.context import system_scope
from tenants.models import Tenant, TenantState

log = structlog.get_logger(__name__)
REFUSED = "job.refused"  # in the audit log
REFUSED_AT_ONCE = 200  # of the sweep; the next one goes on


def check(job: Job, schema: str) -> Tenant:
    """The job's tenant, for whom it may run. Raises ``JobRefused``, and ``MessageRefused`` where ``schema``, which
    the message names, is not that tenant's."""
    with system_scope(SystemRole.DISPATCHER):
        tenant = Tenant.objects.filter(id=job.tenant_id).first()
    if tenant is not None and tenant.schema_name != schema:
        raise MessageRefused(
            f"The message names the schema {schema[:63]!r}, which is not that of the job's workspace."
        )
    if tenant is None or tenant.state != TenantState.ACTIVE:
        raise JobRefused(reason(tenant))
    return tenant


def reason(tenant: Tenant | None) -> str:
    """Why no job of the tenant runs."""
    if tenant is None or tenant.state == TenantState.GONE:
        return "The workspace is gone; its jobs do not run."
    return f"The workspace is {tenant.state}; its jobs do not run."


def refuse(job: Job, error: JobRefused) -> None:
    """End a queued job with the reason, once; a message that does not belong to it leaves the job as it is."""
    log.warning("job_refused", job=job.public_id, reason=str(error))
    with system_scope(SystemRole.DISPATCHER), transaction.atomic():
        if isinstance(error, MessageRefused):
            ending.record(REFUSED, job.id, job.tenant_id, job.kind, str(error))
            return
        queued = Job.objects.filter(id=job.id, state=JobState.QUEUED)
        if ending.end(queued, refused(str(error))):
            ended = Ended(job.id, job.tenant_id, job.kind, JobState.FAILED, str(error))
            ending.tell([ended], action=REFUSED)


def refused(why: str) -> dict[str, Any]:
    """The columns of a job for whose tenant nothing is done."""
    return ending.failed("job_refused", "The job was refused", why)


def refuse_queued() -> None:
    """Refuse what waits for tenants that are not active: nobody would ever run it."""
    with system_scope(SystemRole.DISPATCHER):
        active = Tenant.objects.filter(state=TenantState.ACTIVE).values("id")
        waiting = Job.objects.filter(state=JobState.QUEUED).exclude(tenant_id__in=active)
        jobs = list(waiting.order_by("created_at", "id")[:REFUSED_AT_ONCE])
        tenants = Tenant.objects.in_bulk({job.tenant_id for job in jobs})
    for job in jobs:
        refuse(job, JobRefused(reason(tenants.get(job.tenant_id))))
