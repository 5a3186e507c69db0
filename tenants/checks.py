"""Proof that the database keeps tenants apart as it should: every schema, table, grant, policy and role is compared
with what the migrations make on an empty schema."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any, Final

from django.db import connections, transaction

from apps.core.database import role_name
from apps.core.tenancy import new_schema_name
from tenants import erasing, portrait, replay, schemas
from tenants.bootstrap import SYSTEM_ROLES
from tenants.migrating import WITH_SCHEMA
from tenants.models import Tenant
from tenants.replay import OWNER, Applied

BATCH: Final = 100
LISTED: Final = 10  # faults told of one schema

_WITHOUT_SECURITY = """
SELECT format('public.%s has rows of tenants but no row-level security', relname)
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'tenant_id' AND NOT attisdropped
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relrowsecurity
"""
_STRAY = """
SELECT format('the schema %s belongs to no tenant', nspname) FROM pg_namespace
WHERE nspname ~ '^t_[a-z2-7]{16}$' AND nspname NOT IN (SELECT schema_name FROM public.tenants_tenant WHERE state <> 'gone')
UNION ALL
SELECT format('the role %s belongs to no tenant', rolname) FROM pg_roles
WHERE rolname ~ '^t_[a-z2-7]{16}$' AND rolname NOT IN (SELECT schema_name FROM public.tenants_tenant WHERE state <> 'gone')
  AND EXISTS (SELECT FROM pg_auth_members JOIN pg_roles AS base ON base.oid = roleid
              WHERE member = pg_roles.oid AND base.rolname = current_database() || '_tenant_base')
