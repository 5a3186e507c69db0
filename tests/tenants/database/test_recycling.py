"""A backend that has come to hold enough is let go: between transactions, on every way, and not before."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection, connections, transaction

from apps.core.ids import new_id
from apps.core.scope import Scope
from apps.core.tenancy import TenantKey, new_schema_name
from apps.datasets.models import Dataset
from apps.jobs.models import Job
from tenants.context import tenant_scope
from tenants.postgresql import backends

Keys = tuple[TenantKey, TenantKey]
TABLES = backends._tenant_tables()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A limit that two tables of two tenants reach: the settings count whole megabytes."""
    monkeypatch.setattr(backends, "KB_PER_TABLE", 400)
    monkeypatch.setattr(settings, "BACKEND_MEGABYTES", 1)
    connection.close()
    connection.close_pool()
    yield
    connection.close()
    connection.close_pool()


def pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def touch(key: TenantKey, *tables: str) -> int:
    """Read tables of the tenant; the backend that did."""
    with tenant_scope(key), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f'SELECT 1 FROM "{table}" LIMIT 1')
    return pid() if not connection.in_atomic_block else 0


@pytest.mark.usefixtures("small")
def test_a_backend_is_replaced_once_it_holds_enough(keys: Keys) -> None:
    first = touch(keys[0], "datasets_dataset")
    assert touch(keys[0], "datasets_dataset", "datasets_upload") == first
    assert touch(keys[0], "datasets_dataset", "datasets_upload") == first, "the same table counts once"
    assert touch(keys[1], "datasets_dataset") != first


@pytest.mark.usefixtures("small")
def test_never_inside_a_transaction(keys: Keys) -> None:
    with tenant_scope(keys[0]), transaction.atomic():
        first = pid()
        touch(keys[0], *TABLES)
        assert pid() == first
    with tenant_scope(keys[0]):
        transaction.set_autocommit(False)
        try:
            second = pid()
            touch(keys[0], *TABLES)
            assert pid() == second != first
        finally:
            transaction.rollback()
            transaction.set_autocommit(True)


@pytest.mark.usefixtures("small")
def test_rows_that_were_read_before_stay_readable(keys: Keys) -> None:
    with tenant_scope(keys[0]):
        Dataset.objects.bulk_create(Dataset(name=str(n), slug=str(n), origin="upload") for n in range(20))
        first = pid()
        rows = Dataset.objects.order_by("id").iterator(chunk_size=2)
        next(rows)
        touch(keys[0], *TABLES)
        assert pid() != first
        assert len(list(rows)) == 19


@pytest.mark.usefixtures("small")
def test_a_pool_gets_another_backend_in_its_place(route: str, keys: Keys) -> None:
    for _ in range(30):
        for key in keys:
            touch(key, *TABLES)
            assert backends.held_kilobytes(connection.connection) < 1024
    connection.close()
    if route == "pool":
        connection.ensure_connection()
        statistics = connection.pool.get_stats()
        assert statistics["connections_num"] >= 30
        assert statistics.get("returns_bad", 0) == 0
        assert statistics["pool_size"] <= 2


def test_with_a_limit_of_nothing_no_backend_is_replaced(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "BACKEND_MEGABYTES", 0)
    monkeypatch.setattr(backends, "KB_PER_TABLE", 10**9)
    assert touch(keys[0], *TABLES) == touch(keys[1], *TABLES)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM datasets_dataset",
        'SELECT "datasets_dataset"."id" FROM "datasets_dataset"',
        b"SELECT 1 FROM datasets_dataset",
        psycopg.sql.SQL("SELECT 1 FROM {}").format(psycopg.sql.Identifier("datasets_dataset")),
    ],
)
def test_tables_are_found_in_every_kind_of_statement(query: Any) -> None:
    class Connection:
        pass

    raw, key = Connection(), TenantKey(id=new_id(), schema=new_schema_name())
    backends.note(raw, Scope(tenant=key), query)
    backends.note(raw, Scope(tenant=key), "SELECT 1 FROM jobs_job")
    assert backends.held_kilobytes(raw) == backends.KB_PER_TABLE


def test_every_way_to_send_a_statement_is_counted(keys: Keys) -> None:
    with tenant_scope(keys[0]):
        Job.objects.count()
        assert backends.held_kilobytes(connection.connection) == 0
        with connection.cursor() as cursor:
            cursor.executemany("DELETE FROM datasets_dataset WHERE name = %s", [("x",), ("y",)])
            with cursor.copy("COPY (SELECT 1 FROM datasets_upload) TO STDOUT") as copy:
                copy.read()
            list(cursor.stream("SELECT 1 FROM datasets_datasetversion"))
            with transaction.atomic(), connection._cursor("mine") as named:
                cursor.execute("SELECT 1")
                named.execute("SELECT 1 FROM registry_model")
        assert backends.held_kilobytes(connection.connection) == 4 * backends.KB_PER_TABLE


def private_kilobytes(backend: int) -> int:
    text = Path(f"/proc/{backend}/smaps_rollup").read_text()
    return sum(int(size) for size in re.findall(r"^Private_(?:Clean|Dirty):\s+(\d+)", text, re.MULTILINE))


def test_the_estimate_is_not_below_what_a_backend_really_holds(
    keys: Keys, newcomers: Callable[[], TenantKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured on tenants of its own: else a backend could outgrow the limit unseen."""
    monkeypatch.setattr(settings, "BACKEND_MEGABYTES", 0)
    tenants = [newcomers() for _ in range(40)]
    touch(keys[0], *TABLES)
    backend = touch(keys[1], *TABLES)
    try:
        before = private_kilobytes(backend)
    except PermissionError:
        pytest.skip("another user's process: run as root, or as who runs PostgreSQL")
    for key in tenants:
        with tenant_scope(key), connection.cursor() as cursor:
            for table in TABLES:
                cursor.execute(f'SELECT * FROM "{table}" WHERE false')
                cursor.execute(f'DELETE FROM "{table}" WHERE false')
    held = private_kilobytes(backend) - before
    # The first tenants cost more than the hundredth: the server's tables of what it knows double as they fill.
    estimate = backends.held_kilobytes(connection.connection)
    assert held <= estimate * 1.5, f"{held / 40 / len(TABLES):.0f} kB a table"


def test_what_the_settings_allow_is_below_what_a_backend_may_take() -> None:
    assert 0 < settings.BACKEND_MEGABYTES <= 130, "a backend starts with 1 to 10 MB and may take 150"
    assert connections["default"].settings_dict["CONN_MAX_AGE"] == 0, (
        "each request and task gives its connection back"
    )
