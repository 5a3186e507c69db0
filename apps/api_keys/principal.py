"""Who calls the API: what one look-up of a key yields."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from apps.api_keys.networks import Network
from apps.api_keys.text import Mode
from apps.core.request_context import Actor
from apps.core.tenancy import TenantKey
from tenants.services import Limits


@dataclass(frozen=True, slots=True)
class Principal:
    """A valid key with its tenant and the tenant's limits; DRF sees it as ``request.user`` and
    ``request.auth``.

    ``scopes`` are what the key may do now: of a personal key, no more than its owner's role has at this moment.
    ``counter_id`` is what rate and budget are counted under, the same after a rotation.
    """

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
    counter_id: uuid.UUID
    mode: Mode = "live"
    restricted: bool = False
    owner_id: uuid.UUID | None = None
    membership_id: uuid.UUID | None = None
    networks: tuple[Network, ...] = ()
    requests_per_minute: int | None = None
    points_per_month: int | None = None
    rotated_at: datetime | None = None
    rotating_until: datetime | None = None

    @property
    def is_authenticated(self) -> bool:
        """Always: what DRF and Django ask of a user."""
        return True

    @property
    def actor(self) -> Actor:
        """How the audit log and the ledger name the key."""
        return Actor(type="key", id=str(self.key_id), label=self.name)

    @property
    def ends_at(self) -> datetime | None:
        """When the key stops by itself."""
        return min((end for end in (self.expires_at, self.rotating_until) if end is not None), default=None)