"""
# Of the login role and the system roles; those of tenants are in each schema's portrait.
_ROLES = """
SELECT format('%%s holds %%s by itself, not by becoming it', member.rolname, granted.rolname)
FROM pg_auth_members JOIN pg_roles AS member ON member.oid = member JOIN pg_roles AS granted ON granted.oid = roleid
WHERE member.rolname = ANY(%(roles)s) AND inherit_option
UNION ALL
SELECT format('%%s may pass row-level security, or make roles or databases', rolname) FROM pg_roles
WHERE rolname = ANY(%(roles)s) AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)
"""


def find_faults() -> list[str]:
    """One line for each fault; empty when all is as it should be. Reads as the owner, in a few set-based queries."""
    tenants = list(Tenant.objects.using(OWNER).filter(state__in=WITH_SCHEMA, erasure_started_at=None))
    present = _schemas_with_books()
    there = [tenant for tenant in tenants if tenant.schema_name in present]
    return [
        *_from_catalogue(),
        *(f"{tenant} has no schema of its own" for tenant in tenants if tenant.schema_name not in present),
        *_schemas_against_their_templates(there),
        *_shared_tables(),
        *_orphans(),
    ]


def shared_template() -> list[str]:
    """The portrait of public as the migrations of the shared tables make it."""

    def build(schema: str) -> None:
        with connections[OWNER].cursor() as cursor:
            cursor.execute(f'CREATE SCHEMA "{schema}"')
        with replay.standing_in(schema, shared=True):
            replay.run_executor()

    return _portrait_of_scratch(build)


def template(had: Applied) -> list[str]:
    """The portrait of a tenant's schema as Django's executor makes it with the migrations ``had``."""

    def build(schema: str) -> None:
        schemas.create(schema)
        with replay.standing_in(schema):
            replay.run_executor(only=had)
        schemas.protect_bookkeeping(schema)

    return _portrait_of_scratch(build)


def _portrait_of_scratch(build: Callable[[str], None]) -> list[str]:
    schema = new_schema_name()
    with transaction.atomic(using=OWNER):
        build(schema)
        lines = portrait.describe(schema)
        transaction.set_rollback(True, using=OWNER)
    return lines


def _from_catalogue() -> Iterator[str]:
    database = str(connections[OWNER].settings_dict["NAME"])
    roles = [role_name(database, role) for role in ("app", "tenant", *SYSTEM_ROLES)]
    yield from (line for (line,) in _rows(_WITHOUT_SECURITY))
    yield from (line for (line,) in _rows(_STRAY))
    yield from (line for (line,) in _rows(_ROLES, {"roles": roles}))


def _schemas_with_books() -> set[str]:
    query = "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'django_migrations' AND relkind = 'r'"
    return {name for (name,) in _rows(query)}


def _schemas_against_their_templates(tenants: list[Tenant]) -> Iterator[str]:
    """Each schema against its books, and against a schema that the same migrations made."""
    groups: dict[Applied, list[Tenant]] = defaultdict(list)
    books = _read_books([tenant.schema_name for tenant in tenants])
    for tenant in tenants:
        had = books[tenant.schema_name]
        groups[had].append(tenant)
        if replay.fingerprint(had) != tenant.schema_version:
            noted = tenant.schema_version or "no version"
            yield f"{tenant} is noted at {noted}, its books say {replay.fingerprint(had)}"
    for had, group in groups.items():
        if replay.plan_after(had):
            yield from (f"{tenant} lacks migrations: run manage.py tenants migrate" for tenant in group)
        yield from _compare({tenant.schema_name: str(tenant) for tenant in group}, template(had))


def _read_books(names: list[str]) -> dict[str, Applied]:
    found: dict[str, Applied] = {}
    for start in range(0, len(names), BATCH):
        union = " UNION ALL ".join(
            f"SELECT '{name}', array_agg(app), array_agg(name) FROM \"{name}\".django_migrations"  # noqa: S608
            for name in names[start : start + BATCH]
        )
        for name, apps, migrations in _rows(union):
            found[name] = frozenset(zip(apps or (), migrations or (), strict=True))
    return found


def _compare(names: dict[str, str], lines: list[str]) -> Iterator[str]:
    """Faults of the schemas ``names`` (schema -> what it is called), the first few of each."""
    told: Counter[str] = Counter()
    for schema, verb, line in sorted(portrait.differences(names, lines), key=_weight):
        told[schema] += 1
        if told[schema] <= LISTED:
            yield f"{names[schema]} {verb}: {line}"
    for schema, number in told.items():
        if number > LISTED:
            yield f"{names[schema]} has {number - LISTED} more differences"


def _weight(difference: tuple[str, str, str]) -> tuple[int, str]:
    """Tables before their columns, and these before what hangs on them."""
    kinds = ("table ", "column ")
    return next(
        (rank for rank, kind in enumerate(kinds) if difference[2].startswith(kind)), len(kinds)
    ), difference[0]


def _shared_tables() -> Iterator[str]:
    """Public against its migrations; who may use the schema itself is said when the roles are made."""
    database = str(connections[OWNER].settings_dict["NAME"])
    users = [role_name(database, role) for role in ("tenant", *SYSTEM_ROLES)]
    lines = [line for line in shared_template() if " on schema for " not in line]
    lines += [f"USAGE on schema for {role}" for role in users]
    lines += [
        f"{right} on schema for pg_database_owner" for right in ("USAGE", "CREATE")
    ]  # public's own owner
    return _compare({"public": "public"}, lines)


def _orphans() -> Iterator[str]:
    for table in erasing.list_shared_tables():
        query = (
            f'SELECT tenant_id, count(*) FROM public."{table}" AS mine WHERE tenant_id IS NOT NULL AND NOT EXISTS '  # noqa: S608
            "(SELECT FROM public.tenants_tenant WHERE id = mine.tenant_id) GROUP BY tenant_id"
        )
        for tenant_id, number in _rows(query):
            yield f"{number} row(s) of {table} are of {tenant_id}, who is no tenant"


def _rows(query: str, parameters: dict[str, Any] | None = None) -> list[Any]:
    with connections[OWNER].cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())
