"""Work that comes round: one table for all tenants, and one periodic task that queues what is due.

Whoever queues moves ``next_run_at`` on in the same transaction, so a time that is due is queued once, whatever is killed.
A time that was missed is made up for once, not for each time that passed.
"""

from __future__ import annotations

import itertools
import uuid
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from cronsim import CronSim, CronSimError
from django.db import connection, transaction
from django.utils import timezone

from apps.audit import services as audit
from apps.core import scope
from apps.core.scope import SystemRole
from apps.core.tenancy import TenantKey
from apps.jobs import queries, services
from apps.jobs.errors import ScheduleInvalid
from apps.jobs.models import FINAL, Job, Schedule
from tenants.context import system_scope, tenant_scope

log = structlog.get_logger(__name__)
BATCH: Final = 200
LEAST_APART: Final = timedelta(minutes=15)
LOOKED_AT: Final = 100  # times that are compared with each other
_DUE: Final = """
SELECT schedule.id, tenant.id, tenant.schema_name FROM jobs_schedule AS schedule
JOIN tenants_tenant AS tenant ON tenant.id = schedule.tenant_id AND tenant.state = 'active'
WHERE schedule.next_run_at <= now() AND schedule.paused_at IS NULL ORDER BY schedule.next_run_at, schedule.id LIMIT %s
"""


class _Due(NamedTuple):
    schedule_id: uuid.UUID
    tenant: TenantKey


def set_schedule(
    *, kind: str, key: str, payload: dict[str, Any], cron: str, zone: str, name: str
) -> Schedule:
    """Have ``kind`` queued for the tenant in scope whenever ``cron`` says, in place of what ``key`` said before.

    Inside the caller's transaction. Raises ``ScheduleInvalid``.
    """
    first = next_times(cron=cron, zone=zone, count=1)[0]
    schedule, _ = Schedule.objects.update_or_create(
        tenant_id=scope.current_tenant().id,
        kind=kind,
        key=key,
        defaults={
            "name": name[:200],
            "payload": payload,
            "cron": cron,
            "zone": zone,
            "next_run_at": first,
        },
    )
    return schedule


def remove(*, kind: str, key: str) -> None:
    """Queue it no more; nothing where there is none."""
    Schedule.objects.filter(tenant_id=scope.current_tenant().id, kind=kind, key=key).delete()


def pause(*, schedule_id: uuid.UUID) -> Schedule:
    """Queue nothing until it is resumed; raises ``NotFound``."""
    return _change(schedule_id, "schedule.paused", paused_at=timezone.now())


def resume(*, schedule_id: uuid.UUID) -> Schedule:
    """Go on with the next time from now: what was missed meanwhile is not made up for. Raises ``NotFound``."""
    schedule = queries.get_schedule(schedule_id=schedule_id)
    following = next_times(cron=schedule.cron, zone=schedule.zone, count=1)[0]
    return _change(schedule_id, "schedule.resumed", paused_at=None, next_run_at=following)


def run_now(*, schedule_id: uuid.UUID) -> Job:
    """Queue its work once, beside its times; raises ``NotFound``."""
    with transaction.atomic():
        schedule = queries.get_schedule(schedule_id=schedule_id)
        job = services.enqueue(kind=schedule.kind, payload=schedule.payload, title=schedule.name)
        _record("schedule.run", schedule)
    return job


def _change(schedule_id: uuid.UUID, action: str, **columns: Any) -> Schedule:
    with transaction.atomic():
        schedule = queries.get_schedule(schedule_id=schedule_id)
        Schedule.objects.filter(id=schedule.id).update(**columns)
        _record(action, schedule)
    schedule.refresh_from_db()
    return schedule


def _record(action: str, schedule: Schedule) -> None:
    audit.record(
        action=action,
        target_type="schedule",
        target_id=schedule.public_id,
        changes={"name": schedule.name, "kind": schedule.kind},
    )


def next_times(*, cron: str, zone: str, count: int, after: datetime | None = None) -> list[datetime]:
    """The next ``count`` times after ``after`` (now). Raises ``ScheduleInvalid`` for an expression or a zone that cannot be
    read, for one that never comes, and for times less than 15 minutes apart."""
    try:
        moment = (after or timezone.now()).astimezone(ZoneInfo(zone))
        coming = CronSim(cron, moment)
        times = [at for at, _ in zip(coming, range(max(count, LOOKED_AT)), strict=False)]
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ScheduleInvalid(
            reason=f"There is no time zone {zone[:60]!r}. Use a name such as Europe/Berlin."
        ) from None
    except CronSimError as error:
        raise ScheduleInvalid(reason=f"{cron[:100]!r} is not a cron expression: {error}.") from None
    if len(times) < count:
        raise ScheduleInvalid(reason=f"{cron[:100]!r} never comes.")
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    if gaps and min(gaps) < LEAST_APART:
        raise ScheduleInvalid(reason="Times must be at least 15 minutes apart.")
    return times[:count]


def run_due() -> int:
    """Queue all that is due; returns how many jobs that made. What cannot be queued does not hold up the rest."""
    made = 0
    for due in _list_due():
        try:
            made += _queue(due)
        except ScheduleInvalid:
            log.exception("schedule_invalid", schedule=str(due.schedule_id))
    return made


def _list_due() -> list[_Due]:
    with system_scope(SystemRole.DISPATCHER), connection.cursor() as cursor:
        cursor.execute(_DUE, [BATCH])
        return [_Due(row[0], TenantKey(id=row[1], schema=row[2])) for row in cursor.fetchall()]


def _queue(due: _Due) -> bool:
    with tenant_scope(due.tenant), transaction.atomic():
        now = timezone.now()
        waiting = Schedule.objects.select_for_update(skip_locked=True)
        schedule = waiting.filter(id=due.schedule_id, next_run_at__lte=now, paused_at=None).first()
        if schedule is None:
            return False
        schedule.next_run_at = next_times(cron=schedule.cron, zone=schedule.zone, count=1, after=now)[0]
        free = (
            not Job.objects.filter(id=schedule.last_job_id).exclude(state__in=FINAL).exists()
            if schedule.last_job_id
            else True
        )
        if free:
            job = services.enqueue(kind=schedule.kind, payload=schedule.payload, title=schedule.name)
            schedule.last_job_id, schedule.last_run_at = job.id, now
        else:
            log.info("schedule_skipped", schedule=str(schedule.id), reason="the last job is still open")
        schedule.save(update_fields=["next_run_at", "last_job_id", "last_run_at"])
    return free
