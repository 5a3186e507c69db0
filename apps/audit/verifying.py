"""Proof that nobody altered the log: every event against its seal, every seal against the one before and the anchors."""

from __future__ import annotations

import functools
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from django.db import connections, transaction
from django.utils import timezone

from apps.audit import anchors
from apps.audit.chain import (
    COLUMNS,
    INSTANCE,
    START,
    Place,
    Row,
    Unread,
    moment,
    personal_digest,
    seal_hash,
    value,
)
from apps.audit.chain import row as as_row

SEALED_WITHIN: Final = timedelta(minutes=2)
ANCHORED_WITHIN: Final = timedelta(minutes=15)
_FETCH: Final = 2000

_SEALED: Final = f"""
SELECT seal.chain, coalesce(seal.number, 0), seal.sealed_at::text, seal.hash, seal.event_id,
    personal.event_id IS NOT NULL, personal.tenant_id, personal.salt, personal.data::text,
    {COLUMNS}
FROM audit_seal AS seal
LEFT JOIN audit_auditevent AS event ON event.id = seal.event_id
LEFT JOIN audit_personal AS personal ON personal.event_id = seal.event_id
WHERE %(chain)s::uuid IS NULL OR seal.chain = %(chain)s::uuid
ORDER BY seal.chain, seal.number
"""  # noqa: S608 - the names are ours
_UNSEALED: Final = """
SELECT coalesce(event.tenant_id, %(instance)s), event.id, event.occurred_at::text, unsealed.event_id IS NOT NULL,
    event.occurred_at IS NULL OR event.occurred_at NOT BETWEEN
        now() - make_interval(secs => %(within)s) AND now() + make_interval(secs => %(within)s)
FROM audit_auditevent AS event
LEFT JOIN audit_seal AS seal ON seal.event_id = event.id
LEFT JOIN audit_unsealed AS unsealed ON unsealed.event_id = event.id
WHERE seal.event_id IS NULL
  AND (%(chain)s::uuid IS NULL OR coalesce(event.tenant_id, %(instance)s) = %(chain)s::uuid)
ORDER BY event.id
"""
_STRAY: Final = """
SELECT unsealed.chain, unsealed.event_id, 'waits for its seal and is gone'
FROM audit_unsealed AS unsealed LEFT JOIN audit_auditevent AS event ON event.id = unsealed.event_id
WHERE event.id IS NULL AND (%(chain)s::uuid IS NULL OR unsealed.chain = %(chain)s::uuid)
UNION ALL
SELECT coalesce(personal.tenant_id, %(instance)s), personal.event_id, 'is gone, what it held about people is there'
FROM audit_personal AS personal LEFT JOIN audit_auditevent AS event ON event.id = personal.event_id
WHERE event.id IS NULL
  AND (%(chain)s::uuid IS NULL OR coalesce(personal.tenant_id, %(instance)s) = %(chain)s::uuid)
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as it was written; ``kind`` is for programs, ``text`` for people."""

    kind: str
    text: str
    chain: uuid.UUID | None = None
    number: int | None = None
    event_id: uuid.UUID | None = None


@dataclass(slots=True)
class Tally:
    """What was looked at."""

    events: int = 0
    chains: int = 0
    erased: int = 0
    unsealed: int = 0
    anchors: int = 0
    newest_seal: datetime | None = None
    newest_anchor: datetime | None = None


@dataclass(slots=True)
class Anchored:
    """What the anchors say of each chain: number to the hash and the anchor's own number."""

    heads: dict[uuid.UUID, dict[int, tuple[bytes, int]]] = field(default_factory=lambda: defaultdict(dict))


@dataclass(frozen=True, slots=True)
class _Sealed:
    place: Place
    hash: bytes
    event_id: uuid.UUID
    has_personal: bool
    personal_tenant: uuid.UUID | None
    salt: bytes
    data: Any
    event: Row | None


def verify(
    *,
    tally: Tally,
    folder: Path | None,
    public_key: bytes,
    chain: uuid.UUID | None = None,
    using: str = "default",
) -> Iterator[Fault]:
    """Each fault of all chains, or of one, as it is found; ``tally`` counts along.

    Runs in the scope of the role ``operator``, or ``using`` the owner's connection. ``folder`` holds the anchors; None
    leaves them aside. The anchors are read first, so what is written meanwhile is no fault.
    """
    anchored = Anchored()
    if folder is not None:
        yield from _read_anchors(folder, public_key, anchored, tally)
    yield from _walk(_list_sealed(using, chain), anchored, tally, chain)
    yield from _without_seal(using, tally, chain)
    if folder is not None:
        yield from _anchors_are_recent(folder, tally)


def _read_anchors(folder: Path, public_key: bytes, anchored: Anchored, tally: Tally) -> Iterator[Fault]:
    for found in anchors.read(folder, public_key):
        if isinstance(found, str):
            yield Fault("anchor", found)
            continue
        tally.anchors += 1
        tally.newest_anchor = found.time
        for chain, (number, digest) in found.heads.items():
            anchored.heads[chain].setdefault(number, (digest, found.number))


