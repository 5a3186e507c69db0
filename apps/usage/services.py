"""The one writer of the usage ledger."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection
from django.utils import timezone

from apps.core import scope
from apps.core.ids import new_id
from apps.core.scope import SystemRole
from apps.usage import charging
from apps.usage.errors import KeyBudgetExceeded, QuotaExceeded, RequestReused
from apps.usage.kinds import UNITS, Mode, kind_in
from apps.usage.periods import end_of, period_of
from tenants.context import system_scope


@dataclass(frozen=True, slots=True)
class KeyBudget:
    """The key's own counter: ``counter_id`` is the first key of its chain of rotations; ``limit`` None is without
    end."""

    counter_id: uuid.UUID
    name: str
    limit: int | None = None


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
    key_budget: KeyBudget | None = None


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
    mode: Mode = "live",
    key_budget: KeyBudget | None = None,
) -> uuid.UUID:
    """Bill ``quantity`` of ``kind`` to the tenant in scope; the ledger row's id. One SQL statement.

    A request id that was billed before returns the earlier row's id and bills nothing. In the mode ``test`` the row
    has a kind of its own, whose counter no bill and no quota looks at; ``limit`` caps that counter alike. Raises
    ``QuotaExceeded`` when it does not fit into the month, ``KeyBudgetExceeded`` when it does not fit into the key's
    own budget, ``RequestReused`` when the earlier row was another charge. The statement commits by itself as the
    role ``ledger``: it must run outside any transaction of the tenant's. ``event_id`` gives the row an id that the
    caller knows beforehand.
    """
    if quantity < 0 or not 1 <= len(request_id) <= 120:
        raise ValueError("a charge needs a quantity of at least 0 and a request id of 1 to 120 characters")
    wanted = Charge(
        id=event_id or new_id(),
        tenant_id=scope.current_tenant().id,
        request_id=request_id,
        kind=kind_in(mode, kind),
        quantity=quantity,
        limit=limit,
        receipt=receipt,
        key_id=key_id,
        user_id=user_id,
        key_budget=key_budget,
    )
    with system_scope(SystemRole.LEDGER):
        try:
            return _write(wanted)
        except IntegrityError:
            return _write(wanted)  # the same request at the same moment: its row stands now


def _write(wanted: Charge) -> uuid.UUID:
    written, earlier, kind, quantity, known, fits = _send(wanted)
    if not known and earlier is None:
        with connection.cursor() as cursor:  # the month's first charge by a key with a budget
            cursor.execute(charging.OPEN_MONTH, _parameters(wanted))
        written, earlier, kind, quantity, known, fits = _send(wanted)
    if written is not None:
        return uuid.UUID(str(written))
    if earlier is None:
        raise _budget_exceeded(wanted) if fits else _exceeded(wanted)
    if (kind, quantity) != (wanted.kind, wanted.quantity):
        before, after = f"{quantity} {kind}", f"{wanted.quantity} {wanted.kind}"
        raise RequestReused(request_id=wanted.request_id, before=before, after=after)
    return uuid.UUID(str(earlier))


def _send(wanted: Charge) -> tuple[Any, ...]:
    budget = wanted.key_budget
    statement = charging.CHARGE if budget is None else charging.CHARGE_KEY
    if budget is not None and budget.limit is not None:
        statement = charging.CHARGE_BUDGET
    with connection.cursor() as cursor:
        cursor.execute(statement, _parameters(wanted))
        row: tuple[Any, ...] = cursor.fetchone()
    return row


def _parameters(wanted: Charge) -> dict[str, Any]:
    budget = wanted.key_budget
    return {
        "id": wanted.id,
        "tenant": wanted.tenant_id,
        "request": wanted.request_id,
        "kind": wanted.kind,
        "quantity": wanted.quantity,
        "limit": wanted.limit,
        "key": wanted.key_id,
        "user": wanted.user_id,
        "counter": budget.counter_id if budget else None,
        "budget": budget.limit if budget else None,
        "receipt": json.dumps(wanted.receipt, allow_nan=False, separators=(",", ":")),
    }


def _exceeded(wanted: Charge) -> QuotaExceeded:
    return QuotaExceeded(
        quantity=wanted.quantity,
        unit=UNITS.get(wanted.kind, wanted.kind),
        used=_used(charging.USED, wanted),
        limit=wanted.limit,
        resets_at=_resets_at(timezone.now()),
    )


def _budget_exceeded(wanted: Charge) -> KeyBudgetExceeded:
    assert wanted.key_budget is not None
    return KeyBudgetExceeded(
        quantity=wanted.quantity,
        unit=UNITS.get(wanted.kind, wanted.kind),
        key=wanted.key_budget.name,
        used=_used(charging.USED_BY_KEY, wanted),
        limit=wanted.key_budget.limit,
        resets_at=_resets_at(timezone.now()),
    )


def _used(statement: str, wanted: Charge) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, _parameters(wanted))
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def _resets_at(moment: datetime) -> str:
    return end_of(period_of(moment)).isoformat().replace("+00:00", "Z")
