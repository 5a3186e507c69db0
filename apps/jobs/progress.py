"""What a handler tells the world while it works."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from apps.jobs.errors import LeaseLost

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from apps.jobs.models import Job

LEASE_SECONDS = 30
MOST_LINES = 1000  # of an attempt's log
SMALLEST_INTERVAL_SECONDS = 0.5

_HELD = "id = %(id)s AND fencing_token = %(token)s AND state = 'running'"
_ENTRY = "INSERT INTO jobs_jobentry (tenant_id, job_id, kind, level, text, attempt)"
_ENTER = f"""
WITH held AS (
    UPDATE jobs_job SET stage = %(text)s, percent = %(percent)s WHERE {_HELD} RETURNING tenant_id
)
{_ENTRY} SELECT tenant_id, %(id)s, 'stage', 'info', %(text)s, %(attempt)s FROM held
"""  # noqa: S608 - text of our own
_LOG = f"""
{_ENTRY} SELECT tenant_id, %(id)s, 'log', %(level)s, %(text)s, %(attempt)s FROM jobs_job WHERE {_HELD}
"""  # noqa: S608 - text of our own


class Progress:
    """Reports stage and percent of one leased job; ``hold`` proves inside a transaction that the lease is still ours."""

    def __init__(self, *, job_id: uuid.UUID, fencing_token: int, attempt: int = 1) -> None:
        self.job_id = job_id
        self.fencing_token = fencing_token
        self.attempt = attempt
        self._lines = 0
        self._last = ("", 0.0, 0.0)

    def __call__(self, stage: str, percent: float) -> None:
        """Show ``stage`` and ``percent`` (0-100) to whoever watches; repeated calls within half a second are dropped.

        Call it outside a transaction, or the watchers see it only at the commit. Raises ``LeaseLost``.
        """
        now = time.monotonic()
        last_stage, last_percent, at = self._last
        if stage == last_stage and (now - at < SMALLEST_INTERVAL_SECONDS or percent == last_percent):
            return
        self._last = (stage, percent, now)
        shown, done = stage[:120], max(0.0, min(100.0, percent))
        if stage == last_stage or self._lines >= MOST_LINES:
            self._write(stage=shown, percent=done)
        else:
            self._enter(shown, done)

    def log(self, text: str, level: str = "info") -> None:
        """Write a line into the job's log; beyond 1,000 an attempt they are dropped. Raises ``LeaseLost``."""
        from django.db import connection

        if self._lines >= MOST_LINES:
            return
        self._lines += 1
        with connection.cursor() as cursor:
            cursor.execute(_LOG, self._named(text=text[:500], level=level))
            self._check(cursor.rowcount)

    def hold(self) -> None:
        """Lock the job's row under our token until the transaction ends; raises ``LeaseLost`` if it is another's by now.

        Call it first in the transaction that writes the job's effects: then they happen once.
        """
        from django.db.models import F

        self._write(lease_until=F("lease_until"))

    def _enter(self, stage: str, percent: float) -> None:
        from django.db import connection

        self._lines += 1
        with connection.cursor() as cursor:
            cursor.execute(_ENTER, self._named(text=stage, percent=percent))
            self._check(cursor.rowcount)

    def _named(self, **values: str | float) -> dict[str, str | float | uuid.UUID]:
        return {"id": self.job_id, "token": self.fencing_token, "attempt": self.attempt, **values}

    def _write(self, **values: object) -> None:
        self._check(self._row().update(**values))

    def _check(self, written: int) -> None:
        if not written:
            raise LeaseLost(str(self.job_id))

    def _row(self) -> QuerySet[Job]:
        from apps.jobs.models import Job, JobState

        return Job.objects.filter(id=self.job_id, fencing_token=self.fencing_token, state=JobState.RUNNING)
