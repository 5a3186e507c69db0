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
SMALLEST_INTERVAL_SECONDS = 0.5


class Progress:
    """Reports stage and percent of one leased job; ``hold`` proves inside a transaction that the lease is still ours."""

    def __init__(self, *, job_id: uuid.UUID, fencing_token: int) -> None:
        self.job_id = job_id
        self.fencing_token = fencing_token
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
        self._write(stage=stage[:120], percent=max(0.0, min(100.0, percent)))

    def hold(self) -> None:
        """Lock the job's row under our token until the transaction ends; raises ``LeaseLost`` if it is another's by now.

        Call it first in the transaction that writes the job's effects: then they happen once.
        """
        from django.db.models import F

        self._write(lease_until=F("lease_until"))

    def _write(self, **values: object) -> None:
        if not self._row().update(**values):
            raise LeaseLost(str(self.job_id))

    def _row(self) -> QuerySet[Job]:
        from apps.jobs.models import Job, JobState

        return Job.objects.filter(id=self.job_id, fencing_token=self.fencing_token, state=JobState.RUNNING)
