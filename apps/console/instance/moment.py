"""One moment of the main database: the snapshot that pg_dump and our own reads share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from tenants.backups import contents, tables
from tenants.backups.contents import FILES_LOCK

SCHEMAS_A_TRANSACTION: Final = 50  # each table that is read stays locked until its end
_SCHEMAS: Final = r"SELECT nspname FROM pg_namespace WHERE nspname ~ '^t_[a-z2-7]{16}$' ORDER BY 1"
_COUNTS: Final = {
    "tenants": "SELECT count(*) FROM tenants_tenant WHERE slug IS NOT NULL",
    "users": "SELECT count(*) FROM accounts_user",
    "keys": "SELECT count(*) FROM api_keys_apikey",
    "ledger rows": "SELECT count(*) FROM usage_usageevent",
    "audit rows": "SELECT count(*) FROM audit_auditevent",
}
# What is being erased may lack its files already.
_ERASING: Final = "SELECT schema_name FROM tenants_tenant WHERE erasure_started_at IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Reference:
    """A stored file that a row names."""

    schema: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Moment:
    """What stood in the database when the backup began; ``snapshot`` is how others see the same."""

    snapshot: str
    server_version: int
    database: str
    bytes: int
    schemas: list[str]
    erasing: list[str]
    migrations: list[str]
    counts: dict[str, int]


@contextlib.contextmanager
def hold() -> Iterator[Moment]:
    """The database as it is now, for as long as the block lasts; stored files are not deleted meanwhile."""
    with psycopg.connect(tables.owner_dsn(), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock_shared(hashtext(%s))", [FILES_LOCK])
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield Moment(
            snapshot=_values(connection, "SELECT pg_export_snapshot()")[0],
            server_version=connection.info.server_version,
            database=connection.info.dbname,
            bytes=_values(connection, "SELECT pg_database_size(current_database())")[0],
            schemas=_values(connection, _SCHEMAS),
            erasing=_values(connection, _ERASING),
            migrations=_values(
                connection, "SELECT app || '.' || name FROM public.django_migrations ORDER BY id"
            ),
            counts={name: _values(connection, query)[0] for name, query in _COUNTS.items()},
        )
        connection.execute("ROLLBACK")


def references(moment: Moment) -> Iterator[Reference]:
    """Every stored file that a row of the moment names."""
    schemas = [schema for schema in moment.schemas if schema not in moment.erasing]
    with psycopg.connect(tables.owner_dsn(), autocommit=True) as connection:
        for start in range(0, len(schemas), SCHEMAS_A_TRANSACTION):
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(moment.snapshot))
            for schema in schemas[start : start + SCHEMAS_A_TRANSACTION]:
                named = tables.Snapshot(connection, schema).files(contents.list_files())
                yield from (Reference(schema, path, sha256) for path, sha256 in named.items())
            connection.execute("ROLLBACK")


def _values(connection: psycopg.Connection, query: str) -> list[Any]:
    return [value for (value,) in connection.execute(query).fetchall()]
