"""Schemas and roles: made and kept ready through the owner's connection, never in a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.management import create_contenttypes
from django.db import connections, transaction
from django.db.migrations.executor import MigrationExecutor

from apps.core.tenancy import new_schema_name
from tenants import replay, schemas
from tenants.models import Tenant, TenantState
from tenants.replay import OWNER, Script

REFILL_LOCK = "almanac.refill"


def migrate_public(report: Callable[[str], None] = lambda _line: None) -> int:
    """Bring the shared tables up to date; returns how many migrations ran."""
    executor = MigrationExecutor(connections[OWNER], _progress(report))
    executor.recorder.ensure_schema()
    targets = [node for node in executor.loader.graph.leaf_nodes() if not replay.belongs_to_tenants(node[0])]
    plan = executor.migration_plan(targets)
    executor.migrate(targets, plan)
    # The admin site names its pages by them and may not write them; an earlier start may have ended before.
    for app in apps.get_app_configs():
        create_contenttypes(app, verbosity=0, using=OWNER)
    return len(plan)


def provision() -> Tenant:
    """Make one schema with its role, tables and grants, ready to be claimed: all of it or, if killed, nothing.

    Only where a migration cannot be replayed as text is there a row in state 'creating' meanwhile, which ``finish``
    can take up.
    """
    script = replay.record()
    if script is None:
        return finish(_insert(TenantState.CREATING, ""))
    with transaction.atomic(using=OWNER):
        tenant = _insert(TenantState.READY, script.after)
        _build(tenant.schema_name, script)
    return tenant


def finish(tenant: Tenant) -> Tenant:
    """Bring a tenant in state 'creating' to 'ready', from wherever an earlier attempt ended."""
    with _one_transaction_if_possible():
        schemas.create(tenant.schema_name)
        with replay.standing_in(tenant.schema_name):
            replay.run_executor()
        schemas.protect_bookkeeping(tenant.schema_name)
        Tenant.objects.using(OWNER).filter(id=tenant.id, state=TenantState.CREATING).update(
            state=TenantState.READY, schema_version=replay.current_version()
        )
    tenant.refresh_from_db(using=OWNER)
    return tenant


def refill(*, size: int) -> int:
    """Keep ``size`` schemas ready; finishes half-made ones first. Returns how many were made.

    An advisory lock keeps two processes from refilling at the same time; the second does nothing.
    """
    with advisory_lock(REFILL_LOCK) as mine:
        if not mine:
            return 0
        _finish_half_made()
        missing = max(0, size - Tenant.objects.using(OWNER).filter(state=TenantState.READY).count())
        for _ in range(missing):
            provision()
        return missing


def finish_all() -> int:
    """Bring every tenant in state 'creating' to 'ready', unless a ``refill`` is at it; returns how many were."""
    with advisory_lock(REFILL_LOCK) as mine:
        return _finish_half_made() if mine else 0


@contextmanager
def advisory_lock(name: str, *, wait: bool = False) -> Iterator[bool]:
    """Whether this session now holds the lock ``name``; it goes with the block, or with a killed process."""
    with connections[OWNER].cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_lock(hashtext(%s)) IS NOT NULL"
            if wait
            else "SELECT pg_try_advisory_lock(hashtext(%s))",
            [name],
        )
        mine = bool(cursor.fetchone()[0])
        try:
            yield mine
        finally:
            if mine:
                cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", [name])


def _finish_half_made() -> int:
    return len([finish(tenant) for tenant in Tenant.objects.using(OWNER).filter(state=TenantState.CREATING)])


def _insert(state: TenantState, version: str) -> Tenant:
    tenant = Tenant(schema_name=new_schema_name(), state=state, schema_version=version)
    # Not save(): the library's would ask about the schema first.
    Tenant.objects.using(OWNER).bulk_create([tenant])
    return tenant


def _build(schema: str, script: Script) -> None:
    schemas.create(schema)
    replay.send(script, schema)
    schemas.protect_bookkeeping(schema)


@contextmanager
def _one_transaction_if_possible() -> Iterator[None]:
    """Whole or not at all, unless a migration refuses to run in a transaction."""
    if not all(migration.atomic for migration in replay.plan_after(frozenset())):
        yield
        return
    with transaction.atomic(using=OWNER):
        yield


def _progress(report: Callable[[str], None]) -> Callable[..., None]:
    def progress(action: str, migration: Any = None, fake: bool = False) -> None:  # noqa: ARG001 - Django's signature
        if action == "apply_start":
            report(f"public: {migration}")

    return progress
