"""The life cycle of a tenant, and its limits."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.audit import services as audit
from apps.events import services as events
from tenants import queries
from tenants.errors import (
    ErasureStarted,
    GraceOutOfRange,
    NoSchemaReady,
    SlugTaken,
    TooManyAddresses,
    WrongState,
)
from tenants.lifecycle import GRACE_DAYS, LONGEST_GRACE_DAYS
from tenants.models import Domain, Tenant, TenantLimits, TenantState

ADDRESSES_KEPT: Final = 5  # host names that a tenant holds at a time, the present one among them


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


def request_deletion(
    *, tenant_id: uuid.UUID, reason: str, grace_days: int = GRACE_DAYS, notify: Sequence[str] = ()
) -> Tenant:
    """Close an active or suspended tenant and have it erased after the grace. Runs as the edge or the operator.

    ``notify`` are the owners' addresses, who are told now and when it is done. Raises ``WrongState`` and
    ``GraceOutOfRange``.
    """
    if not 0 <= grace_days <= LONGEST_GRACE_DAYS:
        raise GraceOutOfRange(days=grace_days, limit=LONGEST_GRACE_DAYS)
    with transaction.atomic():
        tenant, now = queries.get_tenant(tenant_id=tenant_id), timezone.now()
        before = tenant.state
        if before not in (TenantState.ACTIVE, TenantState.SUSPENDED):
            raise _wrong(tenant, "deletion", "active or suspended")
        fields: dict[str, Any] = {
            "state": TenantState.DELETING,
            "state_before_deletion": before,
            "delete_requested_at": now,
            "erase_after": now + timedelta(days=grace_days),
            "deletion_reason": reason,
            "deletion_notify": list(notify),
        }
        _change(tenant, before, fields, "deletion", "active or suspended")
        _record(
            tenant,
            "tenant.deletion_requested",
            {"before": before, "after": "deleting", "reason": reason, "grace_days": grace_days},
        )
        _tell(tenant, "tenant.deletion_requested", list(notify), grace_days=grace_days)
    return tenant


def cancel_deletion(*, tenant_id: uuid.UUID, reason: str = "") -> Tenant:
    """Keep a tenant that is in its grace: it is again what it was. Runs as the edge or the operator.

    Raises ``WrongState``, and ``ErasureStarted`` once the grace is over and the erasure has begun.
    """
    with transaction.atomic():
        tenant = queries.get_tenant(tenant_id=tenant_id)
        if tenant.erasure_started_at is not None:
            raise ErasureStarted(
                slug=tenant.slug, started_at=f"{tenant.erasure_started_at:%Y-%m-%d %H:%M} UTC"
            )
        back = tenant.state_before_deletion or TenantState.ACTIVE
        fields: dict[str, Any] = {
            "state": back,
            "state_before_deletion": "",
            "delete_requested_at": None,
            "erase_after": None,
            "deletion_reason": "",
            "deletion_notify": [],
        }
        notify = tenant.deletion_notify
        _change(tenant, TenantState.DELETING, fields, "cancelling the deletion", "deleting")
        _record(tenant, "tenant.deletion_cancelled", {"before": "deleting", "after": back, "reason": reason})
        _tell(tenant, "tenant.deletion_cancelled", notify)
    return tenant


def rename(*, tenant_id: uuid.UUID, slug: str, name: str | None = None) -> Tenant:
    """Give the tenant another address, and name if one is given. Runs as the edge or the operator.

    The caller has checked ``slug`` (``accounts.naming``). The earlier address keeps leading to the tenant until that
    is erased, so nobody else can take it. Raises ``SlugTaken``, ``TooManyAddresses`` and ``WrongState``.
    """
    with transaction.atomic():
        tenant = queries.get_tenant(tenant_id=tenant_id)
        needed = (TenantState.ACTIVE, TenantState.SUSPENDED)
        if tenant.state not in needed:
            raise _wrong(tenant, "a rename", "active or suspended")
        before = {"slug": tenant.slug, "name": tenant.name}
        after = {"slug": slug, "name": tenant.name if name is None else name}
        if after == before:
            return tenant
        if slug != tenant.slug:
            _move_address(tenant, slug)
        _change(tenant, tenant.state, dict(after), "a rename", "active or suspended")
        _record(tenant, "tenant.renamed", {"before": before, "after": after})
    return tenant


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
        fields = {"state": target, "suspended_reason": reason}
        _change(tenant, needed, fields, action.partition(".")[2], needed.value)
        _record(tenant, action, {"before": needed.value, "after": target.value, "reason": reason})
    return tenant


def _change(tenant: Tenant, needed: str, fields: dict[str, Any], action: str, wanted: str) -> None:
    """Write ``fields`` if the row is still in the state ``needed``; else ``WrongState``."""
    if not Tenant.objects.filter(id=tenant.id, state=needed, erasure_started_at=None).update(**fields):
        tenant.refresh_from_db()
        raise _wrong(tenant, action, wanted)
    tenant.refresh_from_db()


def _wrong(tenant: Tenant, action: str, needed: str) -> WrongState:
    return WrongState(slug=tenant.slug, state=tenant.state, action=action, needed=needed)


def _record(tenant: Tenant, action: str, changes: dict[str, Any]) -> None:
    audit.record(
        action=action,
        target_type="tenant",
        target_id=tenant.slug or "",
        changes=changes,
        tenant_id=tenant.id,
    )


def _tell(tenant: Tenant, event: str, to: list[str], **more: Any) -> None:
    """Note the event, with what a mail to the owners says."""
    if tenant.erase_after is not None:
        more["erase_on"] = f"{tenant.erase_after:%-d %B %Y}"
        more["erase_at"] = f"{tenant.erase_after:%H:%M}"
    data = {"to": to, "name": tenant.name, "slug": tenant.slug, "reason": tenant.deletion_reason, **more}
    events.emit(type=event, data=data, tenant_id=tenant.id)


def _move_address(tenant: Tenant, slug: str) -> None:
    """Make ``slug``'s host name the primary one; one of the tenant's own earlier ones may come back."""
    host = f"{slug}.{settings.BASE_DOMAIN}"
    held = {domain.domain for domain in Domain.objects.filter(tenant=tenant)}
    if host not in held and len(held) >= ADDRESSES_KEPT:
        raise TooManyAddresses(slug=tenant.slug, limit=ADDRESSES_KEPT)
    Domain.objects.filter(tenant=tenant, is_primary=True).update(is_primary=False)
    if host in held:
        Domain.objects.filter(tenant=tenant, domain=host).update(is_primary=True)
        return
    try:
        with transaction.atomic():
            Domain.objects.bulk_create([Domain(domain=host, tenant=tenant, is_primary=True)])
    except IntegrityError:
        raise SlugTaken(slug=slug) from None
