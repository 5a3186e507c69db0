"""Reads about jobs; which rows are seen is the scope's."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db.models import QuerySet

from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.jobs.models import FINAL, Job, JobEntry, JobState, Schedule


def get_job(*, job_id: uuid.UUID) -> Job:
    """The job; raises ``NotFound``."""
    try:
        return Job.objects.get(id=job_id)
    except Job.DoesNotExist:
        raise NotFound(what="job", name=public_id("job", job_id)) from None


def list_jobs(
    *,
    kind: str = "",
    state: str = "",
    created_after: datetime | None = None,
    created_before: datetime | None = None,
) -> QuerySet[Job]:
    """Jobs, newest first; each that is given narrows."""
    wanted = {
        "kind": kind,
        "state": state,
        "created_at__gte": created_after,
        "created_at__lt": created_before,
    }
    given = {name: value for name, value in wanted.items() if value}
    return Job.objects.filter(**given).order_by("-created_at", "-id")


def list_kinds() -> list[str]:
    """The kinds of which there are jobs, by name."""
    return list(Job.objects.order_by("kind").values_list("kind", flat=True).distinct())


def list_entries(*, job_id: uuid.UUID, after: int = 0) -> QuerySet[JobEntry]:
    """What became of the job, oldest first, after the entry of that number."""
    return JobEntry.objects.filter(job_id=job_id, id__gt=after).order_by("id")


def list_schedules() -> QuerySet[Schedule]:
    """Work that comes round, the next first."""
    return Schedule.objects.order_by("next_run_at", "id")


def get_schedule(*, schedule_id: uuid.UUID) -> Schedule:
    """The schedule; raises ``NotFound``."""
    schedule = Schedule.objects.filter(id=schedule_id).first()
    if schedule is None:
        raise NotFound(what="schedule", name=public_id("sch", schedule_id))
    return schedule


def count_open() -> int:
    """How many jobs are queued or running."""
    return Job.objects.exclude(state__in=FINAL).count()


__all__ = [
    "JobState", "count_open", "get_job", "get_schedule", "list_entries", "list_jobs", "list_kinds", "list_schedules",
]  # fmt: skip
