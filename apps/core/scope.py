"""On whose behalf the current code talks to the database.

Only ``tenants.context`` sets the variable and only the database backend acts on it; others read.
"""

from __future__ import annotations

import contextvars
import enum
from dataclasses import dataclass

from apps.core.tenancy import TenantKey


class SystemRole(enum.StrEnum):
    """The named roles of our own that see narrow parts of the shared tables."""

    EDGE = "edge"
    LEDGER = "ledger"
    DISPATCHER = "dispatcher"
    OPERATOR = "operator"
    BILLING = "billing"
    SEALER = "sealer"
    COURIER = "courier"


@dataclass(frozen=True, slots=True)
class Scope:
    """Either one tenant (``tenant`` set) or one of the system roles (``tenant`` None)."""

    role: SystemRole | None = None
    tenant: TenantKey | None = None

    def __post_init__(self) -> None:
        if (self.role is None) == (self.tenant is None):
            raise ValueError("a scope is a tenant or a system role")


class NoTenantScope(RuntimeError):
    """Code that needs a tenant ran outside ``tenant_scope``: a programming error, never a user's."""


EDGE = Scope(role=SystemRole.EDGE)
variable: contextvars.ContextVar[Scope] = contextvars.ContextVar("almanac_scope", default=EDGE)


def current() -> Scope:
    """The scope in force; the edge's where none was opened."""
    return variable.get()


def current_tenant() -> TenantKey:
    """The tenant in scope; raises ``NoTenantScope`` where there is none."""
    tenant = variable.get().tenant
    if tenant is None:
        raise NoTenantScope("no tenant in scope: open tenants.context.tenant_scope(key) first")
    return tenant
