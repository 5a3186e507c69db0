"""Erasing a tenant: everything of it goes, then it is proved that nothing is left, and only then it is gone.

Each step can be killed and run again. What is left makes the tenant stay in 'deleting', to be tried again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import structlog
from django.db import connections, transaction
from django.utils import timezone

from apps.audit import services as audit
from apps.core.scope import SystemRole
from apps.events import services as events
from tenants import schemas
from tenants.backups.contents import FILES_LOCK
from tenants.context import system_scope
from tenants.errors import WrongState
from tenants.lifecycle import KEPT_TABLES, Eraser, list_erasers
from tenants.models import Tenant, TenantErasure, TenantState
from tenants.provisioning import advisory_lock
from tenants.replay import OWNER

log = structlog.get_logger(__name__)
LISTED: Final = 20  # leftovers that a certificate names; the rest are counted


def list_due() -> list[Tenant]:
    """Tenants whose grace is over, or whose erasure was begun and not finished; longest due first."""
    waiting = Tenant.objects.using(OWNER).filter(state=TenantState.DELETING, erase_after__lte=timezone.now())
    return list(waiting.order_by("erase_after"))


def erase(tenant: Tenant) -> TenantErasure:
    """Erase ``tenant``, whose grace is over; ``finished_at`` of the certificate says whether nothing is left.

    Raises ``WrongState`` for one that is not to be erased (yet).
    """
    erasure = _begin(tenant)
    stoppers = [eraser for eraser in list_erasers() if eraser.stops_work]
    left = _run(stoppers, lambda eraser: _erase_and_look(eraser, tenant))
    if any(left.values()):
        return _note(erasure, left)
    others = [eraser for eraser in list_erasers() if not eraser.stops_work]
    with advisory_lock(FILES_LOCK) as mine:
        if not mine:
            return _note(erasure, {**left, "backup": ["one is being taken, which may need the files"]})
        failed = _run(others, lambda eraser: _erase(eraser, tenant))
        schemas.drop(tenant.schema_name)
    _delete_rows(tenant, erasure)
    found = _look(tenant)
    left = {name: [*failed.get(name, []), *lines] for name, lines in found.items()}
    if any(left.values()):
        return _note(erasure, left)
    return _certify(tenant, erasure, left)


def _begin(tenant: Tenant) -> TenantErasure:
    """From here nothing brings the tenant back."""
    now = timezone.now()
    with transaction.atomic(using=OWNER):
        due = Tenant.objects.using(OWNER).filter(
            id=tenant.id, state=TenantState.DELETING, erase_after__lte=now
        )
        if not due.update(erasure_started_at=tenant.erasure_started_at or now):
            raise WrongState(
                slug=str(tenant), state=tenant.state, action="erasing", needed="deleting, and its grace over"
            )
        tenant.refresh_from_db(using=OWNER)
        erasure = _certificate_of(tenant)
        erasure.attempts += 1
        erasure.save(using=OWNER, update_fields=["attempts"])
    return erasure


def _certificate_of(tenant: Tenant) -> TenantErasure:
    started = tenant.erasure_started_at or timezone.now()
    erasure, _made = TenantErasure.objects.using(OWNER).get_or_create(
        tenant_id=tenant.id,
        defaults={
            "slug": tenant.slug or "",
            "schema_name": tenant.schema_name,
            "reason": tenant.deletion_reason,
            "requested_at": tenant.delete_requested_at or started,
            "started_at": started,
        },
    )
    return erasure


def _run(erasers: Iterable[Eraser], step: Callable[[Eraser], list[str]]) -> dict[str, list[str]]:
    """What each eraser leaves. One that fails keeps the tenant from being gone, not the others from their work."""
    left: dict[str, list[str]] = {}
    for eraser in erasers:
        try:
            left[eraser.name] = step(eraser)
        except Exception as error:
            log.exception("eraser_failed", eraser=eraser.name)
            left[eraser.name] = [f"{type(error).__name__}: {error}"[:300]]
    return left


def _erase(eraser: Eraser, tenant: Tenant) -> list[str]:
    eraser.erase(tenant.key)
    return []


def _erase_and_look(eraser: Eraser, tenant: Tenant) -> list[str]:
    eraser.erase(tenant.key)
    return eraser.leftovers(tenant.key)


def _delete_rows(tenant: Tenant, erasure: TenantErasure) -> None:
    """Delete the tenant's rows from the shared tables; what is counted is written with it."""
    with transaction.atomic(using=OWNER), connections[OWNER].cursor() as cursor:
        removed = dict(erasure.removed)
        for table in list_shared_tables():
            if table not in KEPT_TABLES:
                cursor.execute(f'DELETE FROM public."{table}" WHERE tenant_id = %s', [tenant.id])  # noqa: S608
                removed[table] = removed.get(table, 0) + cursor.rowcount
        erasure.removed = {table: number for table, number in removed.items() if number}
        erasure.kept = dict(_count_rows(tenant.id, KEPT_TABLES))
        erasure.save(using=OWNER, update_fields=["removed", "kept"])


