"""Reads about keys. ``find_key`` is the look-up of every API call; the others run in the tenant's scope."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.api_keys.models import ApiKey
from apps.api_keys.principal import Principal
from apps.core.errors import NotFound
from apps.core.tenancy import TenantKey
from tenants.services import Limits

_LOOK_UP: Final = """
SELECT k.id, k.pepper, k.digest, k.name, k.scopes, k.created_at, k.expires_at, k.revoked_at, k.last_used_at,
       t.id, t.schema_name, t.slug, t.name, t.state,
       l.plan, l.forecast_points_per_month, l.running_jobs, l.datasets, l.rows,
       now()
FROM api_keys_apikey k
JOIN tenants_tenant t ON t.id = k.tenant_id
JOIN tenants_tenantlimits l ON l.tenant_id = t.id
WHERE k.public_id = %s
"""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """What is kept of a key, with its tenant's state, at ``now`` of the database's clock."""

    principal: Principal
    pepper: int
    digest: str
    revoked_at: datetime | None
    tenant_state: str
    now: datetime


def find_key(*, public_id: str) -> KeyRow | None:
    """Key, tenant and limits in one statement; runs as the edge."""
    with connection.cursor() as cursor:
        cursor.execute(_LOOK_UP, [public_id])
        row = cursor.fetchone()
    return _read(public_id, row) if row else None


def list_keys() -> QuerySet[ApiKey]:
    """The tenant's keys, newest first, revoked ones too."""
    return ApiKey.objects.order_by("-created_at", "-id")


def count_valid() -> int:
    """How many of the tenant's keys are neither revoked nor expired."""
    lasting = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    return ApiKey.objects.filter(lasting, revoked_at__isnull=True).count()


def get_key(*, key_id: uuid.UUID) -> ApiKey:
    """One of the tenant's keys; raises ``NotFound``."""
    try:
        return ApiKey.objects.get(id=key_id)
    except ApiKey.DoesNotExist:
        raise NotFound(what="API key", name=str(key_id)) from None


def find_own(*, public_id: str) -> ApiKey | None:
    """One of the tenant's keys by its public part."""
    return ApiKey.objects.filter(public_id=public_id).first()


def names_of(*, key_ids: set[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Names of the tenant's keys, for lists that show which key did something."""
    return dict(ApiKey.objects.filter(id__in=key_ids).values_list("id", "name"))


def _read(public_id: str, row: tuple[Any, ...]) -> KeyRow:
    key_id, pepper, digest, name, scopes, created_at, expires_at, revoked_at, last_used_at = row[:9]
    tenant_id, schema, slug, tenant_name, state = row[9:14]
    plan, points, running_jobs, datasets, rows = row[14:19]
    principal = Principal(
        tenant_key=TenantKey(id=tenant_id, schema=schema),
        tenant_slug=slug,
        tenant_name=tenant_name,
        key_id=key_id,
        public_id=public_id,
        name=name,
        scopes=frozenset(scopes),
        limits=Limits(
            plan=plan,
            forecast_points_per_month=points,
            running_jobs=running_jobs,
            datasets=datasets,
            rows=rows,
        ),
        created_at=created_at,
        expires_at=expires_at,
        last_used_at=last_used_at,
    )
    return KeyRow(principal, pepper, digest, revoked_at, state, row[19])
