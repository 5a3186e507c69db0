"""From the outbox to the endpoints: a delivery for each endpoint that wants an event, in the transaction that ticks it off.

Runs as the role ``courier``. Who is killed has ticked nothing off, so nothing is lost and nothing doubled.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from apps.events import outgoing, published
from apps.webhooks import bodies
from apps.webhooks.models import Delivery, Endpoint

BATCH: Final = 200
KEPT: Final = timedelta(days=30)


def fan_out() -> int:
    """Deal with all events that wait; how many."""
    done = 0
    while count := _batch():
        done += count
    return done


def forget_old() -> int:
    """Delete deliveries older than 30 days, also those that wait at a webhook that is switched off; how many rows."""
    return Delivery.objects.filter(created_at__lt=timezone.now() - KEPT).delete()[0]


def _batch() -> int:
    with transaction.atomic():
        events = outgoing.take(BATCH)
        known = [event for event in events if event.tenant_id and published.find(event.type)]
        wanting = _endpoints({event.tenant_id for event in known})
        deliveries = [
            _delivery(event, endpoint)
            for event in known
            for endpoint in wanting[event.tenant_id]
            if not endpoint.types or event.type in endpoint.types
        ]
        Delivery.objects.bulk_create(deliveries)
        outgoing.tick_off(events)
    return len(events)


def _endpoints(tenants: Iterable[Any]) -> dict[Any, list[Endpoint]]:
    found: dict[Any, list[Endpoint]] = defaultdict(list)
    for endpoint in Endpoint.objects.filter(tenant_id__in=tenants).order_by("id"):
        found[endpoint.tenant_id].append(endpoint)
    return found


def _delivery(event: Any, endpoint: Endpoint) -> Delivery:
    kind = published.find(event.type)
    assert kind is not None, "only published types come here"
    return Delivery(
        tenant_id=event.tenant_id,
        endpoint=endpoint,
        event_id=event.id,
        type=event.type,
        message_id=bodies.message_id(event.id),
        body=bodies.write(type=event.type, occurred_at=event.occurred_at, data=kind.shown(event.data)),
    )
