"""How an event is hashed: the one form in which the sealer, the verifier and an auditor's own program read it."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

INSTANCE: Final = uuid.UUID(int=0)  # the chain of what belongs to no tenant
START: Final = bytes(32)  # the hash before a chain's first


class Place(NamedTuple):
    """Where an event stands: the chain, its number in there from 1, and when it was put there."""

    chain: uuid.UUID
    number: int
    sealed_at: datetime


class Row(NamedTuple):
    """An event's columns as the database has them."""

    id: uuid.UUID
    tenant_id: uuid.UUID | None
    occurred_at: datetime
    actor_type: str
    actor_id: str
    action: str
    target_type: str
    target_id: str
    changes: Any
    request_id: str
    outcome: str
    personal_digest: bytes


def row(columns: Sequence[Any]) -> Row:
    """A row of columns as a cursor gives them, where ``changes`` is text."""
    found = Row(*columns)
    return found._replace(changes=json.loads(found.changes))


def canonical(value: Any) -> bytes:
    """JSON with sorted names, without spaces, in UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def personal_digest(salt: bytes, data: Mapping[str, Any]) -> bytes:
    """What an event keeps of the data about people: without the salt it cannot be guessed back."""
    return hashlib.sha256(salt + canonical(data)).digest()


def seal_hash(before: bytes, place: Place, row: Row) -> bytes:
    """SHA-256 of the chain's previous hash followed by the event and its place as canonical JSON."""
    value = {
        "action": row.action,
        "actor_id": row.actor_id,
        "actor_type": row.actor_type,
        "chain": str(place.chain),
        "changes": row.changes,
        "id": str(row.id),
        "number": place.number,
        "occurred_at": _time(row.occurred_at),
        "outcome": row.outcome,
        "personal_digest": bytes(row.personal_digest).hex(),
        "request_id": row.request_id,
        "sealed_at": _time(place.sealed_at),
        "target_id": row.target_id,
        "target_type": row.target_type,
        "tenant_id": str(row.tenant_id) if row.tenant_id else None,
    }
    return hashlib.sha256(before + canonical(value)).digest()


def _time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")
