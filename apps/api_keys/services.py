"""Use cases of keys: make, revoke, and check the one that came with a call."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.utils import timezone

from apps.api_keys import errors, queries, text
from apps.api_keys.models import ApiKey
from apps.api_keys.principal import Principal
from apps.api_keys.scopes import choose
from apps.audit import services as audit
from apps.core import scope
from apps.core.ids import public_id
from tenants.models import TenantState

NAME_LENGTH: Final = 80
VALID_KEYS: Final = 100
LAST_USED_EVERY: Final = timedelta(minutes=1)
_NOTE_USE: Final = """
UPDATE api_keys_apikey SET last_used_at = now()
WHERE id = (
    SELECT id FROM api_keys_apikey
    WHERE id = %s AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
    FOR UPDATE SKIP LOCKED)
"""


def create(
    *,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
    created_by: uuid.UUID | None = None,
    ceiling: Iterable[str] | None = None,
) -> tuple[ApiKey, str]:
    """Make a key for the tenant in scope; returns its row and its text, which is not kept anywhere.

    ``ceiling`` are the permissions of the person who asks; None is for the operator's command line. Raises a
    ``KeyNotMade`` that names the field to change.
    """
    chosen = choose(scopes, ceiling)
    name = _clean_name(name)
    if expires_at is not None and expires_at <= timezone.now():
        raise errors.ExpiryPast(expires_at=expires_at)
    key = text.generate()
    with transaction.atomic():
        if queries.count_valid() >= VALID_KEYS:
            raise errors.TooManyKeys(limit=VALID_KEYS)
        row = _insert(key, name=name, scopes=chosen, expires_at=expires_at, created_by=created_by)
        _record(
            "api_key.created",
            row,
            {"name": name, "scopes": chosen, "expires_at": expires_at and expires_at.isoformat()},
        )
    return row, key.whole


def ensure_derived(*, name: str, scopes: Iterable[str], seed: str) -> str:
    """The text of the key that belongs to ``seed``, made in the tenant in scope unless it is there."""
    key = text.derive(seed)
    with transaction.atomic():
        if queries.find_own(public_id=key.public_id) is None:
            chosen = choose(scopes, None)
            row = _insert(key, name=name, scopes=chosen, expires_at=None, created_by=None)
            _record("api_key.created", row, {"name": name, "scopes": chosen})
    return key.whole


def revoke(*, key_id: uuid.UUID) -> ApiKey:
    """End a key at once; a second time changes nothing. Raises ``NotFound`` for another tenant's key."""
    with transaction.atomic():
        row = queries.get_key(key_id=key_id)
        revoked = ApiKey.objects.filter(id=key_id, revoked_at__isnull=True).update(revoked_at=timezone.now())
        if revoked:
            _record("api_key.revoked", row, {"name": row.name})
        row.refresh_from_db()
    return row


def authenticate(*, given: str) -> Principal:
    """The principal of a key's text: one statement, none for a wrong checksum. Runs as the edge.

    Raises a ``KeyRefused`` that says why, or ``TenantSuspended``.
    """
    key = text.parse(given)
    if key is None:
        raise errors.KeyMalformed
    row = queries.find_key(public_id=key.public_id)
    if row is None or not text.matches(key, row.pepper, row.digest):
        raise errors.KeyUnknown
    _check_valid(row)
    return row.principal


def note_use(*, principal: Principal) -> None:
    """Keep when the key was last used: at most one write per key and minute, never a wait."""
    last = principal.last_used_at
    if last is not None and timezone.now() - last < LAST_USED_EVERY:
        return
    with connection.cursor() as cursor:
        cursor.execute(_NOTE_USE, [principal.key_id])


def _check_valid(row: queries.KeyRow) -> None:
    principal = row.principal
    if row.revoked_at is not None:
        raise errors.KeyRevoked(revoked_at=row.revoked_at)
    if principal.expires_at is not None and principal.expires_at <= row.now:
        raise errors.KeyExpired(expires_at=principal.expires_at)
    if row.tenant_state == TenantState.SUSPENDED:
        raise errors.TenantSuspended(name=principal.tenant_name)
    if row.tenant_state != TenantState.ACTIVE:
        raise errors.KeyUnknown


def _insert(
    key: text.KeyText,
    *,
    name: str,
    scopes: list[str],
    expires_at: datetime | None,
    created_by: uuid.UUID | None,
) -> ApiKey:
    pepper = text.newest_pepper()
    digest = text.digest(key, pepper)
    assert digest is not None
    return ApiKey.objects.create(
        tenant_id=scope.current_tenant().id,
        public_id=key.public_id,
        pepper=pepper,
        digest=digest,
        last4=key.whole[-4:],
        name=name,
        scopes=scopes,
        created_by=created_by,
        expires_at=expires_at,
    )


def _clean_name(name: str) -> str:
    name = " ".join(name.split())
    if not 1 <= len(name) <= NAME_LENGTH or not name.isprintable():
        raise errors.KeyNameRefused(limit=NAME_LENGTH)
    return name


def _record(action: str, row: ApiKey, changes: dict[str, object]) -> None:
    audit.record(action=action, target_type="api_key", target_id=public_id("key", row.id), changes=changes)
