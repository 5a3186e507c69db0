"""Telling people of keys that end soon: 30, 7 and 1 days before, once each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from apps.api_keys import leaks, queries, services
from apps.api_keys.models import ApiKey
from tenants.context import tenant_scope
from tenants.models import TenantState

NOTICE_DAYS: Final = (1, 7, 30)


def tell_of_keys_that_end_soon() -> int:
    """Send the notices that are due now; how many. Runs as the edge.

    A notice that was missed is not sent late beside a later one: a key that ends tomorrow gets one mail.
    """
    sent = 0
    for key in queries.list_ending(within=timedelta(days=max(NOTICE_DAYS))):
        days = due_notice(key, timezone.now())
        row = queries.find_key(public_id=key.public_id) if days is not None else None
        if days is None or row is None or row.tenant_state != TenantState.ACTIVE or row.orphaned:
            continue
        to = leaks.people_of(row)
        with tenant_scope(row.principal.tenant_key):
            sent += services.note_expiry(key_id=key.id, days=days, to=to)
    return sent


def due_notice(key: ApiKey, now: datetime) -> int | None:
    """The notice that is due, in days before the end: not one that the key's whole life is shorter than, nor one
    that was given."""
    if key.expires_at is None or key.expires_at <= now:
        return None
    left = key.expires_at - now
    days = next((days for days in NOTICE_DAYS if left <= timedelta(days=days)), None)
    if days is None or key.expires_at - timedelta(days=days) <= key.created_at:
        return None
    return days if key.expiry_notice is None or key.expiry_notice > days else None
