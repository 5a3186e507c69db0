"""The end of a tenant's work: nothing may write for it once its data is being erased."""

from __future__ import annotations

from django.db.models.functions import Now

from apps.core.scope import SystemRole
from apps.core.tenancy import TenantKey
from apps.jobs.models import Job, JobState
from tenants.context import system_scope


def stop_all(key: TenantKey) -> None:
    """Cancel what waits, and ask what runs to end: a worker obeys at its next heartbeat."""
    with system_scope(SystemRole.DISPATCHER):
        Job.objects.filter(tenant_id=key.id, state=JobState.QUEUED).update(
            state=JobState.CANCELLED, cancel_requested_at=Now(), finished_at=Now(), stage="Cancelled"
        )
        Job.objects.filter(tenant_id=key.id, state=JobState.RUNNING, cancel_requested_at=None).update(
            cancel_requested_at=Now()
        )


def list_running(key: TenantKey) -> list[str]:
    """Jobs on which a worker still holds a lease."""
    with system_scope(SystemRole.DISPATCHER):
        running = Job.objects.filter(tenant_id=key.id, state=JobState.RUNNING, lease_until__gte=Now())
        return [f"{job.public_id} is running" for job in running.order_by("id")]
