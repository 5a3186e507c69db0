"""What became of a job, line by line: its log, and what a stream of its events repeats."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Final

from django.utils import timezone

from apps.core.scope import SystemRole
from apps.jobs.models import EntryKind, JobEntry
from tenants.context import system_scope

KEPT: Final = timedelta(days=90)


def note(
    *,
    job_id: uuid.UUID,
    tenant_id: uuid.UUID,
    text: str,
    kind: EntryKind = EntryKind.STATE,
    level: str = "info",
    attempt: int = 0,
) -> None:
    """Write a line, inside the caller's transaction; what is longer than 500 characters is cut."""
    JobEntry.objects.create(
        job_id=job_id, tenant_id=tenant_id, kind=kind, level=level, text=text[:500], attempt=attempt
    )


def forget_old() -> int:
    """Delete lines older than 90 days; returns how many."""
    with system_scope(SystemRole.DISPATCHER):
        return JobEntry.objects.filter(created_at__lt=timezone.now() - KEPT).delete()[0]
