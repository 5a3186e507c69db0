"""Keys as the API gives them; never a secret, but in the answer that makes one."""

from __future__ import annotations

from typing import Any

from apps.api_keys import consumption
from apps.api_keys.models import ApiKey
from apps.api_keys.principal import Principal
from apps.core.ids import public_id


def show(key: ApiKey) -> dict[str, Any]:
    """One of a list."""
    return {
        "id": public_id("key", key.id),
        "name": key.name,
        "masked": key.masked,
        "mode": key.mode,
        "kind": "restricted" if key.restricted else "standard",
        "scopes": sorted(key.scopes),
        "owner": _owner(key),
        "networks": key.networks,
        "requests_per_minute": key.requests_per_minute,
        "points_per_month": key.points_per_month,
        "state": key.state,
        "flags": flags(key),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "rotating_until": key.rotating_until,
        "replaced_by": public_id("key", key.replaced_by) if key.replaced_by else None,
        "last_used_at": key.last_used_at,
        "last_used_ip": key.last_used_ip,
    }


def show_one(key: ApiKey) -> dict[str, Any]:
    """A key by itself: also what it used this month."""
    used = consumption.used_this_month([key.counter_id])[key.counter_id]
    return {**show(key), "points_used_this_month": used}


def show_new(key: ApiKey, text: str) -> dict[str, Any]:
    """The one answer that holds the text."""
    return {**show_one(key), "key": text}


def show_self(key: ApiKey, principal: Principal) -> dict[str, Any]:
    """The answer of ``GET /v1/key``: ``scopes`` are what the key may at this moment."""
    limits = principal.limits
    return {
        **show_one(key),
        "scopes": sorted(principal.scopes),
        "tenant": {
            "id": public_id("ten", principal.tenant_key.id),
            "slug": principal.tenant_slug,
            "name": principal.tenant_name,
        },
        "limits": {
            "plan": limits.plan,
            "forecast_points_per_month": limits.forecast_points_per_month,
            "running_jobs": limits.running_jobs,
            "datasets": limits.datasets,
            "rows": limits.rows,
        },
    }


def flags(key: ApiKey) -> list[str]:
    """What its people should look at: ``expiring_soon``, ``unused``."""
    found = {"expiring_soon": key.expires_soon, "unused": key.unused}
    return [name for name, holds in found.items() if holds]


def _owner(key: ApiKey) -> dict[str, Any]:
    if key.owner_id is None:
        return {"type": "organisation", "id": None}
    return {"type": "person", "id": public_id("usr", key.owner_id)}
