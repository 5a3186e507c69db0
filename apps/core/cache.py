"""The one builder of cache keys; each names its tenant."""

from __future__ import annotations

from apps.core import redis
from apps.core.tenancy import TenantKey

SCAN_COUNT = 1000


def cache_key(key: TenantKey | None, *parts: str) -> str:
    """``almanac:<schema>:<part>:…``; ``None`` is for what belongs to no tenant (``almanac:shared:…``)."""
    owner = key.schema if key else "shared"
    return ":".join(("almanac", owner, *parts))


def erase(key: TenantKey) -> None:
    """Remove every key of the tenant from Redis."""
    if names := list_keys(key):
        redis.client().unlink(*names)


def list_keys(key: TenantKey) -> list[str]:
    """The names of all that Redis holds of the tenant; walks the whole key space in small steps."""
    return sorted(set(redis.client().scan_iter(match=cache_key(key, "*"), count=SCAN_COUNT)))
