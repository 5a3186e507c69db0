"""The two aliases: ``default`` (the login without rights of its own) and ``owner`` (migrations and provisioning)."""

from __future__ import annotations

import os
from typing import Any

from config import env

# What a backend comes to hold of tenants is bounded by settings.BACKEND_MEGABYTES; a lifetime bounds the rest.
POOL = {"min_size": 1, "max_size": env.number("ALMANAC_POOL_SIZE", 16), "max_lifetime": 600, "timeout": 5}


def databases(*, pooled: bool) -> dict[str, Any]:
    """``owner`` is there only where its connection string is; the web process has none."""
    options = {"pool": POOL} if pooled else {}
    aliases = {"default": env.database(env.text("ALMANAC_APP_DSN"), "tenants.postgresql", **options)}
    if os.environ.get("ALMANAC_OWNER_DSN"):
        aliases["owner"] = env.database(env.text("ALMANAC_OWNER_DSN"), "django_tenants.postgresql_backend")
    return aliases
