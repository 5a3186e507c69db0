"""The check of a key with each call: remembered (``freshness``), or one look-up."""

from __future__ import annotations

import hashlib
import time
import uuid
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from apps.api_keys import errors, freshness, last_used, networks, queries, text
from apps.api_keys.freshness import Entry
from apps.api_keys.principal import Principal
from apps.core import request_context, throttle
from apps.core.throttle import Allowance, Limit
from tenants.models import TenantState

POLICY: Final = "key"  # how the headers name a key's own rate
FOREVER: Final = float("inf")


class AnotherTenantsHost(Exception):
    """The key is one of ours, and has nothing to do with the host that was asked: there is nothing there."""


def authenticate(*, given: str, host: uuid.UUID | None = None) -> Principal:
    """The principal of a key's text. Runs as the edge.

    No statement where the key was checked within the last second or its checksum is wrong, else one. ``host`` is
    the tenant of the host that was asked, if it is one's. Raises a ``KeyRefused`` that says why, ``TenantSuspended``,
    ``TenantDeleting``, ``NetworkNotAllowed``, or ``AnotherTenantsHost`` before any of these.
    """
    ip = request_context.current().ip
    if connection.in_atomic_block:  # what is seen in here, others may never see
        principal = _look_up(given, host).principal
        _check_network(principal, ip)
        if _seconds_since_use(principal) >= last_used.EVERY_SECONDS:
            last_used.note(principal.key_id, ip)
            last_used.write()
        return principal
    freshness.watcher.want()
    digest = hashlib.sha256(given.encode()).digest()
    entry = freshness.memory.find(digest)
    if entry is None or time.time() >= entry.ends_at:
        entry = _remember(given, digest, host)
    elif host is not None and host != entry.principal.tenant_key.id:
        raise AnotherTenantsHost
    if entry.principal.networks:
        _check_network(entry.principal, ip)
    _note_use(entry, ip)
    return entry.principal


def spend(principal: Principal) -> Allowance | None:
    """Count a call against the key's own rate, if it has one; raises ``KeyRateLimited``."""
    if principal.requests_per_minute is None:
        return None
    limit = Limit("api-key", principal.requests_per_minute, 60)
    allowance = throttle.take(limit, str(principal.counter_id))
    if allowance.wait_seconds > 0:
        wait = whole_seconds(allowance.wait_seconds)
        told: dict[str, Any] = {"violated-policies": [POLICY], "allowance": allowance}
        raise errors.KeyRateLimited(
            requests_per_minute=limit.count, wait=wait, retry_after_seconds=wait, **told
        )
    return allowance


def whole_seconds(seconds: float) -> int:
    """Rounded up: who waits that long does not come too early."""
    return int(-(-seconds // 1))


def check_row(row: queries.KeyRow) -> None:
    """Raises the reason why a key that was found is not valid."""
    principal = row.principal
    if row.revoked_at is not None:
        raise errors.KeyRevoked(revoked_at=row.revoked_at)
    if principal.expires_at is not None and principal.expires_at <= row.now:
        raise errors.KeyExpired(expires_at=principal.expires_at)
    if principal.rotating_until is not None and principal.rotating_until <= row.now:
        raise errors.KeyRotated(rotating_until=principal.rotating_until)
    if row.tenant_state == TenantState.SUSPENDED:
        raise errors.TenantSuspended(name=principal.tenant_name)
    if row.tenant_state == TenantState.DELETING:
        day = f"{row.erase_after:%Y-%m-%d}" if row.erase_after else "a day that is being decided"
        raise errors.TenantDeleting(name=principal.tenant_name, erase_after=day)
    if row.tenant_state != TenantState.ACTIVE:
        raise errors.KeyUnknown
    if row.orphaned:
        raise errors.KeyOwnerGone


def _remember(given: str, digest: bytes, host: uuid.UUID | None) -> Entry:
    state = freshness.memory.state  # before the look-up: see Memory.keep
    principal = _look_up(given, host).principal
    ends = principal.ends_at
    noted_at = time.monotonic() - _seconds_since_use(principal)
    entry = Entry(principal, ends.timestamp() if ends else FOREVER, noted_at)
    freshness.memory.keep(state, digest, entry)
    return entry


def _look_up(given: str, host: uuid.UUID | None) -> queries.KeyRow:
    row = find_by_text(given)
    if host is not None and host != row.principal.tenant_key.id:
        raise AnotherTenantsHost
    check_row(row)
    return row


def find_by_text(given: str) -> queries.KeyRow:
    """The row of a whole key, valid or not; raises ``KeyMalformed`` or ``KeyUnknown``."""
    key = text.parse(given)
    if key is None:
        raise errors.KeyMalformed
    row = queries.find_key(public_id=key.public_id)
    if row is None or not text.matches(key, row.pepper, row.digest):
        raise errors.KeyUnknown
    return row


def _check_network(principal: Principal, ip: str | None) -> None:
    if not networks.allows(principal.networks, ip):
        raise errors.NetworkNotAllowed(address=ip or "an unknown address")


def _seconds_since_use(principal: Principal) -> float:
    last = principal.last_used_at
    return (timezone.now() - last).total_seconds() if last else FOREVER


def _note_use(entry: Entry, ip: str | None) -> None:
    now = time.monotonic()
    if now - entry.noted_at >= last_used.EVERY_SECONDS:
        entry.noted_at = now
        last_used.note(entry.principal.key_id, ip)
