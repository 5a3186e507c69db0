"""PostgreSQL itself keeps tenants apart: wrong path, foreign table and forgotten scope are refused for every table."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, ProgrammingError, connection, connections, transaction

from apps.core.scope import SystemRole
from apps.core.tenancy import TenantKey
from apps.jobs.models import Job
from tenants.context import system_scope, tenant_scope
from tenants.postgresql.scoping import ScopeError

TENANT_TABLES = sorted(
    model._meta.db_table
    for model in apps.get_models()
    if apps.get_app_config(model._meta.app_label).name in settings.TENANT_APPS
)


def _shared_tables_with_a_tenant() -> list[tuple[str, str]]:
    """Every shared table that has rows of tenants, with the column that says whose."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND (column_name = 'tenant_id' OR (table_name = 'tenants_tenant' AND column_name = 'id')) ORDER BY 1"
        )
        return list(cursor.fetchall())


def _refused(sql: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    except ProgrammingError as error:
        return "permission denied" in str(error) or "does not exist" in str(error)
    return False


def test_there_are_tenant_tables_to_test() -> None:
    assert "datasets_dataset" in TENANT_TABLES


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_a_qualified_table_of_another_tenant_is_refused(
    acme: TenantKey, globex: TenantKey, table: str
) -> None:
    with tenant_scope(acme):
        assert not _refused(f'SELECT * FROM "{acme.schema}"."{table}"')
        assert _refused(f'SELECT * FROM "{globex.schema}"."{table}"')


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_a_wrong_search_path_finds_nothing(acme: TenantKey, globex: TenantKey, table: str) -> None:
    with tenant_scope(acme):
        assert _refused(
            f"SELECT set_config('search_path', '{globex.schema}', true); SELECT * FROM \"{table}\""
        )


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_a_forgotten_scope_sees_no_tenant_table(acme: TenantKey, table: str) -> None:
    assert _refused(f'SELECT * FROM "{table}"')
    assert _refused(f'SELECT * FROM "{acme.schema}"."{table}"')


@pytest.mark.django_db(databases=["default", "owner"])
def test_every_shared_table_with_a_tenant_has_row_level_security() -> None:
    tables = _shared_tables_with_a_tenant()
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relrowsecurity AND relnamespace = 'public'::regnamespace"
        )
        secured = {name for (name,) in cursor.fetchall()}
    assert {"tenants_tenant", "jobs_job", "audit_auditevent"} <= {table for table, _ in tables}
    assert {table for table, _ in tables} <= secured


@pytest.mark.django_db(databases=["default", "owner"])
def test_a_tenant_sees_and_writes_no_row_of_another_in_any_shared_table(
    acme: TenantKey, globex: TenantKey
) -> None:
    for table, column in _shared_tables_with_a_tenant():
        with tenant_scope(acme), connection.cursor() as cursor:
            if _refused(f'SELECT 1 FROM "{table}"'):
                continue
            cursor.execute(f'SELECT count(*) FROM "{table}" WHERE "{column}" IS DISTINCT FROM %s', [acme.id])
            assert cursor.fetchone() == (0,), table


def test_a_tenant_cannot_write_a_row_for_another(acme: TenantKey, globex: TenantKey) -> None:
    with (
        tenant_scope(acme),
        pytest.raises(ProgrammingError, match="row-level security"),
        transaction.atomic(),
    ):
        Job.objects.create(tenant_id=globex.id, kind="x", queue="default")


def test_a_tenant_cannot_change_what_only_the_dispatcher_may(acme: TenantKey) -> None:
    with tenant_scope(acme):
        job = Job.objects.create(tenant_id=acme.id, kind="x", queue="default")
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            Job.objects.filter(id=job.id).update(state="succeeded")


def test_the_edge_sees_no_jobs(db: None) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        Job.objects.count()


def test_a_change_of_scope_inside_a_transaction_is_refused(acme: TenantKey, globex: TenantKey) -> None:
    with tenant_scope(acme), transaction.atomic():
        Job.objects.count()
        with tenant_scope(globex), pytest.raises(ScopeError):
            Job.objects.count()


def test_a_rolled_back_savepoint_does_not_lose_the_scope(acme: TenantKey) -> None:
    with tenant_scope(acme), transaction.atomic():
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1/0")
        assert Job.objects.count() == 0


def test_the_program_is_no_superuser_and_owns_nothing(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT session_user, (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = session_user)"
        )
        assert cursor.fetchone() == (f"{settings.DATABASE}_app", False)
        cursor.execute(
            "SELECT count(*) FROM pg_class JOIN pg_roles ON relowner = pg_roles.oid WHERE rolname = session_user"
        )
        assert cursor.fetchone() == (0,)


def _hammer(key: TenantKey, queries: int, wrong: list[Any]) -> None:
    try:
        for number in range(queries):
            with tenant_scope(key):
                if number % 3 == 0:
                    with transaction.atomic():
                        seen = _who()
                else:
                    seen = _who()
            if seen != (key.schema, key.schema, str(key.id)):
                wrong.append(seen)
    finally:
        connection.close()


def _who() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema(), current_user::text, current_setting('almanac.tenant')")
        return cursor.fetchone()


@pytest.mark.parametrize("pooled", [False, True], ids=["direct", "pool"])
def test_eight_threads_of_two_tenants_never_see_the_other(committed: None, pooled: bool) -> None:
    from tests import factories

    keys = [factories.tenant(slug).key for slug in ("acme", "globex")]
    wrong: list[Any] = []
    connection.close()
    options = connections["default"].settings_dict["OPTIONS"]
    if pooled:
        options["pool"] = {"min_size": 1, "max_size": 2}
    try:
        threads = [
            threading.Thread(target=_hammer, args=(keys[number % 2], 300, wrong)) for number in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        connection.close_pool()
        options.pop("pool", None)
    assert wrong == []


def test_copy_executemany_and_named_cursors_run_inside_the_scope(committed: None) -> None:
    from tests import factories

    key = factories.tenant("acme").key
    with tenant_scope(key):
        job = Job.objects.create(tenant_id=key.id, kind="x", queue="default")
        with connection.cursor() as cursor:
            cursor.executemany("UPDATE jobs_job SET stage = %s WHERE id = %s", [("a", job.id), ("b", job.id)])
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY (SELECT stage FROM jobs_job) TO STDOUT") as copy,
        ):
            assert [bytes(chunk) for chunk in copy] == [b"b\n"]
        assert [row.stage for row in Job.objects.iterator(chunk_size=1)] == ["b"]
        with transaction.atomic():
            assert [row.stage for row in Job.objects.iterator(chunk_size=1)] == ["b"]
    with system_scope(SystemRole.EDGE), pytest.raises(ProgrammingError):
        list(Job.objects.iterator(chunk_size=1))