def _walk(
    rows: Iterator[_Sealed], anchored: Anchored, tally: Tally, only: uuid.UUID | None
) -> Iterator[Fault]:
    """All seals in order, chain after chain."""
    chain: uuid.UUID | None = None
    number, before = 0, START
    seen = set()
    for sealed in rows:
        if sealed.place.chain != chain:
            if chain is not None:
                yield from _shorter(chain, number, anchored)
            chain, number, before = sealed.place.chain, 0, START
            seen.add(chain)
            tally.chains += 1
        yield from _check(sealed, number, before, tally)
        yield from _against_anchor(sealed, anchored)
        number, before = sealed.place.number, sealed.hash
    if chain is not None:
        yield from _shorter(chain, number, anchored)
    for gone in anchored.heads.keys() - seen:
        if only in (None, gone):
            yield from _shorter(gone, 0, anchored)


def _list_sealed(using: str, only: uuid.UUID | None) -> Iterator[_Sealed]:
    """Through a cursor of the server's: the log may be larger than memory."""
    connection = connections[using]
    with transaction.atomic(using=using):
        with connection.cursor() as settings:
            settings.execute("SET LOCAL cursor_tuple_fraction = 1")  # it will be read to its end
        yield from _fetched(connection, only)


def _fetched(connection: Any, only: uuid.UUID | None) -> Iterator[_Sealed]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(_SEALED, {"chain": only})
        while rows := cursor.fetchmany(_FETCH):
            for row in rows:
                chain, number, sealed_at, digest, event_id, has_personal, tenant, salt, data = row[:9]
                event = as_row(row[9:]) if row[9] is not None else None
                yield _Sealed(
                    Place(chain, number, moment(sealed_at)),
                    bytes(digest or b""),
                    event_id,
                    has_personal,
                    tenant,
                    bytes(salt or b""),
                    value(data) if has_personal else None,
                    event,
                )


def _check(sealed: _Sealed, number: int, before: bytes, tally: Tally) -> Iterator[Fault]:
    place, event = sealed.place, sealed.event
    if not isinstance(place.sealed_at, Unread):
        tally.newest_seal = max(filter(None, (tally.newest_seal, place.sealed_at)))
    fault = functools.partial(Fault, chain=place.chain, number=place.number, event_id=sealed.event_id)
    follows = place.number == number + 1
    if not follows:
        yield fault("gap", f"seals {number + 1} to {place.number - 1} are missing")
    if event is None:
        yield fault("event_missing", "the event is gone, its seal is there")
        return
    tally.events += 1
    if follows and seal_hash(before, place, event) != sealed.hash:
        yield fault("altered", "the event, its place or its seal was altered")
    if (event.tenant_id or INSTANCE) != place.chain:
        yield fault("foreign", "the event belongs to another chain")
    yield from (fault("personal", text) for text in _check_personal(sealed, event, tally))


def _check_personal(sealed: _Sealed, event: Row, tally: Tally) -> Iterator[str]:
    digest = bytes(event.personal_digest or b"")
    if not sealed.has_personal:
        tally.erased += bool(digest)
        return
    if not isinstance(sealed.data, dict) or personal_digest(sealed.salt, sealed.data) != digest:
        yield "what the event holds about people was altered"
    if sealed.personal_tenant != event.tenant_id:
        yield "what the event holds about people was given to another tenant"


def _against_anchor(sealed: _Sealed, anchored: Anchored) -> Iterator[Fault]:
    place = sealed.place
    heads = anchored.heads.get(place.chain)
    expected = heads.get(place.number) if heads else None
    if expected and expected[0] != sealed.hash:
        text = f"anchor {expected[1]} has another hash: the chain was computed anew"
        yield Fault("anchor_differs", text, place.chain, place.number, sealed.event_id)


def _shorter(chain: uuid.UUID, last: int, anchored: Anchored) -> Iterator[Fault]:
    heads = anchored.heads.get(chain, {})
    furthest = max(heads, default=0)
    if furthest > last:
        text = (
            f"the chain ends at {last}, anchor {heads[furthest][1]} has it at {furthest}: its end was cut off"
        )
        yield Fault("cut", text, chain, last)


def _without_seal(using: str, tally: Tally, only: uuid.UUID | None) -> Iterator[Fault]:
    with connections[using].cursor() as cursor:
        cursor.execute(
            _UNSEALED, {"chain": only, "instance": INSTANCE, "within": SEALED_WITHIN.total_seconds()}
        )
        for chain, event_id, occurred_at, is_waiting, is_late in cursor.fetchall():
            if not is_waiting:
                yield Fault("seal_missing", "the event has no seal", chain, event_id=event_id)
            elif is_late:
                yield Fault("unsealed", f"not sealed since {occurred_at}", chain, event_id=event_id)
            else:
                tally.unsealed += 1
        cursor.execute(_STRAY, {"chain": only, "instance": INSTANCE})
        for chain, event_id, text in cursor.fetchall():
            yield Fault("event_missing", f"the event {text}", chain, event_id=event_id)


def _anchors_are_recent(folder: Path, tally: Tally) -> Iterator[Fault]:
    """The newest seal must not be much younger than the newest anchor, or old without any."""
    if tally.newest_seal is None:
        return
    if tally.newest_anchor is None:
        if timezone.now() - tally.newest_seal > ANCHORED_WITHIN:
            yield Fault("anchor", f"there is no anchor in {folder}")
    elif min(timezone.now(), tally.newest_seal) - tally.newest_anchor > ANCHORED_WITHIN:
        yield Fault("anchor", f"nothing was anchored since {tally.newest_anchor}")
