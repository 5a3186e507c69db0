"""How jobs end: the columns of each end, and who is told of it, in the transaction that ends them.

A job's end stands in its log and in the outbox, as ``job.succeeded``, ``job.failed`` or ``job.cancelled``; a bad one
also in the audit log.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.audit import services as audit
from apps.core.ids import public_id
from apps.events import services as events
from apps.jobs import entries
from apps.jobs.models import Job, JobState

_JOB: Final = {"id": "job_01K…", "type": "training.run", "status": "succeeded", "url": "/v1/jobs/job_01K…"}
# type, what happened, the fields that go out
TYPES: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("job.succeeded", "Work in the background is done.", _JOB),
    ("job.failed", "Work in the background failed for good.", {**_JOB, "status": "failed"}),
    ("job.cancelled", "Work in the background was cancelled.", {**_JOB, "status": "cancelled"}),
)


class Ended(NamedTuple):
    """A job that ended, and why: a sentence of ours, or a code; '' where there is nothing to explain."""

    job_id: uuid.UUID
    tenant_id: uuid.UUID
    kind: str
    state: str
    why: str = ""


def failed(code: str, title: str, detail: str) -> dict[str, Any]:
    """The columns of a job that failed."""
    error = {"code": code, "title": title, "detail": detail}
    return {"state": JobState.FAILED, "error": error, "stage": "Failed"}


def end(jobs: QuerySet[Job], columns: dict[str, Any]) -> int:
    """Let jobs end with these columns; how many did."""
    return jobs.update(lease_until=None, finished_at=Now(), **columns)


def tell(ended: Iterable[Ended], *, action: str = "job.failed") -> None:
    """Note ends in log and outbox, and bad ones as ``action`` in the audit log."""
    for job in ended:
        text = f"{job.state.capitalize()}: {job.why}" if job.why else job.state.capitalize()
        bad = job.state == JobState.FAILED
        level = "error" if bad else "info"
        entries.note(job_id=job.job_id, tenant_id=job.tenant_id, text=text, level=level)
        events.emit(type=f"job.{job.state}", tenant_id=job.tenant_id, data=_shown(job))
        if bad:
            record(action, job.job_id, job.tenant_id, job.kind, job.why)


def record(action: str, job_id: uuid.UUID, tenant_id: uuid.UUID, kind: str, why: str) -> None:
    """Note in the audit log that a job ended badly; ``why`` is a code or a sentence of ours."""
    audit.record(
        action=action,
        target_type="job",
        target_id=public_id("job", job_id),
        changes={"kind": kind, "why": why},
        tenant_id=tenant_id,
        outcome="failure",
    )


def _shown(job: Ended) -> dict[str, Any]:
    name = public_id("job", job.job_id)
    return {"id": name, "type": job.kind, "status": job.state, "url": f"/v1/jobs/{name}"}
