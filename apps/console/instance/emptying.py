"""What stands in the way of a restore, and how it is cleared: only the owner's own things, schema by schema."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import psycopg
from django.conf import settings
from psycopg import sql

from apps.console.instance import manifest
from apps.core.storage import backups as storage

Report = Callable[[str], None]
MARK: Final = "Almanac: a restore into this database did not end"
_SCHEMAS: Final = r"SELECT nspname FROM pg_namespace WHERE nspname ~ '^t_[a-z2-7]{16}$' ORDER BY 1"
_TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
_MARKED: Final = (
    "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
)


def what_is_there(dsn: str) -> list[str]:
    """A line for each kind of data that a restore would replace; empty in a fresh instance."""
    with psycopg.connect(dsn) as connection:
        tables = _names(connection, _TABLES)
        if _names(connection, _MARKED) == [MARK]:
            return []  # a restore's own, half done
        found = []
        for table, what in (("accounts_user", "person(s)"), ("tenants_tenant", "tenant(s)")):
            if table in tables and (count := _count(connection, table)):
                found.append(f"{count} {what}")
    artifacts = manifest.list_files(Path(settings.MLFLOW_ARTIFACT_ROOT))
    files = sum(1 for _file in (*storage.list_stored(), *artifacts))
    return [*found, f"{files} stored file(s)"] if files else found


def clear(dsn: str, report: Report) -> None:
    """Drop the tenants' schemas and roles, then all of public; mark the database until ``unmark``."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        _comment(connection, MARK)
        for schema in _names(connection, _SCHEMAS):
            report(f"dropping {schema}")
            name = sql.Identifier(schema)
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(name))
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(name))
        report("dropping the shared tables")
        clear_public(connection)


def clear_public(connection: psycopg.Connection) -> None:
    """An empty public schema with nobody's rights but the owner's, as in a new database."""
    connection.execute("DROP SCHEMA IF EXISTS public CASCADE")
    connection.execute("CREATE SCHEMA public AUTHORIZATION pg_database_owner")


def unmark(dsn: str) -> None:
    """The restore is done."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        _comment(connection, None)


def _comment(connection: psycopg.Connection, text: str | None) -> None:
    statement = sql.SQL("COMMENT ON DATABASE {} IS {}")
    connection.execute(statement.format(sql.Identifier(connection.info.dbname), sql.Literal(text)))


def _count(connection: psycopg.Connection, table: str) -> int:
    which = sql.SQL(" WHERE slug IS NOT NULL") if table == "tenants_tenant" else sql.SQL("")
    row = connection.execute(
        sql.SQL("SELECT count(*) FROM public.{}{}").format(sql.Identifier(table), which)
    ).fetchone()
    return int(row[0]) if row else 0


def _names(connection: psycopg.Connection, query: str) -> list[str]:
    return [name for (name,) in connection.execute(query).fetchall()]
