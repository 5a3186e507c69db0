"""The only way to say on whose behalf code talks to the database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import structlog

from apps.core.scope import Scope, SystemRole, variable
from apps.core.tenancy import TenantKey


@contextlib.contextmanager
def tenant_scope(key: TenantKey) -> Iterator[TenantKey]:
    """Everything inside the block runs in the tenant's schema, as the tenant's role."""
    token = variable.set(Scope(tenant=key))
    try:
        with structlog.contextvars.bound_contextvars(tenant=key.schema):
            yield key
    finally:
        variable.reset(token)


@contextlib.contextmanager
def system_scope(role: SystemRole | str) -> Iterator[None]:
    """Everything inside the block runs in the public schema, as one of our own narrow roles."""
    token = variable.set(Scope(role=SystemRole(role)))
    try:
        yield
    finally:
        variable.reset(token)
