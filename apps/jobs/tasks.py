"""What Celery calls: shells around the runner and the dispatcher."""

from __future__ import annotations

import uuid

from celery import shared_task

from apps.core import cache, redis
from apps.jobs import dispatch, runner

SWEEP_SECONDS = 120  # far more than it takes; one that hangs must not keep its worker


@shared_task(name=dispatch.RUN)
def run(job_id: str, schema: str = "") -> None:
    """Do one job; the message carries its id and its tenant's schema. One without a schema is an older program's and
    is refused: the sweep announces the job again."""
    runner.run(job_id=uuid.UUID(job_id), schema=schema)


@shared_task(name="jobs.sweep", time_limit=SWEEP_SECONDS)
def sweep() -> None:
    """The periodic net: expired leases, lost messages."""
    dispatch.sweep()


@shared_task(name="jobs.answer_ping")
def answer_ping(nonce: str) -> None:
    """Prove that a worker of the queue is alive: leaves ``nonce`` in Redis for a minute."""
    redis.client().set(cache.cache_key(None, "ping", nonce), "1", ex=60)
