"""What Celery calls."""

from __future__ import annotations

import uuid

from celery import shared_task
from django.conf import settings

from apps.core import cache, redis
from apps.jobs import dispatch, runner

JOB_HANGS_SECONDS = 600  # its heartbeat ends it before, with a reason, unless that hangs as well


@shared_task(name=dispatch.RUN, time_limit=settings.JOB_SECONDS + JOB_HANGS_SECONDS)
def run(job_id: str, schema: str = "") -> None:
    """Do one job; the message carries its id and its tenant's schema. One without a schema is an older program's and
    is refused: the sweep announces the job again."""
    runner.run(job_id=uuid.UUID(job_id), schema=schema)


@shared_task(name="jobs.answer_ping")
def answer_ping(nonce: str) -> None:
    """Prove that a worker of the queue is alive: leaves ``nonce`` in Redis for a minute."""
    redis.client().set(cache.cache_key(None, "ping", nonce), "1", ex=60)
