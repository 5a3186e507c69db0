"""Reads about keys. ``find_key`` is the look-up of an API call; most others run in the tenant's scope."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet
from django.utils import timezone

from apps.accounts.models import Membership
from apps.accounts.permissions import ROLE_PERMISSIONS, Role
from apps.api_keys import networks
from apps.api_keys.models import AccessVersion, ApiKey
from apps.api_keys.principal import Principal
from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.core.tenancy import TenantKey
from tenants.services import Limits

_COLUMNS: Final = (
    "k.id AS key_id, k.pepper, k.digest, k.name, k.mode, k.restricted, k.scopes, k.networks, k.requests_per_minute, "
    "k.points_per_month, k.owner_id, k.membership_id, k.created_at, k.expires_at, k.revoked_at, k.rotated_at, "
    "k.rotating_until, k.last_used_at, COALESCE(k.origin_id,k.id) AS counter_id, "
    "t.id AS tenant_id, t.schema_name, t.slug, t.name AS tenant_name, t.state, t.erase_after, "
    "l.plan, l.forecast_points_per_month, l.running_jobs, l.datasets, l.rows, "
    "CASE WHEN u.is_active THEN m.role END AS role, statement_timestamp() AS now"
)
_LOOK_UP: Final = f"""
SELECT {_COLUMNS}
FROM api_keys_apikey k
JOIN tenants_tenant t ON t.id = k.tenant_id
JOIN tenants_tenantlimits l ON l.tenant_id = t.id
LEFT JOIN accounts_membership m ON m.id = k.membership_id AND m.tenant_id = k.tenant_id AND m.user_id = k.owner_id
LEFT JOIN accounts_user u ON u.id = m.user_id
WHERE k.public_id = %s
"""  # noqa: S608 - no part of it comes from outside
_NAMES: Final = tuple(column.split()[-1].rpartition(".")[2] for column in _COLUMNS.split(", "))
_LIMITS: Final = ("plan", "forecast_points_per_month", "running_jobs", "datasets", "rows")
SHOWN: Final = ("active", "ended")


@dataclass(frozen=True, slots=True)
class KeyRow:
    """What is kept of a key, with its tenant's state, at ``now`` of the database's clock.

    ``orphaned``: it is personal, and its owner is no longer a member, or blocked.
    """

    principal: Principal
    pepper: int
    digest: str
    revoked_at: datetime | None
    orphaned: bool
    tenant_state: str
    erase_after: datetime | None
    now: datetime


def find_key(*, public_id: str) -> KeyRow | None:
    """Key, tenant, limits and owner's role in one statement; runs as the edge."""
    with connection.cursor() as cursor:
        cursor.execute(_LOOK_UP, [public_id])
        row = cursor.fetchone()
    return _read(public_id, dict(zip(_NAMES, row, strict=True))) if row else None


def get_version() -> int:
    """The number of the latest change that a key's check depends on; 0 before the first. Runs as the edge."""
    return AccessVersion.objects.values_list("version", flat=True).first() or 0


def list_keys(*, shown: str = "", search: str = "") -> QuerySet[ApiKey]:
    """The tenant's keys, newest first, ended ones too.

    ``shown``: ``active`` (those that are valid, expiry and rotation considered) or ``ended``; ``search`` looks into
    the name and the public part.
    """
    keys = _keys().order_by("-created_at", "-id")
    if search:
        keys = keys.filter(Q(name__icontains=search) | Q(public_id__icontains=search[-8:]))
    if shown not in SHOWN:
        return keys
    return keys.filter(_valid()) if shown == "active" else keys.exclude(_valid())


def list_ending(*, within: timedelta) -> QuerySet[ApiKey]:
    """Valid keys of all tenants that end of themselves in that time, soonest first. Runs as the edge."""
    end = timezone.now() + within
    ending = _keys().filter(_valid(), rotating_until__isnull=True, expires_at__lte=end)
    return ending.order_by("expires_at", "id")


def count_valid() -> int:
    """How many of the tenant's keys are valid; of two that overlap in a rotation the new one counts."""
    return _keys().filter(_valid(), rotating_until__isnull=True).count()


def get_key(*, key_id: uuid.UUID) -> ApiKey:
    """One of the tenant's keys; raises ``NotFound``."""
    try:
        return _keys().get(id=key_id)
    except ApiKey.DoesNotExist:
        raise NotFound(what="API key", name=public_id("key", key_id)) from None


def find_own(*, public_id: str) -> ApiKey | None:
    """One of the tenant's keys by its public part."""
    return ApiKey.objects.filter(public_id=public_id).first()


def names_of(*, key_ids: set[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Names of the tenant's keys, for lists that show which key did something."""
    return dict(ApiKey.objects.filter(id__in=key_ids).values_list("id", "name"))


def _keys() -> QuerySet[ApiKey]:
    """Keys that know whether the person whose they are has left."""
    place = Membership.objects.filter(
        id=OuterRef("membership_id"), user_id=OuterRef("owner_id"), tenant_id=OuterRef("tenant_id")
    )
    return ApiKey.objects.annotate(
        orphaned=ExpressionWrapper(Q(owner_id__isnull=False) & ~Exists(place), output_field=BooleanField())
    )


def _valid() -> Q:
    now = timezone.now()
    lasting = Q(expires_at__isnull=True) | Q(expires_at__gt=now)
    kept = Q(rotating_until__isnull=True) | Q(rotating_until__gt=now)
    return lasting & kept & Q(revoked_at__isnull=True, orphaned=False)


def _read(public: str, row: dict[str, Any]) -> KeyRow:
    scopes = frozenset(row["scopes"])
    if row["owner_id"] is not None:
        scopes &= ROLE_PERMISSIONS[Role(row["role"])] if row["role"] else frozenset()
    limits = {name: row[name] for name in _LIMITS}
    same = (
        "key_id", "name", "mode", "restricted", "requests_per_minute", "points_per_month", "owner_id", "membership_id",
        "created_at", "expires_at", "rotated_at", "rotating_until", "last_used_at", "counter_id", "tenant_name",
    )  # fmt: skip
    principal = Principal(
        tenant_key=TenantKey(id=row["tenant_id"], schema=row["schema_name"]),
        tenant_slug=row["slug"],
        public_id=public,
        scopes=scopes,
        limits=Limits(**limits),
        networks=tuple(networks.read(each) for each in row["networks"]),
        **{name: row[name] for name in same},
    )
    return KeyRow(
        principal=principal,
        pepper=row["pepper"],
        digest=row["digest"],
        revoked_at=row["revoked_at"],
        orphaned=row["owner_id"] is not None and row["role"] is None,
        tenant_state=row["state"],
        erase_after=row["erase_after"],
        now=row["now"],
    )
