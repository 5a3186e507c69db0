"""Sending what is due: at least once, one at a time to an endpoint, a slow one in nobody's way. Runs as ``dispatcher``.

A delivery is leased by moving its next attempt ahead before anything is sent, so who is killed while sending leaves it to
the next round. Threads do the waiting; each endpoint has one at most, each tenant a few.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import structlog
from django.db import connection, connections, transaction
from django.db.models import F
from django.utils import timezone

from apps.accounts import queries as accounts
from apps.audit import services as audit
from apps.core import egress, sealing
from apps.core.errors import AppError
from apps.core.scope import SystemRole
from apps.core.tenancy import TenantKey
from apps.events import services as events
from apps.webhooks import services, signing
from apps.webhooks.models import Attempt, Delivery, DeliveryState, Endpoint
from tenants.context import system_scope

log = structlog.get_logger(__name__)
DISABLED: Final = "webhook.disabled"
SECONDS: Final = 15.0
LEASE_SECONDS: Final = 60
ANSWER_BYTES: Final = 2048
THREADS: Final = 16
TENANT_THREADS: Final = 4
GONE: Final = 410
SLOW_DOWN: Final = frozenset({429, 502, 503, 504})
LONGEST_WAIT: Final = timedelta(hours=24)
# Seconds before each attempt after the first: about three days in all.
PAUSES: Final = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)

# The due delivery of each endpoint that nobody is sending to; a tenant's oldest first.
_DUE: Final = """
SELECT DISTINCT ON (delivery.endpoint_id) delivery.id, delivery.endpoint_id, tenant.id, tenant.schema_name
FROM webhooks_delivery AS delivery
JOIN webhooks_endpoint AS endpoint ON endpoint.id = delivery.endpoint_id AND endpoint.disabled_at IS NULL
JOIN tenants_tenant AS tenant ON tenant.id = delivery.tenant_id AND tenant.state = 'active'
WHERE delivery.state = 'pending' AND delivery.next_attempt_at <= now() AND delivery.endpoint_id <> ALL(%s)
ORDER BY delivery.endpoint_id, delivery.next_attempt_at, delivery.id
"""


@dataclass
class Desk:
    """Who is being sent to by this process."""

    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "webhook"))
    lock: threading.Lock = field(default_factory=threading.Lock)
    busy: dict[uuid.UUID, uuid.UUID] = field(default_factory=dict)  # endpoint: tenant

    def may_begin(self, endpoint: uuid.UUID, tenant: uuid.UUID) -> bool:
        """Whether there is room for one more; then it is taken."""
        with self.lock:
            room = len(self.busy) < THREADS and Counter(self.busy.values())[tenant] < TENANT_THREADS
            if not room or endpoint in self.busy:
                return False
            self.busy[endpoint] = tenant
            return True

    def done(self, endpoint: uuid.UUID) -> None:
        """The endpoint is free again."""
        with self.lock:
            self.busy.pop(endpoint, None)


_desk = Desk()


def send_due() -> int:
    """Begin to send what is due and has room; how many were begun. Returns before they are done."""
    begun = 0
    for delivery_id, endpoint_id, tenant in _due(list(_desk.busy)):
        if _desk.may_begin(endpoint_id, tenant.id):
            _desk.pool.submit(_in_thread, delivery_id, endpoint_id, tenant)
            begun += 1
    return begun


def wait_until_idle(seconds: float = 30) -> None:
    """Wait until nothing is being sent by this process; for tests and for who ends it."""
    end = time.monotonic() + seconds
    while _desk.busy and time.monotonic() < end:
        time.sleep(0.01)


def _due(busy: list[uuid.UUID]) -> list[tuple[uuid.UUID, uuid.UUID, TenantKey]]:
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [busy])
        return [
            (delivery, endpoint, TenantKey(id=tenant, schema=schema))
            for delivery, endpoint, tenant, schema in cursor.fetchall()
        ]


def _in_thread(delivery_id: uuid.UUID, endpoint_id: uuid.UUID, tenant: TenantKey) -> None:
    try:
        with system_scope(SystemRole.DISPATCHER):
            send(delivery_id, tenant)
    except Exception:
        log.exception("webhook_not_sent", delivery=str(delivery_id))
    finally:
        connections.close_all()
        _desk.done(endpoint_id)


def send(delivery_id: uuid.UUID, tenant: TenantKey) -> None:
    """One attempt: lease, send, note what came of it. Nothing where somebody else has it, or it was switched off."""
    delivery = _lease(delivery_id)
    if delivery is None:
        return
    began = time.monotonic()
    try:
        answered: egress.Answered | None = _post(delivery, tenant)
        error = ""
    except AppError as failure:
        answered, error = None, failure.detail
    took = int((time.monotonic() - began) * 1000)
    with transaction.atomic():
        reason = _note(delivery, answered, error, took)
    if reason:
        _disable(delivery.endpoint, reason)


def _lease(delivery_id: uuid.UUID) -> Delivery | None:
    due = Delivery.objects.filter(
        id=delivery_id,
        state=DeliveryState.PENDING,
        next_attempt_at__lte=timezone.now(),
        endpoint__disabled_at=None,
    )
    ahead = timezone.now() + timedelta(seconds=LEASE_SECONDS)
    with transaction.atomic():
        found = due.select_for_update(of=("self",)).first()
        if found is None:
            return None
        Delivery.objects.filter(id=found.id).update(attempts=F("attempts") + 1, next_attempt_at=ahead)
    return Delivery.objects.select_related("endpoint").get(id=delivery_id)


def _post(delivery: Delivery, tenant: TenantKey) -> egress.Answered:
    body = delivery.body.encode()
    said = signing.headers(
        message_id=delivery.message_id,
        timestamp=int(time.time()),
        body=body,
        keys=list(_keys(delivery.endpoint, tenant)),
    )
    headers = {"content-type": "application/json", "user-agent": "Almanac-Webhooks/1", **said}
    return egress.post(delivery.endpoint.url, body, headers=headers, seconds=SECONDS, most_bytes=ANSWER_BYTES)


def _keys(endpoint: Endpoint, tenant: TenantKey) -> Iterable[bytes]:
    yield sealing.open_sealed(bytes(endpoint.secret), tenant=tenant, purpose=services.PURPOSE)
    until = endpoint.old_secret_until
    if endpoint.old_secret is not None and until is not None and until > timezone.now():
        yield sealing.open_sealed(bytes(endpoint.old_secret), tenant=tenant, purpose=services.PURPOSE)


def _note(delivery: Delivery, answered: egress.Answered | None, error: str, took: int) -> str:
    """Write down what came of an attempt, and when the next is; why the endpoint is to be switched off, or ''."""
    status = answered.status if answered else None
    Attempt.objects.create(
        tenant_id=delivery.tenant_id,
        delivery=delivery,
        status=status,
        answer=_readable(answered.body) if answered else "",
        error=error[:300],
        milliseconds=took,
    )
    now = timezone.now()
    if status is not None and 200 <= status < 300:
        _end(delivery, DeliveryState.DELIVERED, now)
        Endpoint.objects.filter(id=delivery.endpoint_id).update(last_success_at=now)
    elif status == GONE:
        _end(delivery, DeliveryState.FAILED, now)
        return "It answered 410: gone."
    elif delivery.attempts > len(PAUSES):
        _end(delivery, DeliveryState.FAILED, now)
        return _reason_to_disable(delivery)
    else:
        at = now + pause(delivery.attempts, answered, now)
        Delivery.objects.filter(id=delivery.id).update(next_attempt_at=at)
    return ""


def pause(attempt: int, answered: egress.Answered | None, now: datetime) -> timedelta:
    """How long to wait after so many attempts, spread by a tenth; longer where the other side asks for it."""
    seconds = PAUSES[attempt - 1] * random.uniform(0.9, 1.1)  # noqa: S311 - no secret depends on it
    usual = timedelta(seconds=seconds)
    if answered is None or answered.status not in SLOW_DOWN:
        return usual
    return max(usual, min(_asked_for(answered.headers.get("retry-after", ""), now), LONGEST_WAIT))


def _asked_for(text: str, now: datetime) -> timedelta:
    if text.strip().isdecimal() and len(text.strip()) < 9:
        return timedelta(seconds=int(text))
    try:
        return parsedate_to_datetime(text) - now
    except (TypeError, ValueError):
        return timedelta(0)


def _end(delivery: Delivery, state: DeliveryState, now: datetime) -> None:
    Delivery.objects.filter(id=delivery.id).update(state=state, ended_at=now)


def _reason_to_disable(delivery: Delivery) -> str:
    """One event that a receiver cannot digest is none: only if nothing got through since it was first tried."""
    last = Endpoint.objects.get(id=delivery.endpoint_id).last_success_at
    if last is not None and last >= delivery.created_at:
        return ""
    return f"It took none of {delivery.attempts} attempts over three days."


def _disable(endpoint: Endpoint, reason: str) -> None:
    with system_scope(SystemRole.EDGE):
        owners = accounts.list_owner_emails(tenant_id=endpoint.tenant_id)
    about: dict[str, Any] = {"webhook": endpoint.public_id, "url": endpoint.url, "reason": reason}
    on = Endpoint.objects.filter(id=endpoint.id, disabled_at=None)
    with system_scope(SystemRole.DISPATCHER), transaction.atomic():
        if not on.update(disabled_at=timezone.now(), disabled_reason=reason):
            return
        events.emit(type=DISABLED, tenant_id=endpoint.tenant_id, data={**about, "to": owners})
        audit.record(
            action=DISABLED,
            target_type="webhook",
            target_id=endpoint.public_id,
            changes={"reason": reason},
            tenant_id=endpoint.tenant_id,
        )


def _readable(body: bytes) -> str:
    return body.decode("utf-8", "replace").replace("\0", "�")
