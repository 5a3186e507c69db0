"""Schemas and roles: made, migrated and checked through the owner's connection, never in a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.management import create_contenttypes
from django.db import connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.models import QuerySet

from apps.core.database import role_name
from apps.core.tenancy import new_schema_name
from tenants.models import Tenant, TenantState

OWNER = "owner"


def migrate_public(report: Callable[[str], None] = lambda _line: None) -> int:
    """Bring the shared tables up to date; returns how many migrations ran."""
    ran = _migrate("public", report)
    # The admin site names its pages by them and may not write them; an earlier start may have ended before.
    for app in apps.get_app_configs():
        create_contenttypes(app, verbosity=0, using=OWNER)
    return ran


def migrate_tenants(report: Callable[[str], None] = lambda _line: None) -> int:
    """Bring each tenant's schema that is behind up to date, each in a transaction of its own; returns how many were."""
    behind = list(tenants_behind())
    for number, tenant in enumerate(behind, start=1):
        with transaction.atomic(using=OWNER):
            _migrate(tenant.schema_name, report)
        report(f"tenant {number} of {len(behind)}: {tenant}")
    return len(behind)


def tenants_behind() -> Iterator[Tenant]:
    """Tenants whose schema lacks a migration of the program's."""
    newest = _tenant_migrations()
    for tenant in _with_schema():
        if newest - _applied(tenant.schema_name):
            yield tenant


def provision() -> Tenant:
    """Make one schema with its role, tables and grants, ready to be claimed. All or nothing but for the row in
    state 'creating', which the next ``refill`` repairs."""
    tenant = Tenant.objects.using(OWNER).create(schema_name=new_schema_name(), state=TenantState.CREATING)
    return finish(tenant)


def finish(tenant: Tenant) -> Tenant:
    """Bring a tenant in state 'creating' to 'ready', from wherever an earlier attempt ended."""
    with transaction.atomic(using=OWNER):
        _create_schema(tenant.schema_name)
        _migrate(tenant.schema_name, lambda _line: None)
        _protect_bookkeeping(tenant.schema_name)
        Tenant.objects.using(OWNER).filter(id=tenant.id, state=TenantState.CREATING).update(
            state=TenantState.READY
        )
    tenant.refresh_from_db(using=OWNER)
    return tenant


def refill(*, size: int) -> int:
    """Keep ``size`` schemas ready; finishes half-made ones first. Returns how many were made.

    An advisory lock keeps two processes from refilling at the same time; the second does nothing.
    """
    with connections[OWNER].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('almanac.refill'))")
        if not cursor.fetchone()[0]:
            return 0
        try:
            for tenant in Tenant.objects.using(OWNER).filter(state=TenantState.CREATING):
                finish(tenant)
            missing = size - Tenant.objects.using(OWNER).filter(state=TenantState.READY).count()
            for _ in range(missing):
                provision()
            return max(0, missing)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtext('almanac.refill'))")


def _with_schema() -> QuerySet[Tenant]:
    states = (TenantState.READY, TenantState.ACTIVE, TenantState.SUSPENDED)
    return Tenant.objects.using(OWNER).filter(state__in=states).order_by("created_at")


def _tenant_migrations() -> set[tuple[str, str]]:
    return {key for key in MigrationLoader(None).disk_migrations if _belongs_to_tenants(key[0])}


def _belongs_to_tenants(app_label: str) -> bool:
    return apps.get_app_config(app_label).name in settings.TENANT_APPS


def _applied(schema: str) -> set[tuple[str, str]]:
    with connections[OWNER].cursor() as cursor:
        cursor.execute(f'SELECT app, name FROM "{schema}".django_migrations')  # noqa: S608 - a name of our own making
        return set(cursor.fetchall())


def _create_schema(schema: str) -> None:
    connection = connections[OWNER]
    base = role_name(str(connection.settings_dict["NAME"]), "tenant")
    app = role_name(str(connection.settings_dict["NAME"]), "app")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [schema])
        if cursor.fetchone() is None:
            cursor.execute(f'CREATE ROLE "{schema}" NOLOGIN IN ROLE "{base}"')
        cursor.execute(f'GRANT "{schema}" TO "{app}" WITH INHERIT FALSE, SET TRUE')
        cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        cursor.execute(f'GRANT USAGE ON SCHEMA "{schema}" TO "{schema}"')
        defaults = f'ALTER DEFAULT PRIVILEGES IN SCHEMA "{schema}" GRANT'
        cursor.execute(f'{defaults} SELECT, INSERT, UPDATE, DELETE ON TABLES TO "{schema}"')
        cursor.execute(f'{defaults} USAGE ON SEQUENCES TO "{schema}"')


def _protect_bookkeeping(schema: str) -> None:
    with connections[OWNER].cursor() as cursor:
        cursor.execute(f'REVOKE ALL ON "{schema}".django_migrations FROM "{schema}"')


def _migrate(schema: str, report: Callable[[str], None]) -> int:
    connection = connections[OWNER]
    # The public schema is left out of the path: a table that a tenant lacks must not be found in public.
    connection.set_schema(schema, include_public=False)  # type: ignore[attr-defined]
    try:
        executor = MigrationExecutor(connection, _progress(schema, report))
        executor.recorder.ensure_schema()
        wanted = _wanted(schema, executor.loader)
        plan = executor.migration_plan(wanted)
        executor.migrate(wanted, plan)
        return len(plan)
    finally:
        connection.set_schema_to_public()  # type: ignore[attr-defined]


def _wanted(schema: str, loader: MigrationLoader) -> list[tuple[str, str]]:
    if schema == "public":
        return [node for node in loader.graph.leaf_nodes() if not _belongs_to_tenants(node[0])]
    return [node for node in loader.graph.leaf_nodes() if _belongs_to_tenants(node[0])]


def _progress(schema: str, report: Callable[[str], None]) -> Callable[..., None]:
    def progress(action: str, migration: object = None, fake: bool = False) -> None:  # noqa: ARG001 - Django's signature
        if action == "apply_start":
            report(f"{schema}: {migration}")

    return progress
