"""Tables in and out: COPY in text form as the owner, one moment of time out, one transaction in."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import psycopg
from django.conf import settings
from django.db import connections
from psycopg import conninfo, sql

from tenants import replay, schemas
from tenants.backups.archive import Manifest, Reader, Table
from tenants.backups.contents import FILES_LOCK, FileColumns
from tenants.backups.errors import Damaged, Refused
from tenants.replay import OWNER

BOOKKEEPING: Final = "django_migrations"  # written anew by the migrations themselves
LOCK_TIMEOUT: Final = "5s"

# The text of a value depends on these; a restore sets the same.
_FORM: Final = (
    "SET LOCAL client_encoding = 'UTF8'",
    "SET LOCAL datestyle = 'ISO, YMD'",
    "SET LOCAL intervalstyle = 'iso_8601'",
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL bytea_output = 'hex'",
)
_TABLES: Final = """
SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'p') AND NOT relispartition
ORDER BY relname
"""
_COLUMNS: Final = """
SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY attnum
"""
_SEQUENCES: Final = """
SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind = 'S' ORDER BY relname
"""
Report = Callable[[str], None]


class Snapshot:
    """One tenant's tables at one moment."""

    def __init__(self, connection: psycopg.Connection, schema: str) -> None:
        self._connection = connection
        self._schema = schema
        self.server_version = connection.info.server_version

    def tables(self) -> list[tuple[str, list[str]]]:
        """Each table that holds the tenant's data, with its columns."""
        names = [name for name in _names(self._connection, _TABLES, self._schema) if name != BOOKKEEPING]
        return [(name, _names(self._connection, _COLUMNS, f'"{self._schema}"."{name}"')) for name in names]

    def migrations(self) -> list[tuple[str, str]]:
        """The migrations that the schema has had."""
        return [
            (app, name) for app, name in self._select("SELECT app, name FROM {} ORDER BY id", BOOKKEEPING)
        ]

    def sequences(self) -> dict[str, tuple[int, bool]]:
        """Where each sequence stands, but that of the bookkeeping."""
        names = _names(self._connection, _SEQUENCES, self._schema)
        return {
            name: self._select("SELECT last_value, is_called FROM {}", name)[0]
            for name in names
            if not name.startswith(BOOKKEEPING)
        }

    def files(self, columns: Iterable[FileColumns]) -> dict[str, str]:
        """Path in the tenant's folder → SHA-256, of every stored file that a row names."""
        present = {name for name, _ in self.tables()}
        found: dict[str, str] = {}
        for each in columns:
            if each.table in present:
                named = self._select("SELECT {}, {} FROM {}", each.path, each.sha256, each.table)
                found.update((path, sha256) for path, sha256 in named if path)
        return dict(sorted(found.items()))

    def rows(self, table: str, columns: list[str]) -> Iterator[bytes]:
        """The table's rows as COPY writes them."""
        statement = _copy("COPY {table} ({columns}) TO STDOUT", self._schema, table, columns)
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            yield from map(bytes, copy)

    def _select(self, statement: str, *names: str) -> list[Any]:
        parts = [sql.Identifier(name) for name in names[:-1]]
        return self._connection.execute(
            sql.SQL(statement).format(*parts, sql.Identifier(self._schema, names[-1]))
        ).fetchall()


@contextlib.contextmanager
def snapshot(schema: str, *, hold_files: bool = True) -> Iterator[Snapshot]:
    """The schema as it is now, for as long as the block lasts; ``hold_files`` keeps stored files from being deleted.

    The locks come before the first query, for that is when REPEATABLE READ takes its snapshot: a migration or a
    deletion that is under way is waited for, and then seen.
    """
    with psycopg.connect(owner_dsn(), autocommit=True) as connection:
        if hold_files:
            connection.execute("SELECT pg_advisory_lock_shared(hashtext(%s))", [FILES_LOCK])
        tables = _names(connection, _TABLES, schema)
        if BOOKKEEPING not in tables:
            raise Refused(f"There is no schema {schema} with a tenant's tables.")
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        named = sql.SQL(", ").join(sql.Identifier(schema, name) for name in tables)
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(named))
        for statement in _FORM:
            connection.execute(statement)
        yield Snapshot(connection, schema)
        connection.execute("ROLLBACK")
        if (
            hold_files
        ):  # said, not left to the end of the session, which the server notices some time after us
            connection.execute("SELECT pg_advisory_unlock_shared(hashtext(%s))", [FILES_LOCK])


def owner_dsn() -> str:
    """libpq's connection string of the owner."""
    values = settings.DATABASES[OWNER]
    known = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    given = {name: values[key] for name, key in known.items() if values.get(key)}
    plain = {name: value for name, value in values.get("OPTIONS", {}).items() if isinstance(value, str)}
    return conninfo.make_conninfo("", **plain, **given)


