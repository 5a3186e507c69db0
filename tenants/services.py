"""The life cycle of a tenant, and its limits."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.audit import services as audit
from tenants import queries
from tenants.errors import NoSchemaReady, SlugTaken, WrongState
from tenants.models import Domain, Tenant, TenantLimits, TenantState


@dataclass(frozen=True, slots=True)
class Limits:
    """What a plan allows: points a month, jobs at the same time, data sets, and rows stored in all."""

    plan: str
    forecast_points_per_month: int
    running_jobs: int
    datasets: int
    rows: int


FREE = Limits(plan="free", forecast_points_per_month=10_000, running_jobs=1, datasets=10, rows=1_000_000)


def claim(*, name: str, slug: str) -> Tenant:
    """Give a prepared schema to a new customer: one row changes, no DDL. Runs as the edge.

    Raises ``SlugTaken`` and ``NoSchemaReady``.
    """
    with transaction.atomic():
        tenant = (
            Tenant.objects.select_for_update(skip_locked=True)
            .filter(state=TenantState.READY)
            .order_by("created_at")
            .first()
        )
        if tenant is None:
            raise NoSchemaReady
        tenant.name, tenant.slug, tenant.state, tenant.activated_at = (
            name,
            slug,
            TenantState.ACTIVE,
            timezone.now(),
        )
        try:
            with transaction.atomic():
                tenant.save(update_fields=["name", "slug", "state", "activated_at"])
                # Not create(): the library's save() would look for other primary domains to demote; there are none.
                Domain.objects.bulk_create(
                    [Domain(domain=f"{slug}.{settings.BASE_DOMAIN}", tenant=tenant, is_primary=True)]
                )
        except IntegrityError:
            raise SlugTaken(slug=slug) from None
        TenantLimits.objects.create(tenant=tenant, **asdict(FREE))
        audit.record(
            action="tenant.created",
            target_type="tenant",
            target_id=slug,
            changes={"name": name},
            tenant_id=tenant.id,
        )
    return tenant


def suspend(*, tenant_id: uuid.UUID, reason: str) -> Tenant:
    """Close the doors of an active tenant; its data stays. Runs as the operator."""
    return _move(tenant_id, TenantState.ACTIVE, TenantState.SUSPENDED, "tenant.suspended", reason)


def reactivate(*, tenant_id: uuid.UUID, reason: str = "") -> Tenant:
    """Open a suspended tenant again. Runs as the operator."""
    return _move(tenant_id, TenantState.SUSPENDED, TenantState.ACTIVE, "tenant.reactivated", reason)


def set_limits(*, tenant_id: uuid.UUID, limits: Limits, reason: str) -> TenantLimits:
    """Replace what the tenant may use. Runs as billing or the operator."""
    with transaction.atomic():
        row = TenantLimits.objects.select_for_update().get(tenant_id=tenant_id)
        before = {name: getattr(row, name) for name in asdict(limits)}
        for name, value in asdict(limits).items():
            setattr(row, name, value)
        row.save()
        audit.record(
            action="tenant.limits_changed",
            target_type="tenant",
            target_id=str(tenant_id),
            changes={"before": before, "after": asdict(limits), "reason": reason},
            tenant_id=tenant_id,
        )
    return row


def _move(tenant_id: uuid.UUID, needed: TenantState, target: TenantState, action: str, reason: str) -> Tenant:
    with transaction.atomic():
        tenant = queries.get_tenant(tenant_id=tenant_id)
        moved = Tenant.objects.filter(id=tenant_id, state=needed).update(
            state=target, suspended_reason=reason
        )
        if not moved:
            raise WrongState(
                slug=tenant.slug, state=tenant.state, action=action.partition(".")[2], needed=needed.value
            )
        audit.record(
            action=action,
            target_type="tenant",
            target_id=tenant.slug or "",
            changes={"before": needed.value, "after": target.value, "reason": reason},
            tenant_id=tenant_id,
        )
    tenant.refresh_from_db()
    return tenant
