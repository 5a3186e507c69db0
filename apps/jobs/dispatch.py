"""Which queued job goes to the workers next: fair over tenants, capped by plan. PostgreSQL decides, Redis only rings."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple

import structlog
from celery import current_app
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models.functions import Now
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from apps.core import redis
from apps.core.scope import SystemRole
from apps.jobs import agreement, ending, entries, holders, turns
from apps.jobs.ending import Ended
from apps.jobs.models import Job, JobState
from tenants.context import system_scope

log = structlog.get_logger(__name__)
RUN = "jobs.run"  # the task, by name: it imports what dispatches

# A message may be lost with Redis. Fewer in the queue than jobs that wait for this long: some are rung for again.
RING_AGAIN_SECONDS = 5

_END_CANCELLED = """
UPDATE jobs_job SET state = 'cancelled', finished_at = now(), stage = 'Cancelled'
WHERE state = 'queued' AND cancel_requested_at IS NOT NULL
RETURNING id, tenant_id, kind, state, ''
"""
_BEGIN_ANEW = """
UPDATE jobs_job SET state = 'queued', max_attempts = attempt + 3, dispatched_at = NULL, not_before = NULL,
    retry_requested_at = NULL, cancel_requested_at = NULL, finished_at = NULL, error = NULL, result = NULL, percent = 0,
    stage = 'Waiting to be tried again'
WHERE retry_requested_at IS NOT NULL AND state IN ('failed', 'cancelled')
RETURNING id, tenant_id
"""
_END_DEAD = """
UPDATE jobs_job SET state = 'failed', finished_at = now(), lease_until = NULL, error = jsonb_build_object(
    'code', 'job_lost', 'title', 'The work ended without an answer', 'detail', format(
        'The worker stopped %s times while it did this job, most likely for lack of memory%s. It is not tried again.', attempt,
        CASE WHEN peak_rss_bytes > 0 THEN format(': the most it was seen to hold was %s MB', peak_rss_bytes / 1000000) ELSE '' END))
WHERE state = 'running' AND lease_until < now() AND attempt >= max_attempts AND cancel_requested_at IS NULL
RETURNING id, tenant_id, kind, state, error ->> 'detail'
"""
_TAKE_BACK = """
UPDATE jobs_job SET state = CASE WHEN cancel_requested_at IS NULL THEN 'queued' ELSE 'cancelled' END, lease_until = NULL,
    dispatched_at = NULL, stage = CASE WHEN cancel_requested_at IS NULL THEN 'Waiting to be tried again' ELSE 'Cancelled' END,
    finished_at = CASE WHEN cancel_requested_at IS NULL THEN NULL ELSE now() END
