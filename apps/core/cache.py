"""The one builder of cache keys; each names its tenant."""

from __future__ import annotations

from apps.core.tenancy import TenantKey


def cache_key(key: TenantKey | None, *parts: str) -> str:
    """``almanac:<schema>:<part>:…``; ``None`` is for what belongs to no tenant (``almanac:shared:…``)."""
    owner = key.schema if key else "shared"
    return ":".join(("almanac", owner, *parts))
