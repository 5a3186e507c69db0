"""The life cycle as data: which steps there are, and who erases what when a tenant goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from apps.core.tenancy import TenantKey
from tenants.models import TenantState

TRANSITIONS: Final[dict[TenantState, frozenset[TenantState]]] = {
    TenantState.CREATING: frozenset({TenantState.READY}),
    TenantState.READY: frozenset({TenantState.ACTIVE}),
    TenantState.ACTIVE: frozenset({TenantState.SUSPENDED, TenantState.DELETING}),
    TenantState.SUSPENDED: frozenset({TenantState.ACTIVE, TenantState.DELETING}),
    TenantState.DELETING: frozenset({TenantState.ACTIVE, TenantState.SUSPENDED, TenantState.GONE}),
    TenantState.GONE: frozenset(),
}

GRACE_DAYS: Final = 30
LONGEST_GRACE_DAYS: Final = 365

# Shared tables whose rows outlive their tenant, and why. All others with a ``tenant_id`` are emptied of it.
KEPT_TABLES: Final[dict[str, str]] = {
    "audit_auditevent": "the log of who did what cannot be cut without breaking its chain; it names no person",
    "billing_stripecustomer": "the books: which account at Stripe was whose",
    "billing_stripesubscription": "the books: what was subscribed, and paid",
    "tenants_tenanterasure": "the certificate of the erasure",
    "usage_usageevent": "the ledger that invoices rest on; it holds counts and times",
}


@dataclass(frozen=True, slots=True)
class Eraser:
    """Removes one kind of thing that a tenant has outside its schema, and looks whether any is left.

    ``erase`` may be called again after it was killed; ``leftovers`` gives a line for each thing that is still there,
    empty when all is gone. ``stops_work``: nothing else is erased until this one leaves nothing.
    """

    name: str
    erase: Callable[[TenantKey], None]
    leftovers: Callable[[TenantKey], list[str]]
    stops_work: bool = False


_erasers: dict[str, Eraser] = {}


def register_eraser(
    name: str,
    erase: Callable[[TenantKey], None],
    leftovers: Callable[[TenantKey], list[str]],
    *,
    stops_work: bool = False,
) -> None:
    """Have ``erase`` called when a tenant is erased, and ``leftovers`` before that is certified.

    For an app's ``AppConfig.ready``. They run outside any scope's transaction, in order of registration, those that
    stop work first, and all before the schema is dropped.
    """
    _erasers[name] = Eraser(name=name, erase=erase, leftovers=leftovers, stops_work=stops_work)


def list_erasers() -> list[Eraser]:
    """All that are registered, in the order in which they run."""
    return sorted(_erasers.values(), key=lambda eraser: not eraser.stops_work)