WHERE state = 'running' AND lease_until < now()
RETURNING id, tenant_id, kind, state, ''
"""
_PICK = """
WITH busy AS (
    SELECT tenant_id, queue, count(*) AS jobs FROM jobs_job
    WHERE state = 'running' OR (state = 'queued' AND dispatched_at IS NOT NULL) GROUP BY tenant_id, queue
), waiting AS (
    SELECT id, tenant_id, created_at, row_number() OVER (
        PARTITION BY tenant_id, queue ORDER BY priority DESC, created_at, id) + coalesce(busy.jobs, 0) AS turn
    FROM jobs_job LEFT JOIN busy USING (tenant_id, queue)
    WHERE state = 'queued' AND dispatched_at IS NULL AND (not_before IS NULL OR not_before <= now())
), chosen AS (
    SELECT waiting.id, turn, waiting.created_at, tenant.schema_name FROM waiting
    JOIN tenants_tenantlimits AS limits ON limits.tenant_id = waiting.tenant_id AND turn <= limits.running_jobs
    JOIN tenants_tenant AS tenant ON tenant.id = waiting.tenant_id AND tenant.state = 'active'
)
UPDATE jobs_job SET dispatched_at = now() FROM chosen WHERE jobs_job.id = chosen.id
RETURNING jobs_job.id, jobs_job.queue, chosen.schema_name, chosen.turn, chosen.created_at
"""
_UNHEARD = """
SELECT job.id, job.queue, tenant.schema_name FROM jobs_job AS job
JOIN tenants_tenant AS tenant ON tenant.id = job.tenant_id AND tenant.state = 'active'
WHERE job.state = 'queued' AND job.dispatched_at < now() - make_interval(secs => %s)
ORDER BY job.dispatched_at, job.id
"""


class Announcement(NamedTuple):
    """What a message says: which job, and whose."""

    job_id: uuid.UUID
    queue: str
    schema: str


def sweep() -> None:
    """Put back what a dead worker held, end what failed too often or nobody may run, then dispatch. The net under
    everything else."""
    _end_leases_of_the_dead()
    with system_scope(SystemRole.DISPATCHER), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_END_DEAD)
        ending.tell(map(Ended._make, cursor.fetchall()))
        cursor.execute(_TAKE_BACK)
        _note_taken_back(map(Ended._make, cursor.fetchall()))
    agreement.refuse_queued()
    dispatch_quietly()


def dispatch() -> int:
    """Announce the jobs whose turn it is, one tenant after the other; returns how many."""
    chosen = _choose()
    try:
        _ring(chosen)
    except OperationalError:
        _take_back([announced.job_id for announced in chosen])
        raise
    return len(chosen)


def ring_again() -> int:
    """Make up for messages that were lost: as many as jobs wait for beyond those in the broker's queues; how many.

    Any message serves any job of its queue, so it is their number alone that must be right. Raises ``RedisError``.
    """
    with system_scope(SystemRole.DISPATCHER), connection.cursor() as cursor:
        cursor.execute(_UNHEARD, [RING_AGAIN_SECONDS])
        unheard = [Announcement(*row) for row in cursor.fetchall()]
    missing: list[Announcement] = []
    for queue in {each.queue for each in unheard}:
        waiting = [each for each in unheard if each.queue == queue]
        on_their_way: int = redis.client().llen(queue)
        missing += waiting[: max(0, len(waiting) - on_their_way)]
    _ring(missing)
    return len(missing)


def dispatch_quietly() -> None:
    """``dispatch`` for the end of a transaction: with Redis or database away the sweeper announces the job later.

    What was committed stands, so whoever asked must not be told that it failed.
    """
    try:
        dispatch()
        ring_again()
    except (OperationalError, RedisError, DatabaseError, InterfaceError) as error:
        log.warning("job_not_announced", error=str(error))


def _end_leases_of_the_dead() -> None:
    """A killed process of this host is seen at once, where a lease alone would have its job wait for half a minute."""
    with system_scope(SystemRole.DISPATCHER):
        held = Job.objects.filter(state=JobState.RUNNING, lease_until__gte=Now()).exclude(holder="")
        for job_id, token, holder in held.values_list("id", "fencing_token", "holder"):
            if holders.is_dead(holder):
                log.info("job_holder_dead", job=str(job_id), holder=holder)
                ended = Job.objects.filter(id=job_id, fencing_token=token, state=JobState.RUNNING)
                ended.update(lease_until=Now() - timedelta(seconds=1))


def _ring(announcements: list[Announcement]) -> None:
    for job_id, queue, schema in announcements:
        current_app.send_task(RUN, args=(str(job_id), schema), queue=queue)


def _note_taken_back(jobs: Iterable[Ended]) -> None:
    for job in jobs:
        if job.state == JobState.QUEUED:
            text = "The worker stopped answering; waiting to be tried again"
            entries.note(job_id=job.job_id, tenant_id=job.tenant_id, text=text, level="warning")
        else:
            ending.tell([job])


def _take_back(job_ids: list[uuid.UUID]) -> None:
    # Announced twice is harmless, not announced means waiting: the next sweep announces all of them.
    with system_scope(SystemRole.DISPATCHER), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE jobs_job SET dispatched_at = NULL WHERE id = ANY(%s) AND state = 'queued'", [job_ids]
        )


def _choose() -> list[Announcement]:
    with system_scope(SystemRole.DISPATCHER), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(turns.LOCK)
        cursor.execute(_END_CANCELLED)
        ending.tell(map(Ended._make, cursor.fetchall()))
        cursor.execute(_BEGIN_ANEW)
        for job_id, tenant_id in cursor.fetchall():
            entries.note(job_id=job_id, tenant_id=tenant_id, text="Queued again")
        cursor.execute(_PICK)
        rows = sorted(cursor.fetchall(), key=lambda row: (row[3], row[4]))
    return [Announcement(*row[:3]) for row in rows]
