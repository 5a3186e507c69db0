"""acme with a webhook to a receiver on this machine, which the operator allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from apps.core.scope import SystemRole
from apps.events import services as events
from apps.webhooks import fanning_out, sending, services
from apps.webhooks.models import Attempt, Delivery, Endpoint
from tenants.context import system_scope, tenant_scope
from tests import factories
from tests.webhooks.receiving import Receiver, receiver

TYPE = "job.succeeded"
DATA = {"id": "job_1", "type": "training.run", "status": "succeeded", "url": "/v1/jobs/job_1", "secret": "no"}


@pytest.fixture
def hook(committed: None, settings: Any) -> Iterator[Receiver]:
    """The receiver."""
    settings.EGRESS_ALLOW = ["127.0.0.1"]
    with receiver() as found:
        yield found
        sending.wait_until_idle()


@pytest.fixture
def endpoint(hook: Receiver) -> tuple[Endpoint, str]:
    """acme's webhook to it, and its secret."""
    with tenant_scope(factories.tenant("acme").key):
        return services.create(url=hook.url, types=[TYPE])


def happen(slug: str = "acme", type: str = TYPE, data: dict[str, Any] | None = None) -> None:
    """Something happens in a tenant."""
    with tenant_scope(factories.tenant(slug).key), transaction.atomic():
        events.emit(type=type, data=data or DATA)


def fan_out() -> int:
    """What the clerk does first."""
    with system_scope(SystemRole.COURIER):
        return fanning_out.fan_out()


def send() -> int:
    """What the clerk does then, until all threads are done."""
    with system_scope(SystemRole.DISPATCHER):
        begun = sending.send_due()
    sending.wait_until_idle()
    return begun


def deliveries() -> list[Delivery]:
    """All, oldest first, seen by the operator."""
    with system_scope("operator"):
        return list(Delivery.objects.order_by("created_at", "id"))


def attempts() -> list[Attempt]:
    """All, oldest first."""
    with system_scope("operator"):
        return list(Attempt.objects.order_by("id"))


def row(endpoint: Endpoint) -> Endpoint:
    """The endpoint as it stands."""
    with system_scope("operator"):
        return Endpoint.objects.get(id=endpoint.id)


def let_time_pass(**columns: Any) -> None:
    """Every delivery that waits is due."""
    with system_scope(SystemRole.DISPATCHER):
        Delivery.objects.filter(state="pending").update(
            next_attempt_at=timezone.now() - timedelta(seconds=1), **columns
        )


Happen = Callable[..., None]
