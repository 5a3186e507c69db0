"""Numbering and hash-chaining what was written, apart from the writers: no use case waits for a chain's head."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from apps.audit import chain
from apps.audit.chain import Place, Row
from apps.audit.models import AuditSeal

BATCH: Final = 500
_LOCK: Final = 0x616C6D5F7365616C  # one sealer at a time in a database; the number is free choice

_WAITING: Final = f"""
SELECT unsealed.chain, {chain.COLUMNS}
FROM audit_unsealed AS unsealed JOIN audit_auditevent AS event ON event.id = unsealed.event_id
WHERE NOT EXISTS (SELECT FROM audit_seal WHERE audit_seal.event_id = event.id)
ORDER BY unsealed.event_id LIMIT %s
"""  # noqa: S608 - the names are ours
_HEADS: Final = """
SELECT wanted.chain, head.number, head.hash FROM unnest(%s::uuid[]) AS wanted (chain), LATERAL (
    SELECT number, hash FROM audit_seal WHERE audit_seal.chain = wanted.chain ORDER BY number DESC LIMIT 1
) AS head
"""
_ALL_HEADS: Final = """
WITH RECURSIVE head AS (
    (SELECT chain, number, hash FROM audit_seal ORDER BY chain DESC, number DESC LIMIT 1)
    UNION ALL
    SELECT earlier.chain, earlier.number, earlier.hash FROM head, LATERAL (
        SELECT chain, number, hash FROM audit_seal WHERE audit_seal.chain < head.chain
        ORDER BY chain DESC, number DESC LIMIT 1
    ) AS earlier
)
SELECT chain, number, hash FROM head
"""

Head = tuple[int, bytes]


def seal() -> int:
    """Seal all that is committed and waiting, and say how many events that were; 0 while another process seals.

    Runs in the scope of the role ``sealer``. It may be killed anywhere: a batch is sealed whole or not at all.
    """
    sealed = 0
    while done := _seal_batch():
        sealed += done
    return sealed


def list_all_heads() -> dict[uuid.UUID, Head]:
    """Every chain's last number and hash; one look at the index for each chain, however long they are."""
    with connection.cursor() as cursor:
        cursor.execute(_ALL_HEADS)
        return {row[0]: (row[1], bytes(row[2])) for row in cursor.fetchall()}


def list_heads(chains: Iterable[uuid.UUID]) -> dict[uuid.UUID, Head]:
    """The last number and hash of each chain that has any."""
    with connection.cursor() as cursor:
        cursor.execute(_HEADS, [list(chains)])
        return {row[0]: (row[1], bytes(row[2])) for row in cursor.fetchall()}


def _seal_batch() -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(_WAITING, [BATCH])
        waiting = [(row[0], chain.row(row[1:])) for row in cursor.fetchall()]
        if not waiting:
            return 0
        seals = _chained(waiting)
        AuditSeal.objects.bulk_create(seals)
        _forget(cursor, seals)
        return len(seals)


def _forget(cursor: Any, seals: list[AuditSeal]) -> None:
    done = [seal.event_id for seal in seals]
    cursor.execute("DELETE FROM audit_unsealed WHERE event_id = ANY(%s)", [done])


def _chained(waiting: list[tuple[uuid.UUID, Row]]) -> list[AuditSeal]:
    """The next seals, in order; the heads are read under the lock, so nobody else adds to them."""
    heads = list_heads({key for key, _row in waiting})
    now = timezone.now()
    seals = []
    for key, row in waiting:
        number, before = heads.get(key, (0, chain.START))
        place = Place(key, number + 1, now)
        digest = chain.seal_hash(before, place, row)
        heads[key] = (place.number, digest)
        seals.append(AuditSeal(event_id=row.id, chain=key, number=place.number, hash=digest, sealed_at=now))
    return seals
