"""Reads about tenants."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from apps.core.errors import NotFound
from tenants.models import Domain, Tenant, TenantLimits


def find_by_host(*, host: str) -> Tenant | None:
    """The tenant that a host name (no port, lower case) leads to, whatever its state."""
    domain = Domain.objects.select_related("tenant").filter(domain=host).first()
    return domain.tenant if domain else None


def get_tenant(*, tenant_id: uuid.UUID) -> Tenant:
    """The tenant of that id; raises ``NotFound``."""
    try:
        return Tenant.objects.get(id=tenant_id)
    except Tenant.DoesNotExist:
        raise NotFound(what="tenant", name=str(tenant_id)) from None


def find_by_slug(*, slug: str) -> Tenant | None:
    """The tenant of that slug, whatever its state."""
    return Tenant.objects.filter(slug=slug).first()


def list_tenants() -> QuerySet[Tenant]:
    """All claimed tenants, by slug."""
    return Tenant.objects.filter(slug__isnull=False).select_related("limits").order_by("slug")


def find_limits(*, tenant_id: uuid.UUID) -> TenantLimits | None:
    """What the tenant may use; None once it is erased."""
    return TenantLimits.objects.filter(tenant_id=tenant_id).first()


def get_limits(*, tenant_id: uuid.UUID) -> TenantLimits:
    """What the tenant may use."""
    return TenantLimits.objects.get(tenant_id=tenant_id)