def list_shared_tables() -> list[str]:
    """The tables of the public schema with rows of tenants."""
    with connections[OWNER].cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid "
            "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition "
            "AND attname = 'tenant_id' AND NOT attisdropped ORDER BY relname"
        )
        return [name for (name,) in cursor.fetchall()]


def _count_rows(tenant_id: uuid.UUID, tables: Iterable[str]) -> Iterator[tuple[str, int]]:
    present = set(list_shared_tables())
    with connections[OWNER].cursor() as cursor:
        for table in sorted(present.intersection(tables)):
            cursor.execute(f'SELECT count(*) FROM public."{table}" WHERE tenant_id = %s', [tenant_id])  # noqa: S608
            if number := cursor.fetchone()[0]:
                yield table, number


def _look(tenant: Tenant) -> dict[str, list[str]]:
    """What is left of the tenant, by the kind of thing; all lists are empty when nothing is."""
    schema = tenant.schema_name
    others = set(list_shared_tables()) - KEPT_TABLES.keys()
    return {
        "schema": [schema] if schemas.schema_exists(schema) else [],
        "role": [schema] if schemas.role_exists(schema) else [],
        "rows": [f"{number} in {table}" for table, number in _count_rows(tenant.id, others)],
        **_run(list_erasers(), lambda eraser: eraser.leftovers(tenant.key)),
    }


def _note(erasure: TenantErasure, left: dict[str, list[str]]) -> TenantErasure:
    """Something is left: the certificate says what, and stays unfinished."""
    erasure.checks = _as_checks(left)
    erasure.save(using=OWNER, update_fields=["checks"])
    log.warning("erasure_unfinished", slug=erasure.slug, attempt=erasure.attempts, left=left)
    return erasure


def _as_checks(left: dict[str, list[str]]) -> list[dict[str, Any]]:
    return [
        {"name": name, "left": lines[:LISTED], "more": max(0, len(lines) - LISTED)}
        for name, lines in left.items()
    ]


def _certify(tenant: Tenant, erasure: TenantErasure, left: dict[str, list[str]]) -> TenantErasure:
    """The certificate, the audit row, the last mail and the tenant's last state, in one transaction."""
    now = timezone.now()
    with system_scope(SystemRole.OPERATOR), transaction.atomic():
        TenantErasure.objects.filter(id=erasure.id).update(finished_at=now, checks=_as_checks(left))
        Tenant.objects.filter(id=tenant.id).update(
            state=TenantState.GONE,
            slug=None,
            name="",
            suspended_reason="",
            deletion_reason="",
            deletion_notify=[],
            schema_version="",
        )
        _tell(tenant, erasure, f"{now:%-d %B %Y}")
    erasure.refresh_from_db(using=OWNER)
    log.info("tenant_erased", slug=erasure.slug, attempts=erasure.attempts)
    return erasure


def _tell(tenant: Tenant, erasure: TenantErasure, erased_on: str) -> None:
    audit.record(
        action="tenant.erased",
        target_type="tenant",
        target_id=str(tenant.id),
        changes={"certificate": str(erasure.id), "removed": erasure.removed, "kept": erasure.kept},
        tenant_id=tenant.id,
    )
    events.emit(  # no tenant's row any more: it would be a trace
        type="tenant.erased",
        data={
            "to": tenant.deletion_notify,
            "name": tenant.name,
            "slug": erasure.slug,
            "certificate": str(erasure.id),
            "erased_on": erased_on,
        },
    )
