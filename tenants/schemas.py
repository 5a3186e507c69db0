"""A tenant's schema and role: made with exactly their rights, and dropped. As the owner, inside the caller's transaction."""

from __future__ import annotations

from django.db import connections, transaction

from apps.core.database import role_name
from tenants.replay import OWNER

LOCK_TIMEOUT = "5s"  # a backup may read the tables; who waits for a lock holds up all who come after


def create(schema: str) -> None:
    """Make the role and the empty schema, and say what the role may do with what will be in it. May be run again."""
    database = str(connections[OWNER].settings_dict["NAME"])
    base, app = role_name(database, "tenant"), role_name(database, "app")
    defaults = f'ALTER DEFAULT PRIVILEGES IN SCHEMA "{schema}" GRANT'
    statements = [
        f'GRANT "{schema}" TO "{app}" WITH INHERIT FALSE, SET TRUE',
        f'CREATE SCHEMA IF NOT EXISTS "{schema}"',
        f'GRANT USAGE ON SCHEMA "{schema}" TO "{schema}"',
        f'{defaults} SELECT, INSERT, UPDATE, DELETE ON TABLES TO "{schema}"',
        f'{defaults} USAGE ON SEQUENCES TO "{schema}"',
    ]
    if not role_exists(schema):
        statements.insert(0, f'CREATE ROLE "{schema}" NOLOGIN IN ROLE "{base}"')
    with connections[OWNER].cursor() as cursor:
        cursor.execute(";".join(statements))


def protect_bookkeeping(schema: str) -> None:
    """The list of migrations is not the tenant's to read or write."""
    with connections[OWNER].cursor() as cursor:
        cursor.execute(f'REVOKE ALL ON "{schema}".django_migrations FROM "{schema}"')


def drop(schema: str) -> None:
    """Remove the schema with all in it, and the role. May be run again. Gives up where a table stays locked."""
    with transaction.atomic(using=OWNER), connections[OWNER].cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        cursor.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE;DROP ROLE IF EXISTS "{schema}"')


def role_exists(schema: str) -> bool:
    """Whether there is a role of that name."""
    with connections[OWNER].cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [schema])
        return cursor.fetchone() is not None


def schema_exists(schema: str) -> bool:
    """Whether there is a schema of that name."""
    with connections[OWNER].cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema])
        return cursor.fetchone() is not None
