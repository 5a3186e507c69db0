"""Reads about webhooks; which rows are seen is the scope's."""

from __future__ import annotations

import uuid

from django.db.models import OuterRef, QuerySet, Subquery

from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.events import published
from apps.events.published import Published
from apps.webhooks.models import Attempt, Delivery, DeliveryState, Endpoint


def list_endpoints() -> QuerySet[Endpoint]:
    """The tenant's endpoints, newest first."""
    return Endpoint.objects.order_by("-created_at", "-id")


def get_endpoint(*, endpoint_id: uuid.UUID) -> Endpoint:
    """The endpoint; raises ``NotFound``."""
    endpoint = Endpoint.objects.filter(id=endpoint_id).first()
    if endpoint is None:
        raise NotFound(what="webhook", name=public_id("wh", endpoint_id))
    return endpoint


def list_deliveries(*, endpoint: Endpoint, state: str = "") -> QuerySet[Delivery]:
    """What was sent there, newest first, with the status of the last attempt."""
    last = Attempt.objects.filter(delivery=OuterRef("id")).order_by("-id")
    found = Delivery.objects.filter(endpoint=endpoint).annotate(
        last_status=Subquery(last.values("status")[:1]),
        last_error=Subquery(last.values("error")[:1]),
        last_milliseconds=Subquery(last.values("milliseconds")[:1]),
    )
    return (found.filter(state=state) if state else found).order_by("-created_at", "-id")


def get_delivery(*, delivery_id: uuid.UUID) -> Delivery:
    """The delivery with its endpoint; raises ``NotFound``."""
    delivery = Delivery.objects.select_related("endpoint").filter(id=delivery_id).first()
    if delivery is None:
        raise NotFound(what="delivery", name=public_id("whd", delivery_id))
    return delivery


def list_attempts(*, delivery: Delivery) -> list[Attempt]:
    """Each try, the last first."""
    return list(Attempt.objects.filter(delivery=delivery).order_by("-id"))


def list_types() -> list[Published]:
    """The types of event that can be heard of."""
    return published.list_types()


__all__ = [
    "DeliveryState", "get_delivery", "get_endpoint", "list_attempts", "list_deliveries", "list_endpoints", "list_types",
]  # fmt: skip
