"""Endpoints: made, changed, switched off and on, tried, deleted; and deliveries sent once more."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from apps.audit import services as audit
from apps.core import egress, request_context, scope, sealing
from apps.core.errors import FieldError
from apps.core.ids import new_id
from apps.events import published
from apps.webhooks import bodies, queries, signing
from apps.webhooks.errors import TooManyWebhooks, WebhookDisabled, WebhookInvalid
from apps.webhooks.models import Delivery, DeliveryState, Endpoint

MOST: Final = 20
OVERLAP: Final = timedelta(hours=24)
PURPOSE: Final = "webhook"
TEST: Final = "webhook.test"


def create(*, url: str, types: Sequence[str] = (), description: str = "") -> tuple[Endpoint, str]:
    """Have events sent to ``url``; the endpoint, and its secret, which is shown here and never again.

    Raises ``WebhookInvalid``, which names the field, and ``TooManyWebhooks``.
    """
    secret = signing.new_secret()
    endpoint = Endpoint(
        id=new_id(),
        tenant_id=scope.current_tenant().id,
        url=_checked_url(url),
        types=_checked_types(types),
        description=description.strip()[:200],
        secret=_sealed(secret),
        created_by=request_context.current().actor.label,
    )
    with transaction.atomic():
        if queries.list_endpoints().count() >= MOST:
            raise TooManyWebhooks(limit=MOST)
        endpoint.save(force_insert=True)
        _record("webhook.created", endpoint, {"url": endpoint.url, "types": endpoint.types})
    return endpoint, signing.shown(secret)


def change(*, endpoint_id: uuid.UUID, changes: Mapping[str, Any]) -> Endpoint:
    """Change ``url``, ``types`` or ``description``; what is not given stays. Raises ``NotFound`` and ``WebhookInvalid``."""
    with transaction.atomic():
        endpoint = queries.get_endpoint(endpoint_id=endpoint_id)
        before = {name: getattr(endpoint, name) for name in changes}
        if "url" in changes:
            endpoint.url = _checked_url(changes["url"])
        if "types" in changes:
            endpoint.types = _checked_types(changes["types"])
        if "description" in changes:
            endpoint.description = changes["description"].strip()[:200]
        endpoint.save(update_fields=["url", "types", "description"])
        _record("webhook.changed", endpoint, {"before": before, "after": dict(changes)})
    return endpoint


def rotate(*, endpoint_id: uuid.UUID) -> tuple[Endpoint, str]:
    """A new secret, shown here only; for a day the old one signs as well. Raises ``NotFound``."""
    secret = signing.new_secret()
    with transaction.atomic():
        endpoint = queries.get_endpoint(endpoint_id=endpoint_id)
        endpoint.old_secret, endpoint.secret = endpoint.secret, _sealed(secret)
        endpoint.old_secret_until = timezone.now() + OVERLAP
        endpoint.save(update_fields=["secret", "old_secret", "old_secret_until"])
        _record("webhook.secret_rotated", endpoint, {})
    return endpoint, signing.shown(secret)


def disable(*, endpoint_id: uuid.UUID) -> Endpoint:
    """Send nothing more; what happens meanwhile waits until it is enabled. Raises ``NotFound``."""
    with transaction.atomic():
        endpoint = queries.get_endpoint(endpoint_id=endpoint_id)
        if endpoint.disabled_at is None:
            endpoint.disabled_at, endpoint.disabled_reason = timezone.now(), "It was switched off by hand."
            endpoint.save(update_fields=["disabled_at", "disabled_reason"])
            _record("webhook.disabled", endpoint, {})
    return endpoint


def enable(*, endpoint_id: uuid.UUID) -> Endpoint:
    """Go on sending, what waits first. Raises ``NotFound``."""
    with transaction.atomic():
        endpoint = queries.get_endpoint(endpoint_id=endpoint_id)
        if endpoint.disabled_at is not None:
            endpoint.disabled_at, endpoint.disabled_reason = None, ""
            endpoint.save(update_fields=["disabled_at", "disabled_reason"])
            _record("webhook.enabled", endpoint, {})
    return endpoint


def delete(*, endpoint_id: uuid.UUID) -> None:
    """Delete an endpoint with the log of its deliveries. Raises ``NotFound``."""
    with transaction.atomic():
        endpoint = queries.get_endpoint(endpoint_id=endpoint_id)
        _record("webhook.deleted", endpoint, {"url": endpoint.url})
        endpoint.delete()


def send_test(*, endpoint_id: uuid.UUID) -> Delivery:
    """Send an event that says it is a test. Raises ``NotFound`` and ``WebhookDisabled``."""
    with transaction.atomic():
        endpoint = _enabled(queries.get_endpoint(endpoint_id=endpoint_id))
        event_id, now = new_id(), timezone.now()
        data = {"webhook": endpoint.public_id, "message": "A test: nothing happened."}
        delivery = Delivery.objects.create(
            tenant_id=endpoint.tenant_id,
            endpoint=endpoint,
            event_id=event_id,
            type=TEST,
            message_id=bodies.message_id(event_id),
            body=bodies.write(type=TEST, occurred_at=now, data=data),
        )
        _record("webhook.tested", endpoint, {})
    return delivery


def replay(*, delivery_id: uuid.UUID) -> Delivery:
    """Send a delivery once more, under the same message id, signed with the secret of now. Raises ``NotFound`` and
    ``WebhookDisabled``."""
    with transaction.atomic():
        delivery = queries.get_delivery(delivery_id=delivery_id)
        endpoint = _enabled(delivery.endpoint)
        Delivery.objects.filter(id=delivery.id).update(
            state=DeliveryState.PENDING, attempts=0, next_attempt_at=timezone.now(), ended_at=None
        )
        _record("webhook.replayed", endpoint, {"delivery": delivery.public_id})
    delivery.refresh_from_db()
    return delivery


def _enabled(endpoint: Endpoint) -> Endpoint:
    if endpoint.disabled_at is not None:
        raise WebhookDisabled(reason=endpoint.disabled_reason)
    return endpoint


def _checked_url(url: str) -> str:
    text = url.strip()
    try:
        if len(text) > 2000:
            raise egress.AddressRefused(host=text[:60], reason="the address is longer than 2,000 characters")
        egress.addresses(*egress.place_of(egress.check_url(text)))
    except egress.AddressRefused as refused:
        raise _invalid("url", refused.detail) from None
    return text


def _checked_types(wanted: Sequence[str]) -> list[str]:
    for name in wanted:
        if published.find(name) is None:
            known = ", ".join(each.type for each in published.list_types())
            raise _invalid("types", f"There is no event {name[:60]!r}. There are: {known}.")
    return sorted(set(wanted))


def _invalid(field: str, reason: str) -> WebhookInvalid:
    return WebhookInvalid(reason=reason, errors=[FieldError("webhook_invalid", reason, pointer=f"/{field}")])


def _sealed(secret: bytes) -> bytes:
    return sealing.seal(secret, tenant=scope.current_tenant(), purpose=PURPOSE)


def _record(action: str, endpoint: Endpoint, changes: dict[str, Any]) -> None:
    audit.record(action=action, target_type="webhook", target_id=endpoint.public_id, changes=changes)