def check_migrations(manifest: Manifest) -> None:
    """Raise ``Refused`` unless this program can make the archive's tables and bring them to its own version."""
    known = replay.wanted()
    unknown = [f"{app}.{name}" for app, name in manifest.migrations if (app, name) not in known]
    if unknown:
        raise Refused(
            f"The backup was made by a newer program ({manifest.program}): it has the migration {unknown[0]},"
            " which this one does not know. Upgrade first."
        )
    stubborn = [str(migration) for migration in replay.plan_after(frozenset()) if not migration.atomic]
    if stubborn:
        raise Refused(
            f"The migration {stubborn[0]} refuses to run in a transaction, and a restore is one transaction."
        )


def replace(schema: str, reader: Reader, report: Report) -> str:
    """Put the archive's tables in the place of the schema's, at the program's version, which is returned.

    Call it in a transaction of the owner's connection: until that commits, everybody else sees what was there before.
    Raises Django's ``OperationalError`` when somebody holds the schema's tables for longer than ``LOCK_TIMEOUT``.
    """
    manifest = reader.manifest
    with connections[OWNER].cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        cursor.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
        schemas.create(schema)
        with replay.standing_in(schema):
            replay.run_executor(only=frozenset(manifest.migrations))
        _fill(cursor, schema, reader, report)
        with replay.standing_in(schema):
            replay.run_executor()
        schemas.protect_bookkeeping(schema)
    return replay.fingerprint(replay.applied(schema))


def _fill(cursor: Any, schema: str, reader: Reader, report: Report) -> None:
    manifest = reader.manifest
    _empty(cursor, schema)
    # Django's migrations leave the keys that they add checked at once; tables come one after the other.
    for statement in (*_FORM, "SET CONSTRAINTS ALL DEFERRED"):
        cursor.execute(statement)
    for number, table in enumerate(manifest.tables, start=1):
        report(f"table {number} of {len(manifest.tables)}: {table.name}, {table.rows} row(s)")
        _load(cursor, schema, table, reader.chunks(table.part))
    _set_sequences(cursor, schema, manifest.sequences)
    # A later migration may alter a table only once its rows' foreign keys have been checked.
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def count_rows(schema: str) -> dict[str, int]:
    """How many rows each of the schema's tables has now."""
    with psycopg.connect(owner_dsn()) as connection:
        names = [name for name in _names(connection, _TABLES, schema) if name != BOOKKEEPING]
        count = sql.SQL("SELECT count(*) FROM {}")
        found = {
            name: connection.execute(count.format(sql.Identifier(schema, name))).fetchone() for name in names
        }
    return {name: int(row[0]) if row else 0 for name, row in found.items()}


def _names(connection: psycopg.Connection, query: str, *values: str) -> list[str]:
    return [name for (name,) in connection.execute(sql.SQL(query), values).fetchall()]


def _copy(statement: str, schema: str, table: str, columns: list[str]) -> sql.Composed:
    return sql.SQL(statement).format(
        table=sql.Identifier(schema, table), columns=sql.SQL(", ").join(map(sql.Identifier, columns))
    )


def _empty(cursor: Any, schema: str) -> None:
    """Migrations may have written rows of their own; the archive has them as they became."""
    cursor.execute(_TABLES, [schema])
    names = [f'"{schema}"."{name}"' for (name,) in cursor.fetchall() if name != BOOKKEEPING]
    if names:
        cursor.execute(f"TRUNCATE {', '.join(names)}")


def _load(cursor: Any, schema: str, table: Table, chunks: Iterable[bytes]) -> None:
    statement = _copy("COPY {table} ({columns}) FROM STDIN", schema, table.name, table.columns)
    try:
        with cursor.copy(statement) as copy:
            for chunk in chunks:
                copy.write(chunk)
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.DataError) as error:
        raise Damaged(f"The table {table.name} of the backup does not fit its migrations: {error}") from error
    cursor.execute(f'SELECT count(*) FROM "{schema}"."{table.name}"')  # noqa: S608 - checked by COPY's quoting before
    found = cursor.fetchone()[0]
    if found != table.rows:
        raise Damaged(f"The table {table.name} has {found} row(s), the manifest says {table.rows}.")


def _set_sequences(cursor: Any, schema: str, sequences: dict[str, tuple[int, bool]]) -> None:
    for name, (last, called) in sequences.items():
        cursor.execute(
            "SELECT setval(format('%%I.%%I', %s::text, %s::text), %s, %s)", [schema, name, last, called]
        )
