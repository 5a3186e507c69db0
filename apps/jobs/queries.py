"""Reads about jobs; which rows are seen is the scope's."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.jobs.models import FINAL, Job, JobState


def get_job(*, job_id: uuid.UUID) -> Job:
    """The job; raises ``NotFound``."""
    try:
        return Job.objects.get(id=job_id)
    except Job.DoesNotExist:
        raise NotFound(what="job", name=public_id("job", job_id)) from None


def list_jobs(*, kind: str = "", state: str = "") -> QuerySet[Job]:
    """Jobs, newest first."""
    jobs = Job.objects.order_by("-created_at", "-id")
    if kind:
        jobs = jobs.filter(kind=kind)
    return jobs.filter(state=state) if state else jobs


def count_open() -> int:
    """How many jobs are queued or running."""
    return Job.objects.exclude(state__in=FINAL).count()


__all__ = ["JobState", "count_open", "get_job", "list_jobs"]
