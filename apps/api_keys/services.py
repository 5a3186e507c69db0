"""Use cases of keys: make, change, rotate, revoke."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from apps.api_keys import errors, freshness, networks, notices, queries, text
from apps.api_keys.ceilings import Ceiling
from apps.api_keys.models import ApiKey
from apps.api_keys.scopes import STANDARD, choose
from apps.api_keys.text import KeyText, Mode
from apps.audit import services as audit
from apps.core import scope
from apps.core.ids import new_id, public_id

NAME_LENGTH: Final = 80
VALID_KEYS: Final = 100
MOST_REQUESTS: Final = 1_000_000
MOST_POINTS: Final = 10**15
OVERLAP: Final = timedelta(hours=24)
LONGEST_OVERLAP: Final = timedelta(days=7)
DEFAULT_LIFE: Final = timedelta(days=365)
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('api_keys:' || %s, 0))"


@dataclasses.dataclass(frozen=True, slots=True)
class Wishes:
    """What a new key should be. ``scopes`` None is a standard key, a list a restricted one; ``networks`` empty is
    everywhere, and rate and budget None no limit of the key's own."""

    name: str
    scopes: list[str] | None = None
    mode: Mode = "live"
    networks: Sequence[str] = ()
    requests_per_minute: int | None = None
    points_per_month: int | None = None
    expires_at: datetime | None = None


def create(
    *,
    name: str,
    scopes: Iterable[str] | None = None,
    mode: Mode = "live",
    networks: Iterable[str] = (),
    requests_per_minute: int | None = None,
    points_per_month: int | None = None,
    expires_at: datetime | None = None,
    personal: bool = False,
    created_by: uuid.UUID | None = None,
    ceiling: Ceiling | None = None,
) -> tuple[ApiKey, str]:
    """Make a key for the tenant in scope; returns its row and its text, which is not kept anywhere.

    ``ceiling`` is what the one who asks may hand on; None is for the operator's command line. A ``personal`` key is
    the ceiling's person's. Raises a ``KeyNotMade`` that names the field to change.
    """
    given = list(scopes) if scopes is not None else None
    wishes = _clean(
        Wishes(name, given, mode, list(networks), requests_per_minute, points_per_month, expires_at)
    )
    if ceiling is not None:
        _check(wishes, ceiling)
        personal = personal or ceiling.personal
        created_by = created_by or ceiling.person_id
    owner = (ceiling.person_id, ceiling.membership_id) if ceiling and personal else (None, None)
    key = text.generate(mode, restricted=given is not None)
    with transaction.atomic():
        _hold_cap()
        row = _insert(
            key, wishes, created_by=created_by, owner_id=owner[0], membership_id=owner[1], origin_id=None
        )
        _record("api_key.created", row, _shown(row))
    return row, key.whole


def ensure_derived(*, name: str, scopes: Iterable[str], seed: str) -> str:
    """The text of the key that belongs to ``seed``, made in the tenant in scope unless it is there."""
    key = text.derive(seed)
    with transaction.atomic():
        if queries.find_own(public_id=key.public_id) is None:
            row = _insert(key, Wishes(name, choose(scopes)), created_by=None)
            _record("api_key.created", row, _shown(row))
    return key.whole


def change(*, key_id: uuid.UUID, ceiling: Ceiling, **changes: Any) -> ApiKey:
    """Change ``name``, ``networks``, ``requests_per_minute`` or ``points_per_month`` of a key that has not ended.

    Raises ``NotFound``, ``KeyEnded``, ``KeyNotYours``, or a ``KeyNotMade`` that names the field.
    """
    wanted = _clean_changes(changes)
    with transaction.atomic():
        row = _get_lasting(key_id, ceiling)
        _check_changes(wanted, ceiling)
        before = {name: getattr(row, name) for name in wanted}
        if before == wanted:
            return row
        _move(row, **wanted)
        _record("api_key.changed", row, {"before": before, "after": wanted})
    _take_effect()
    return row


