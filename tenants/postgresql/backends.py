"""The server's side of a connection: whether it is still there, and how much it has come to hold.

A PostgreSQL backend keeps what it has read of the catalogue until it ends, so each tenant's table that it touched
costs it memory for good. A connection whose backend holds enough is replaced when it is given back.
"""

from __future__ import annotations

import functools
import re
import select
from dataclasses import dataclass, field
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from psycopg import OperationalError

from apps.core.scope import Scope

# Of private memory, its indexes and the tenant's role included (benchmarks/tenants.py).
KB_PER_TABLE: Final = 36
# On the driver's connection, which in a pool outlives the wrapper's hold of it.
_HELD: Final = "_almanac_held"
_READ: Final = 8_000  # characters of a statement in which its tables are looked for
_POLLED: Final = 100  # messages that a living, idle connection may have waiting
_WORD: Final = re.compile(r"\w+")


@dataclass(slots=True)
class Held:
    """The tables of each tenant's schema that a backend has touched, and how many that are."""

    tables: dict[str, frozenset[str]] = field(default_factory=dict)
    count: int = 0


def note(connection: Any, scope: Scope, query: Any) -> None:
    """Count the tenant's tables that a statement names; system roles touch only shared ones."""
    if scope.tenant is None or not apps.models_ready:
        return
    named = _tables_in(query[:_READ]) if isinstance(query, str) else _tables_in(repr(query)[:_READ])
    held: Held | None = getattr(connection, _HELD, None)
    if held is None:
        held = Held()
        setattr(connection, _HELD, held)
    known = held.tables.get(scope.tenant.schema, frozenset())
    if not named <= known:
        now = _one_of_each(known | named)
        held.tables[scope.tenant.schema] = now
        held.count += len(now) - len(known)


def held_kilobytes(connection: Any) -> int:
    """About how much private memory the backend holds for tenants' tables."""
    held: Held | None = getattr(connection, _HELD, None)
    return held.count * KB_PER_TABLE if held else 0


def is_outgrown(connection: Any) -> bool:
    """Whether the backend holds as much as ``settings.BACKEND_MEGABYTES`` allows (0: any amount)."""
    limit: int = settings.BACKEND_MEGABYTES
    return limit > 0 and held_kilobytes(connection) >= limit * 1024


def expire(connection: Any) -> None:
    """Have the pool close the connection when it is given back, and open another in a thread of its own."""
    connection._expire_at = 0.0


def is_lost(connection: Any) -> bool:
    """Whether the server has ended an idle connection. Asks the socket, not the server."""
    try:
        return connection.closed or _hung_up(connection.pgconn)
    except (OperationalError, OSError, ValueError):
        return True


def _hung_up(pgconn: Any) -> bool:
    poll = select.poll()
    poll.register(pgconn.socket, select.POLLIN)
    for _ in range(_POLLED):
        if not poll.poll(0):
            return False
        pgconn.consume_input()  # a notice, a changed setting, or a farewell: after that one it fails
    return False


@functools.lru_cache(maxsize=2048)
def _tables_in(query: str) -> frozenset[str]:
    return _one_of_each(_tenant_tables().intersection(_WORD.findall(query)))


@functools.lru_cache(maxsize=1024)
def _one_of_each(tables: frozenset[str]) -> frozenset[str]:
    """The same object for equal sets: there is one for each tenant and backend."""
    return tables


@functools.cache
def _tenant_tables() -> frozenset[str]:
    models = apps.get_models(include_auto_created=True)
    names = settings.TENANT_APPS
    return frozenset(model._meta.db_table for model in models if model._meta.app_config.name in names)
