"""Committed rows, handlers of the tests' own, and what the broker holds."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from kombu import Connection

from apps.core import redis
from apps.core.scope import SystemRole
from apps.jobs import registry, runner, services
from apps.jobs.models import Job
from apps.jobs.registry import Handler
from config.celery import app as celery_app
from tenants.context import system_scope, tenant_scope
from tenants.models import Tenant
from tests import factories

KIND = "tests.work"


@pytest.fixture
def does(monkeypatch: pytest.MonkeyPatch) -> Callable[[Handler], None]:
    """``does(function)``: what the job ``tests.work`` does in this test."""

    def register(function: Handler) -> None:
        monkeypatch.setitem(registry._handlers, KIND, function)

    register(lambda payload, _progress: {"echo": payload})
    return register


@pytest.fixture
def enqueue(committed: None, does: Any) -> Callable[..., Job]:
    """Queues ``tests.work`` for a tenant by its slug."""

    def queue(slug: str = "acme", **wishes: Any) -> Job:
        with tenant_scope(factories.tenant(slug).key):
            return services.enqueue(**{"kind": KIND, "payload": {}, "queue": "training", **wishes})

    return queue


def perform(job: Job | uuid.UUID) -> None:
    """What a worker does when the job's message comes."""
    it = row(job)
    with system_scope(SystemRole.OPERATOR):
        schema = Tenant.objects.get(id=it.tenant_id).schema_name
    runner.run(job_id=it.id, schema=schema)


def perform_first(job: Job | uuid.UUID) -> None:
    """As ``perform``, whatever else its tenant has waiting."""
    it = row(job)
    change(it, priority=100)
    perform(it)


def row(job: Job | uuid.UUID) -> Job:
    """The job as it stands, seen by the operator."""
    with system_scope(SystemRole.OPERATOR):
        return Job.objects.get(id=job.id if isinstance(job, Job) else job)


def change(job: Job, **columns: Any) -> None:
    """Change a job's row behind everybody's back."""
    with system_scope(SystemRole.OPERATOR):
        Job.objects.filter(id=job.id).update(**columns)


def announced(queue: str = "training") -> int:
    """How many messages wait in the broker."""
    return int(redis.client().llen(queue))  # type: ignore[arg-type]


@pytest.fixture
def redis_away(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Callable[[], None]]:
    """``come_back = redis_away()``: from then on messages go to an address where nobody listens."""
    send = celery_app.send_task

    def leave() -> Callable[[], None]:
        nowhere = Connection("redis://127.0.0.1:1/0")
        monkeypatch.setattr(celery_app, "send_task", functools.partial(send, connection=nowhere))
        return lambda: monkeypatch.setattr(celery_app, "send_task", send)

    return leave