def rotate(*, key_id: uuid.UUID, ceiling: Ceiling, overlap: timedelta = OVERLAP) -> tuple[ApiKey, str]:
    """A new text under the same settings; the old one goes on working for ``overlap``. Returns the new row and text.

    The new key lasts as long as the old one was made to. Raises ``NotFound``, ``KeyEnded``, ``KeyNotYours``,
    ``OverlapRefused``, or a ``KeyNotMade`` where the old key may more than the one who asks.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise errors.OverlapRefused(limit=LONGEST_OVERLAP.days)
    with transaction.atomic():
        old = _get_lasting(key_id, ceiling)
        wishes = _again(old, ceiling)
        _check(wishes, ceiling)
        key, now = text.generate(wishes.mode, restricted=old.restricted), timezone.now()
        row = _insert(
            key,
            wishes,
            created_by=ceiling.person_id,
            owner_id=old.owner_id,
            membership_id=old.membership_id,
            origin_id=old.counter_id,
        )
        _move(old, rotated_at=now, rotating_until=now + overlap, replaced_by=row.id)
        told = {"replaced_by": public_id("key", row.id), "rotating_until": (now + overlap).isoformat()}
        _record("api_key.rotated", old, {**_shown(old), **told})
        notices.tell_rotated(old, row)
    _take_effect()
    return row, key.whole


def revoke(*, key_id: uuid.UUID) -> ApiKey:
    """End a key at once; a second time changes nothing. Raises ``NotFound`` for another tenant's key."""
    with transaction.atomic():
        row = queries.get_key(key_id=key_id)
        revoked = ApiKey.objects.filter(id=key_id, revoked_at__isnull=True).update(revoked_at=timezone.now())
        if revoked:
            _record("api_key.revoked", row, {"name": row.name})
            notices.tell_revoked(row)
        row.refresh_from_db()
    _take_effect()
    return row


def revoke_leaked(*, key_id: uuid.UUID, found: dict[str, str], to: Sequence[str]) -> bool:
    """End a key whose text was found in the open, and tell ``to``; whether it was still valid.

    ``found`` says where: ``source`` and ``url``, as the report told.
    """
    with transaction.atomic():
        row = queries.get_key(key_id=key_id)
        if not ApiKey.objects.filter(id=key_id, revoked_at__isnull=True).update(revoked_at=timezone.now()):
            return False
        _record("api_key.leaked", row, {"name": row.name, "source": found["source"]}, {"url": found["url"]})
        notices.tell_revoked(row, found=found, to=to)
    _take_effect()
    return True


def note_expiry(*, key_id: uuid.UUID, days: int, to: Sequence[str]) -> bool:
    """Tell ``to`` that a key ends in ``days`` days; whether this was the first time for that many or fewer."""
    with transaction.atomic():
        due = ApiKey.objects.filter(id=key_id).exclude(expiry_notice__lte=days)
        if not due.update(expiry_notice=days):
            return False
        notices.tell_expiring(queries.get_key(key_id=key_id), days, to)
    return True


def _clean(wishes: Wishes) -> Wishes:
    if wishes.expires_at is not None and wishes.expires_at <= timezone.now():
        raise errors.ExpiryPast(expires_at=wishes.expires_at)
    scopes = list(STANDARD) if wishes.scopes is None else choose(wishes.scopes)
    return dataclasses.replace(
        wishes,
        name=_clean_name(wishes.name),
        scopes=scopes,
        networks=networks.parse(wishes.networks),
        requests_per_minute=_clean_number("requests_per_minute", wishes.requests_per_minute, MOST_REQUESTS),
        points_per_month=_clean_number("points_per_month", wishes.points_per_month, MOST_POINTS),
    )


def _clean_changes(changes: dict[str, Any]) -> dict[str, Any]:
    cleaners: dict[str, Callable[[Any], Any]] = {
        "name": _clean_name,
        "networks": networks.parse,
        "requests_per_minute": lambda value: _clean_number("requests_per_minute", value, MOST_REQUESTS),
        "points_per_month": lambda value: _clean_number("points_per_month", value, MOST_POINTS),
    }
    return {name: cleaners[name](value) for name, value in changes.items()}


def _check(wishes: Wishes, ceiling: Ceiling) -> None:
    ceiling.check_scopes(wishes.scopes or ())
    ceiling.check_mode(wishes.mode)
    ceiling.check_networks(wishes.networks)
    ceiling.check_rate(wishes.requests_per_minute)
    ceiling.check_budget(wishes.points_per_month)
    ceiling.check_end(wishes.expires_at)


