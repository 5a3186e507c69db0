"""The SQL of the tenants' migrations, recorded once and replayed for each schema.

Django's executor asks the whole catalogue about each schema it migrates, which grows with the number of tenants. Here
it runs once, on a scratch schema in a transaction that is rolled back; what it sent there is sent to the others as text.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connections, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import Migration, RunPython, SeparateDatabaseAndState
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from apps.core.tenancy import new_schema_name

OWNER = "owner"
Applied = frozenset[tuple[str, str]]  # (app, name) of each migration that a schema has had


@dataclass(frozen=True, slots=True)
class Script:
    """What brings a schema from the version ``before`` to ``after``: statements that name no schema."""

    before: str
    after: str
    sql: str


def fingerprint(applied: Iterable[tuple[str, str]]) -> str:
    """The version of a schema: how many migrations it has had, and a hash of their names."""
    names = sorted(f"{app}.{name}" for app, name in applied)
    return f"{len(names)}-{hashlib.sha256(chr(10).join(names).encode()).hexdigest()[:16]}"


@functools.cache
def wanted() -> Applied:
    """The tenant migrations of this program."""
    disk = MigrationLoader(None).disk_migrations.values()
    return frozenset(
        name for migration in disk if belongs_to_tenants(migration.app_label) for name in _names(migration)
    )


def current_version() -> str:
    """The version that this program's schemas have."""
    return fingerprint(wanted())


def belongs_to_tenants(app_label: str) -> bool:
    """Whether the app's tables stand in the tenants' schemas."""
    return apps.get_app_config(app_label).name in settings.TENANT_APPS


def applied(schema: str) -> Applied:
    """The migrations that a schema has had, by its own bookkeeping."""
    with connections[OWNER].cursor() as cursor:
        cursor.execute(f'SELECT app, name FROM "{schema}".django_migrations')  # noqa: S608 - a name of our own making
        return frozenset(cursor.fetchall())


@functools.cache
def record(before: Applied = frozenset()) -> Script | None:
    """The script for schemas that have had ``before``; None where a migration cannot be told as text.

    That is one that runs Python, or that must not run in a transaction. Kept for the life of the process.
    """
    plan = plan_after(before)
    if not all(is_text(migration) for migration in plan):
        return None
    connection = connections[OWNER]
    with transaction.atomic(using=OWNER), _scratch_schema():
        if before:
            run_executor(only=before)
        with _recording(connection) as statements:
            run_executor()
        transaction.set_rollback(True, using=OWNER)
    names = [name for migration in plan for name in _names(migration)]
    return Script(
        before=fingerprint(before),
        after=fingerprint(before | wanted()),
        sql="".join(f"{statement.rstrip().rstrip(';')}\n;" for statement in statements) + _bookkeeping(names),
    )


def send(script: Script, schema: str) -> None:
    """Replay ``script`` in ``schema`` inside the caller's transaction on the owner's connection."""
    with connections[OWNER].cursor() as cursor:
        cursor.execute(f'SET LOCAL search_path TO "{schema}";{script.sql}SET LOCAL search_path TO public')


def plan_after(before: Applied) -> list[Migration]:
    """The migrations that a schema which has had ``before`` still needs, in their order."""
    graph = MigrationLoader(None).graph
    leaves = [node for node in graph.leaf_nodes() if belongs_to_tenants(node[0])]
    keys = dict.fromkeys(key for leaf in leaves for key in graph.forwards_plan(leaf))
    plan = [graph.nodes[key] for key in keys if belongs_to_tenants(key[0])]
    return [migration for migration in plan if not _names(migration) <= before]


def run_executor(*, only: Applied | None = None) -> None:
    """Bring the schema that the owner's connection stands in up to date by Django's own executor.

    ``only`` stops at these migrations. A schema that ``standing_in`` was told is shared gets the shared tables.
    """
    connection: Any = connections[OWNER]
    executor = MigrationExecutor(connection)
    executor.recorder.ensure_schema()
    private = not getattr(connection, "is_shared", False)
    targets = [node for node in executor.loader.graph.leaf_nodes() if belongs_to_tenants(node[0]) == private]
    plan = [
        step for step in executor.migration_plan(targets) if belongs_to_tenants(step[0].app_label) == private
    ]
    if only is not None:
        plan = [step for step in plan if _names(step[0]) <= only]
    executor.migrate(targets, plan)


@contextmanager
def standing_in(schema: str, *, shared: bool = False) -> Iterator[None]:
    """The owner's connection in ``schema`` alone: a table that it lacks must not be found in public.

    ``shared``: the schema is for the shared tables, as a copy of public.
    """
    connection: Any = connections[OWNER]
    connection.set_schema(schema, include_public=False)
    connection.is_shared = shared
    try:
        yield
    finally:
        connection.is_shared = False
        connection.set_schema_to_public()


def is_text(migration: Migration) -> bool:
    """Whether all that the migration does is SQL that does not depend on what it finds, in one transaction."""
    return migration.atomic and all(map(_is_text, migration.operations))


def _is_text(operation: Operation) -> bool:
    if isinstance(operation, SeparateDatabaseAndState):
        return all(map(_is_text, operation.database_operations))
    return operation.reduces_to_sql and not isinstance(operation, RunPython)


def _names(migration: Migration) -> Applied:
    """Under which names the executor notes it: a squashed migration under those that it replaces."""
    return frozenset(migration.replaces or [(migration.app_label, migration.name)])


def _bookkeeping(names: list[tuple[str, str]]) -> str:
    operations: Any = connections[OWNER].ops
    rows = ",".join("(%s,%s,now())" for _ in names)
    flat = [part for name in names for part in name]
    statement = f"INSERT INTO django_migrations (app,name,applied) VALUES {rows};"  # noqa: S608 - placeholders only
    return str(operations.compose_sql(statement, flat)) if names else ""


@contextmanager
def _scratch_schema() -> Iterator[None]:
    schema = new_schema_name()
    with connections[OWNER].cursor() as cursor:
        cursor.execute(f'CREATE SCHEMA "{schema}"')
    with standing_in(schema):
        yield


@contextmanager
def _recording(connection: Any) -> Iterator[list[str]]:
    """What the schema editor sends inside the block; it alone changes tables, queries about them go past it."""
    statements: list[str] = []
    original: type[BaseDatabaseSchemaEditor] = connection.SchemaEditorClass

    class Recorder(original):  # type: ignore[misc, valid-type]
        def execute(self, sql: Any, params: Any = ()) -> Any:
            composed = str(sql) if params is None else self.connection.ops.compose_sql(str(sql), params)
            statements.append(composed)
            return super().execute(sql, params)

        def __exit__(self, *error: Any) -> None:
            super().__exit__(*error)
            # Where there are rows, a table with checks outstanding could not be altered by the next migration.
            statements.append("SET CONSTRAINTS ALL IMMEDIATE;SET CONSTRAINTS ALL DEFERRED")

    connection.SchemaEditorClass = Recorder
    try:
        yield statements
    finally:
        connection.SchemaEditorClass = original
