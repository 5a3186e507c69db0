"""How an event is hashed: the one form in which the sealer, the verifier and an auditor's own program read it."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

INSTANCE: Final = uuid.UUID(int=0)  # the chain of what belongs to no tenant
START: Final = bytes(32)  # the hash before a chain's first
DEEPEST: Final = 64
LONGEST_NUMBER: Final = 1000


class Unread(str):
    """A value in the database's own text, where Python has none that is exactly it: hashed as that text.

    So there is no row that stops the sealer, which works for all tenants, or the verifier before it has told the rest.
    """

    __slots__ = ()


NOTHING: Final = Unread("NULL")


class Place(NamedTuple):
    """Where an event stands: the chain, its number in there from 1, and when it was put there."""

    chain: uuid.UUID
    number: int
    sealed_at: datetime | Unread


class Row(NamedTuple):
    """An event's columns as the database has them."""

    id: uuid.UUID
    tenant_id: uuid.UUID | None
    occurred_at: datetime | Unread
    actor_type: str
    actor_id: str
    action: str
    target_type: str
    target_id: str
    changes: Any
    request_id: str
    outcome: str
    personal_digest: bytes | None


_AS_TEXT: Final = ("occurred_at", "changes")
COLUMNS: Final = ", ".join(
    f"event.{name}::text" if name in _AS_TEXT else f"event.{name}" for name in Row._fields
)


def row(columns: Sequence[Any]) -> Row:
    """The row of what a cursor gives for ``COLUMNS``."""
    found = dict(zip(Row._fields, columns, strict=True))
    return Row(**{**found, "occurred_at": moment(found["occurred_at"]), "changes": value(found["changes"])})


def moment(text: str | None) -> datetime | Unread:
    """The time of a ``timestamptz``'s text; ``Unread`` for infinity, and years that Python does not have."""
    try:
        return datetime.fromisoformat(text or NOTHING)
    except ValueError:
        return Unread(text or NOTHING)


def value(text: str | None) -> Any:
    """The value of a ``jsonb``'s text; ``Unread`` where it is nested too deeply or has a number that would be rounded."""
    if text is None:
        return NOTHING
    try:
        found = json.loads(text, parse_float=_exact, parse_int=_short)
    except (ValueError, RecursionError):
        return Unread(text)
    return Unread(text) if _is_deeper(found, DEEPEST) else found


def _exact(text: str) -> float:
    number = float(text)
    if Decimal(text) != Decimal(repr(number)):
        raise ValueError(text)
    return number


def _short(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError(text)
    return int(text)


def _is_deeper(found: Any, levels: int) -> bool:
    if not isinstance(found, dict | list):
        return False
    inner = found.values() if isinstance(found, dict) else found
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inner)


def canonical(value: Any) -> bytes:
    """JSON with sorted names, without spaces, in UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def personal_digest(salt: bytes, data: Mapping[str, Any]) -> bytes:
    """What an event keeps of the data about people: without the salt it cannot be guessed back."""
    return hashlib.sha256(salt + canonical(data)).digest()


def seal_hash(before: bytes, place: Place, row: Row) -> bytes:
    """SHA-256 of the chain's previous hash followed by the event and its place as canonical JSON."""
    content = {
        "action": row.action,
        "actor_id": row.actor_id,
        "actor_type": row.actor_type,
        "chain": str(place.chain),
        "changes": row.changes,
        "id": str(row.id),
        "number": place.number,
        "occurred_at": _time(row.occurred_at),
        "outcome": row.outcome,
        "personal_digest": None if row.personal_digest is None else bytes(row.personal_digest).hex(),
        "request_id": row.request_id,
        "sealed_at": _time(place.sealed_at),
        "target_id": row.target_id,
        "target_type": row.target_type,
        "tenant_id": str(row.tenant_id) if row.tenant_id else None,
    }
    if isinstance(row.changes, Unread):
        content["changes_text"] = content.pop("changes")
    return hashlib.sha256(before + canonical(content)).digest()


def _time(value: datetime | Unread) -> str:
    return value if isinstance(value, Unread) else value.astimezone(UTC).isoformat(timespec="microseconds")
