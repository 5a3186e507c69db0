"""The one writer of the usage ledger."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import IntegrityError, connection
from django.utils import timezone

from apps.core import scope
from apps.core.ids import new_id
from apps.core.scope import SystemRole
from apps.usage.errors import QuotaExceeded, RequestReused
from apps.usage.periods import end_of, period_of
from tenants.context import system_scope

UNITS: Final = {"forecast_points": "forecast points"}

# A data-modifying CTE: the counter is raised only if the charge fits (its row lock makes that exact under
# concurrency), and the event is inserted only if the counter was raised. The same request twice: the earlier
# row.
# Twice at the same moment: the second fails on the unique request, takes its raise back with it, and is tried
# again.
_CHARGE: Final = """
WITH stated AS MATERIALIZED (
    SELECT %(tenant)s::uuid AS tenant_id, %(request)s::text AS request_id, %(kind)s::text AS kind,
           %(quantity)s::bigint AS quantity, %(limit)s::bigint AS quota, now() AS at,
           to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM') AS period
), earlier AS (
    SELECT e.id, e.kind, e.quantity FROM usage_usageevent e JOIN stated s USING (tenant_id, request_id)
), raised AS (
    INSERT INTO usage_usagecounter AS c (tenant_id, period, kind, used)
    SELECT tenant_id, period, kind, quantity FROM stated
    WHERE (quota IS NULL OR quantity <= quota) AND NOT EXISTS (SELECT FROM earlier)
    ON CONFLICT (tenant_id, period, kind) DO UPDATE SET used = c.used + EXCLUDED.used
    WHERE %(limit)s::bigint IS NULL OR c.used + EXCLUDED.used <= %(limit)s::bigint
    RETURNING used
), written AS (
    INSERT INTO usage_usageevent
        (id, tenant_id, request_id, kind, quantity, occurred_at, period, key_id, user_id, receipt)
    SELECT %(id)s::uuid, tenant_id, request_id, kind, quantity, at, period,
           %(key)s::uuid, %(user)s::uuid, %(receipt)s::jsonb
    FROM stated, raised
    RETURNING id
)
SELECT (SELECT id FROM written),
       (SELECT id FROM earlier), (SELECT kind FROM earlier), (SELECT quantity FROM earlier)
"""
_USED: Final = """
SELECT used FROM usage_usagecounter
WHERE tenant_id = %s AND kind = %s AND period = to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM')
"""


@dataclass(frozen=True, slots=True)
class Charge:
    """What is to be billed to ``tenant_id``. ``limit`` is the month's quota; None is without end."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    request_id: str
    kind: str
    quantity: int
    limit: int | None
    receipt: dict[str, Any]
    key_id: uuid.UUID | None = None
    user_id: uuid.UUID | None = None


def charge(
    *,
    kind: str,
    quantity: int,
    limit: int | None,
    receipt: dict[str, Any],
    request_id: str,
    key_id: uuid.UUID | None = None,
    user_id: uuid.UUID | None = None,
    event_id: uuid.UUID | None = None,
) -> uuid.UUID:
    """Bill ``quantity`` of ``kind`` to the tenant in scope; the ledger row's id. One SQL statement.

    A request id that was billed before returns the earlier row's id and bills nothing. Raises
    ``QuotaExceeded`` when it does not fit into the month, ``RequestReused`` when the earlier row was another
    charge. The statement commits by itself as the role ``ledger``: it must run outside any transaction of
    the tenant's. ``event_id`` gives the row an id that the caller knows beforehand.
    """
    if quantity < 0 or not 1 <= len(request_id) <= 120:
        raise ValueError("a charge needs a quantity of at least 0 and a request id of 1 to 120 characters")
    wanted = Charge(
        id=event_id or new_id(),
        tenant_id=scope.current_tenant().id,
        request_id=request_id,
        kind=kind,
        quantity=quantity,
        limit=limit,
        receipt=receipt,
        key_id=key_id,
        user_id=user_id,
    )
    with system_scope(SystemRole.LEDGER):
        try:
            return _write(wanted)
        except IntegrityError:
            return _write(wanted)  # the same request at the same moment: its row stands now


def _write(wanted: Charge) -> uuid.UUID:
    with connection.cursor() as cursor:
        cursor.execute(_CHARGE, _parameters(wanted))
        row = cursor.fetchone()
    assert row is not None
    written, earlier, kind, quantity = row
    if written is not None:
        return uuid.UUID(str(written))
    if earlier is None:
        raise _exceeded(wanted)
    if (kind, quantity) != (wanted.kind, wanted.quantity):
        before, after = f"{quantity} {kind}", f"{wanted.quantity} {wanted.kind}"
        raise RequestReused(request_id=wanted.request_id, before=before, after=after)
    return uuid.UUID(str(earlier))


def _parameters(wanted: Charge) -> dict[str, Any]:
    return {
        "id": wanted.id,
        "tenant": wanted.tenant_id,
        "request": wanted.request_id,
        "kind": wanted.kind,
        "quantity": wanted.quantity,
        "limit": wanted.limit,
        "key": wanted.key_id,
        "user": wanted.user_id,
        "receipt": json.dumps(wanted.receipt, allow_nan=False, separators=(",", ":")),
    }


def _exceeded(wanted: Charge) -> QuotaExceeded:
    with connection.cursor() as cursor:
        cursor.execute(_USED, [wanted.tenant_id, wanted.kind])
        row = cursor.fetchone()
    return QuotaExceeded(
        quantity=wanted.quantity,
        unit=UNITS.get(wanted.kind, wanted.kind),
        used=int(row[0]) if row else 0,
        limit=wanted.limit,
        resets_at=_resets_at(timezone.now()),
    )


def _resets_at(moment: datetime) -> str:
    return end_of(period_of(moment)).isoformat().replace("+00:00", "Z")
