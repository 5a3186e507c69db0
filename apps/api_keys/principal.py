"""Who calls the API: what one look-up of a key yields."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from apps.core.request_context import Actor
from apps.core.tenancy import TenantKey
from tenants.services import Limits


@dataclass(frozen=True, slots=True)
class Principal:
    """A valid key with its tenant and the tenant's limits; DRF sees it as ``request.user`` and
    ``request.auth``."""

    tenant_key: TenantKey
    tenant_slug: str
    tenant_name: str
    key_id: uuid.UUID
    public_id: str
    name: str
    scopes: frozenset[str]
    limits: Limits
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None

    @property
    def is_authenticated(self) -> bool:
        """Always: what DRF and Django ask of a user."""
        return True

    @property
    def actor(self) -> Actor:
        """How the audit log and the ledger name the key."""
        return Actor(type="key", id=str(self.key_id), label=self.name)
