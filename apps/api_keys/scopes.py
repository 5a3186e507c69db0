"""What a key may be allowed, as data: each scope with the sentence that the page shows for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from apps.accounts.permissions import PERMISSIONS
from apps.api_keys.errors import ScopesMissing, ScopeUnknown

# What a standard key may: everything about data, models and forecasts, nothing about people, money or keys.
STANDARD: Final = (
    "forecasts:run",
    "forecasts:read",
    "explain:run",
    "datasets:read",
    "datasets:write",
    "models:read",
    "models:train",
    "models:deploy",
    "jobs:read",
    "jobs:manage",
    "usage:read",
)
SCOPES: Final[dict[str, str]] = {
    name: PERMISSIONS[name]
    for name in (
        *STANDARD,
        "models:override",
        "billing:manage",
        "members:read",
        "members:manage",
        "audit:read",
        "webhooks:manage",
        "keys:manage",
    )
}
SUGGESTED: Final = ("forecasts:run", "forecasts:read", "models:read", "datasets:read", "usage:read")


def known(scope: str) -> str:
    """``scope`` itself; ``ValueError`` for one that the table does not list."""
    if scope not in SCOPES:
        raise ValueError(f"unknown scope {scope!r}")
    return scope


def choose(wanted: Iterable[str]) -> list[str]:
    """The scopes of a new key, each once, in the table's order; raises ``ScopesMissing`` or ``ScopeUnknown``."""
    names = set(wanted)
    if not names:
        raise ScopesMissing
    for name in sorted(names - SCOPES.keys()):
        raise ScopeUnknown(scope=name[:60], known=", ".join(SCOPES))
    return [name for name in SCOPES if name in names]
