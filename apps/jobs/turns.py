"""Whose turn it is when a worker is free. A message only rings: the job that begins is the one whose turn has come.

Tenants take turns, the one served longest ago first, whatever was announced before; a tenant's own jobs come by priority,
then by age. So a thousand jobs of one tenant hold another's up for no longer than those that run already.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from django.db import connection, transaction

from apps.core.scope import SystemRole
from apps.core.tenancy import TenantKey
from apps.jobs import entries, holders
from apps.jobs.models import Job
from apps.jobs.progress import LEASE_SECONDS
from tenants.context import system_scope

# Who dispatches or leases counts what others run: two at once would each miss the other's.
LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('almanac.dispatch'))"

_LEASE: Final = """
WITH able AS (
    SELECT id, tenant_id, priority, created_at, dispatched_at FROM jobs_job
    WHERE queue = %(queue)s AND cancel_requested_at IS NULL AND attempt < max_attempts
        AND (state = 'queued' AND (not_before IS NULL OR not_before <= now()) OR state = 'running' AND lease_until < now())
), busy AS (
    SELECT tenant_id, count(*) AS jobs FROM jobs_job
    WHERE queue = %(queue)s AND state = 'running' AND lease_until >= now() GROUP BY tenant_id
), first AS (
    SELECT DISTINCT ON (tenant_id) id, tenant_id, created_at, dispatched_at FROM able
    ORDER BY tenant_id, priority DESC, created_at, id
), chosen AS (
    SELECT first.id, first.dispatched_at AS rung_at, tenant.schema_name FROM first
    JOIN tenants_tenant AS tenant ON tenant.id = first.tenant_id AND tenant.state = 'active'
    JOIN tenants_tenantlimits AS limits ON limits.tenant_id = first.tenant_id
    LEFT JOIN busy ON busy.tenant_id = first.tenant_id
    CROSS JOIN LATERAL (
        SELECT max(started_at) AS at FROM jobs_job WHERE tenant_id = first.tenant_id AND queue = %(queue)s
    ) AS served
    WHERE coalesce(busy.jobs, 0) < limits.running_jobs
    ORDER BY served.at NULLS FIRST, first.created_at, first.id LIMIT 1
)
UPDATE jobs_job SET state = 'running', attempt = attempt + 1, fencing_token = fencing_token + 1, started_at = now(),
    lease_until = now() + make_interval(secs => %(lease)s), stage = 'Starting', percent = 0,
    holder = %(holder)s
FROM chosen WHERE jobs_job.id = chosen.id
RETURNING jobs_job.id, jobs_job.tenant_id, chosen.schema_name, chosen.rung_at
"""
# It began without a message of its own: the one that rang was a neighbour's, who now waits for another.
_SILENCE: Final = """
UPDATE jobs_job SET dispatched_at = NULL WHERE id = (
    SELECT id FROM jobs_job
    WHERE tenant_id = %s AND queue = %s AND state = 'queued' AND dispatched_at IS NOT NULL
    ORDER BY priority, created_at DESC, id DESC LIMIT 1)
"""


class Turn(NamedTuple):
    """A job that this worker holds now, and whose it is."""

    job: Job
    tenant: TenantKey


def take(queue: str) -> Turn | None:
    """Lease the job of ``queue`` whose turn it is; None where none may begin."""
    with system_scope(SystemRole.DISPATCHER), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK)
        cursor.execute(_LEASE, {"queue": queue, "lease": LEASE_SECONDS, "holder": holders.me()})
        row = cursor.fetchone()
        if row is None:
            return None
        job_id, tenant_id, schema, rung_at = row
        if rung_at is None:
            cursor.execute(_SILENCE, [tenant_id, queue])
        job = Job.objects.get(id=job_id)
        text = f"Attempt {job.attempt} of {job.max_attempts} begins"
        entries.note(job_id=job_id, tenant_id=tenant_id, text=text, attempt=job.attempt)
        return Turn(job, TenantKey(id=tenant_id, schema=schema))