def _check_changes(wanted: dict[str, Any], ceiling: Ceiling) -> None:
    checks: dict[str, Callable[[Any], None]] = {
        "networks": ceiling.check_networks,
        "requests_per_minute": ceiling.check_rate,
        "points_per_month": ceiling.check_budget,
    }
    for name in wanted.keys() & checks.keys():
        checks[name](wanted[name])


def _get_lasting(key_id: uuid.UUID, ceiling: Ceiling) -> ApiKey:
    row = queries.get_key(key_id=key_id)
    ceiling.check_owner(row)
    if row.state != "active":
        raise errors.KeyEnded(name=row.name, state=row.state)
    return row


def _move(row: ApiKey, **fields: Any) -> None:
    """Write ``fields`` unless the key has ended meanwhile."""
    lasting = ApiKey.objects.filter(id=row.id, revoked_at__isnull=True, replaced_by__isnull=True)
    changed = lasting.update(**fields)
    row.refresh_from_db()
    if not changed:
        raise errors.KeyEnded(name=row.name, state=row.state)


def _again(old: ApiKey, ceiling: Ceiling) -> Wishes:
    """The old key's settings, for as long a life; a key that asks hands on no more life than it has left."""
    ends = timezone.now() + (old.expires_at - old.created_at) if old.expires_at else None
    if ceiling.ends_at is not None:
        ends = min(ends, ceiling.ends_at) if ends else ceiling.ends_at
    return Wishes(
        name=old.name,
        scopes=old.scopes,
        mode="test" if old.mode == "test" else "live",
        networks=old.networks,
        requests_per_minute=old.requests_per_minute,
        points_per_month=old.points_per_month,
        expires_at=ends,
    )


def _insert(key: KeyText, wishes: Wishes, **fields: Any) -> ApiKey:
    pepper = text.newest_pepper()
    digest = text.digest(key, pepper)
    assert digest is not None
    return ApiKey.objects.create(
        id=new_id(),
        tenant_id=scope.current_tenant().id,
        public_id=key.public_id,
        pepper=pepper,
        digest=digest,
        last4=key.whole[-4:],
        mode=key.mode,
        restricted=key.restricted,
        **{
            field.name: getattr(wishes, field.name)
            for field in dataclasses.fields(wishes)
            if field.name != "mode"
        },
        **fields,
    )


def _hold_cap() -> None:
    """One key at a time, so that two who make the last one at the same moment do not both get it."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [str(scope.current_tenant().id)])
    if queries.count_valid() >= VALID_KEYS:
        raise errors.TooManyKeys(limit=VALID_KEYS)


def _take_effect() -> None:
    """This process knows at once, the others within a second."""
    memory = freshness.memory
    transaction.on_commit(memory.forget)


def _clean_name(name: str) -> str:
    name = " ".join(name.split())
    if not 1 <= len(name) <= NAME_LENGTH or not name.isprintable():
        raise errors.KeyNameRefused(limit=NAME_LENGTH)
    if text.LOOKS_LIKE_KEY.search(name):
        raise errors.KeyNameSecret
    return name


def _clean_number(field: str, value: int | None, limit: int) -> int | None:
    if value is not None and not 1 <= value <= limit:
        raise errors.AllowanceRefused(field=field, limit=limit)
    return value


def _shown(row: ApiKey) -> dict[str, object]:
    return {
        "name": row.name,
        "kind": text.prefix(row.mode, restricted=row.restricted),
        "scopes": row.scopes,
        "networks": row.networks,
        "requests_per_minute": row.requests_per_minute,
        "points_per_month": row.points_per_month,
        "personal": row.owner_id is not None,
        "expires_at": row.expires_at and row.expires_at.isoformat(),
    }


def _record(
    action: str, row: ApiKey, changes: dict[str, object], personal: dict[str, object] | None = None
) -> None:
    audit.record(
        action=action,
        target_type="api_key",
        target_id=public_id("key", row.id),
        changes=changes,
        personal=personal,
    )
