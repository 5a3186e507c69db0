"""The cast: tenants acme and globex; alice owns acme, bob is a member, mallory belongs to globex."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from django.db import connections, transaction

from tenants import queries, schemas, services
from tenants.models import Tenant

KEPT = {
    "django_migrations",
    "django_content_type",
    "tenants_tenant",
    "tenants_domain",
    "tenants_tenantlimits",
}
APPEND_ONLY = ("public.audit_auditevent", "public.audit_seal")


def claim_tenant(slug: str) -> Tenant:
    """A new active tenant from the warm pool."""
    return services.claim(name=slug.title(), slug=slug)


def tenant(slug: str) -> Tenant:
    """A tenant that the session made."""
    found = queries.find_by_slug(slug=slug)
    assert found is not None
    return found


@contextlib.contextmanager
def append_only_lifted() -> Iterator[None]:
    """One transaction of the owner's in which the audit log may be altered, as only the owner could."""
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        for table in APPEND_ONLY:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER audit_append_only")
        yield
        for table in APPEND_ONLY:
            cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER audit_append_only")


def empty_database() -> None:
    """Empty every table but the tenants' own, as the owner; suspended tenants are active again."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public' OR schemaname LIKE 't\\_%%'"
        )
        tables = [f'"{schema}"."{table}"' for schema, table in cursor.fetchall() if table not in KEPT]
        with append_only_lifted():
            cursor.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
        # An erased tenant has no slug.
        passing = "coalesce(slug, '') NOT IN ('acme', 'globex') AND state <> 'ready'"
        others = f"SELECT id FROM tenants_tenant WHERE {passing}"
        cursor.execute(f"DELETE FROM tenants_domain WHERE tenant_id IN ({others})")
        cursor.execute(f"DELETE FROM tenants_tenantlimits WHERE tenant_id IN ({others})")
        cursor.execute(f"DELETE FROM tenants_tenant WHERE {passing} RETURNING schema_name")
        for (schema,) in cursor.fetchall():
            schemas.drop(schema)
        cursor.execute("UPDATE tenants_tenant SET state = 'active' WHERE slug IN ('acme', 'globex')")
        cursor.execute(
            "UPDATE tenants_tenantlimits SET plan = 'free', forecast_points_per_month = 10000, running_jobs = 1"
        )
