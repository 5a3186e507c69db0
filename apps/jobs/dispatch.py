"""Which queued job goes to the workers next: fair over tenants, capped by plan. PostgreSQL decides, Redis only rings."""

from __future__ import annotations

import uuid
from typing import NamedTuple

import structlog
from celery import current_app
from django.db import DatabaseError, InterfaceError, connection, transaction
from kombu.exceptions import OperationalError

from apps.core.scope import SystemRole
from apps.jobs import agreement
from tenants.context import system_scope

log = structlog.get_logger(__name__)
RUN = "jobs.run"  # the task, by name: it imports what dispatches

# A message may be lost with Redis; after this long a job that nobody leased is announced again.
ANNOUNCE_AGAIN_SECONDS = 60

_END_CANCELLED = """
UPDATE jobs_job SET state = 'cancelled', finished_at = now(), stage = 'Cancelled'
WHERE state = 'queued' AND cancel_requested_at IS NOT NULL
"""
_END_DEAD = """
UPDATE jobs_job SET state = 'failed', finished_at = now(), lease_until = NULL, error = jsonb_build_object(
    'code', 'job_lost', 'title', 'The work ended without an answer',
    'detail', format('The worker stopped %s times while it did this job, most likely for lack of memory. It is not tried again.', attempt))
WHERE state = 'running' AND lease_until < now() AND attempt >= max_attempts AND cancel_requested_at IS NULL
RETURNING id, tenant_id, kind
"""
_TAKE_BACK = """
UPDATE jobs_job SET state = CASE WHEN cancel_requested_at IS NULL THEN 'queued' ELSE 'cancelled' END, lease_until = NULL,
    dispatched_at = NULL, stage = CASE WHEN cancel_requested_at IS NULL THEN 'Waiting to be tried again' ELSE 'Cancelled' END,
    finished_at = CASE WHEN cancel_requested_at IS NULL THEN NULL ELSE now() END
WHERE state = 'running' AND lease_until < now()
"""
_PICK = """
WITH busy AS (
    SELECT tenant_id, queue, count(*) AS jobs FROM jobs_job
    WHERE state = 'running' OR (state = 'queued' AND dispatched_at > now() - make_interval(secs => %(again)s))
    GROUP BY tenant_id, queue
), waiting AS (
    SELECT id, tenant_id, created_at,
           row_number() OVER (PARTITION BY tenant_id, queue ORDER BY created_at, id) + coalesce(busy.jobs, 0) AS turn
    FROM jobs_job LEFT JOIN busy USING (tenant_id, queue)
    WHERE state = 'queued' AND (dispatched_at IS NULL OR dispatched_at <= now() - make_interval(secs => %(again)s))
), chosen AS (
    SELECT waiting.id, turn, waiting.created_at, tenant.schema_name FROM waiting
    JOIN tenants_tenantlimits AS limits ON limits.tenant_id = waiting.tenant_id AND turn <= limits.running_jobs
    JOIN tenants_tenant AS tenant ON tenant.id = waiting.tenant_id AND tenant.state = 'active'
)
UPDATE jobs_job SET dispatched_at = now() FROM chosen WHERE jobs_job.id = chosen.id
RETURNING jobs_job.id, jobs_job.queue, chosen.schema_name, chosen.turn, chosen.created_at
"""


class Announcement(NamedTuple):
    """What a message says: which job, and whose."""

    job_id: uuid.UUID
    queue: str
    schema: str


def sweep() -> None:
    """Put back what a dead worker held, end what failed too often or nobody may run, then dispatch. The net under
    everything else."""
    with system_scope(SystemRole.DISPATCHER), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_END_DEAD)
        for job_id, tenant_id, kind in cursor.fetchall():
            agreement.record("job.failed", job_id, tenant_id, kind, "job_lost")
        cursor.execute(_TAKE_BACK)
    agreement.refuse_queued()
    dispatch()


def dispatch() -> int:
    """Announce the jobs whose turn it is, one tenant after the other; returns how many."""
    chosen = _choose()
    try:
        for job_id, queue, schema in chosen:
            current_app.send_task(RUN, args=(str(job_id), schema), queue=queue)
    except OperationalError:
        _take_back([announced.job_id for announced in chosen])
        raise
    return len(chosen)


def dispatch_quietly() -> None:
    """``dispatch`` for the end of a transaction: with Redis or database away the sweeper announces the job later.

    What was committed stands, so whoever asked must not be told that it failed.
    """
    try:
        dispatch()
    except (OperationalError, DatabaseError, InterfaceError) as error:
        log.warning("job_not_announced", error=str(error))


def _take_back(job_ids: list[uuid.UUID]) -> None:
    # Announced twice is harmless, not announced means waiting: the next sweep announces all of them.
    with system_scope(SystemRole.DISPATCHER), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE jobs_job SET dispatched_at = NULL WHERE id = ANY(%s) AND state = 'queued'", [job_ids]
        )


def _choose() -> list[Announcement]:
    with system_scope(SystemRole.DISPATCHER), transaction.atomic(), connection.cursor() as cursor:
        # Two dispatchers at once would each count the other's jobs as waiting and exceed the cap.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('almanac.dispatch'))")
        cursor.execute(_END_CANCELLED)
        cursor.execute(_PICK, {"again": ANNOUNCE_AGAIN_SECONDS})
        rows = sorted(cursor.fetchall(), key=lambda row: (row[3], row[4]))
    return [Announcement(*row[:3]) for row in rows]
