"""Transactions, connections, threads, commands and the admin site, on whatever way to the database."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.admin import ModelAdmin, site
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, ProgrammingError, connection, connections, transaction
from django.db.transaction import TransactionManagementError
from django.test import RequestFactory

from apps.core import scope
from apps.core.scope import SystemRole
from apps.core.tenancy import TenantKey, new_schema_name
from apps.jobs.models import Job
from tenants.context import system_scope, tenant_scope
from tenants.postgresql.scoping import ScopeError, prefix
from tests.tenants.database.places import PLACES, Keys, make_jobs, of, who


def test_a_cursor_in_a_broken_block_is_refused_and_the_block_around_it_goes_on(
    route: str, keys: Keys
) -> None:
    def breaks() -> None:
        with transaction.atomic(savepoint=False), connection.cursor() as cursor:
            cursor.execute("SELECT 1/0")

    with tenant_scope(keys[0]), transaction.atomic():
        with transaction.atomic():
            with pytest.raises(DatabaseError):
                breaks()
            with pytest.raises(TransactionManagementError):
                who()
        assert who() == of(keys[0])


def test_a_transaction_opened_by_hand_belongs_to_one_scope(route: str, keys: Keys) -> None:
    acme, globex = keys

    def in_a_block() -> None:
        with transaction.atomic():
            who()

    with tenant_scope(acme):
        transaction.set_autocommit(False)
        try:
            assert who() == who() == of(acme)
            for change in (who, in_a_block):
                with tenant_scope(globex), pytest.raises(ScopeError):
                    change()
            transaction.commit()
            with tenant_scope(globex):
                assert who() == of(globex), "after a commit the next transaction may be another's"
                transaction.rollback()
            assert who() == of(acme)
            transaction.rollback()
        finally:
            transaction.set_autocommit(True)
        assert who() == of(acme)


def test_ending_the_transaction_in_sql_does_not_lose_the_scope(route: str, keys: Keys) -> None:
    with tenant_scope(keys[0]), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.execute("COMMIT")
        assert who() == of(keys[0])
        cursor.execute("SAVEPOINT mine")
        cursor.execute("ROLLBACK TO SAVEPOINT mine")
        assert who() == of(keys[0])


def test_a_role_serves_from_the_moment_it_was_made(
    route: str, keys: Keys, newcomers: Callable[[], TenantKey]
) -> None:
    """Connections that were open before know it at once."""
    with tenant_scope(keys[0]):
        who()
    key = newcomers()
    with tenant_scope(key):
        for place in PLACES:
            assert place(who) == of(key)


def test_a_tenant_that_is_not_there_is_refused(route: str, keys: Keys) -> None:
    ghost = TenantKey(id=keys[0].id, schema=new_schema_name())
    with tenant_scope(ghost):
        for place in PLACES:
            with pytest.raises(DatabaseError, match="does not exist"):
                place(who)
    with tenant_scope(keys[0]):
        assert who() == of(keys[0])


def end_backends() -> None:
    """What a restart of the server does to the program's connections."""
    with psycopg.connect(**connections["owner"].get_connection_params(), autocommit=True) as owner:
        owner.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s",
            [f"{settings.DATABASE}_app"],
        )


@pytest.fixture
def owner_may_end_backends(django_db_setup: None) -> None:
    """Who ends a backend must be a member of its role; the owner made the login, and may make itself one."""
    with psycopg.connect(**connections["owner"].get_connection_params(), autocommit=True) as owner:
        owner.execute(f'GRANT "{settings.DATABASE}_app" TO CURRENT_USER')


@pytest.mark.usefixtures("owner_may_end_backends")
def test_a_connection_that_the_server_ended_is_replaced_before_it_is_used(route: str, keys: Keys) -> None:
    def cut_off() -> None:
        with transaction.atomic():
            who()
            end_backends()
            who()

    with tenant_scope(keys[0]):
        assert who() == of(keys[0])
        end_backends()
        assert who() == of(keys[0]), "while the program holds it"
        connection.close()
        end_backends()
        assert who() == of(keys[0]), "taken anew"
        with pytest.raises(OperationalError):
            cut_off()
        assert who() == of(keys[0]), "after a transaction that was cut off"


def test_a_thread_starts_without_a_scope(route: str, keys: Keys) -> None:
    seen: list[Any] = []

    def work() -> None:
        seen.append(scope.current())
        with contextlib.suppress(ProgrammingError):
            seen.append(Job.objects.count())
        connection.close()

    with tenant_scope(keys[0]):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(20)
    assert seen == [scope.EDGE]


def test_the_librarys_way_to_choose_a_schema_is_refused(keys: Keys) -> None:
    tenant = SimpleNamespace(schema_name=keys[0].schema)
    for choose in (lambda: connection.set_schema(keys[0].schema), lambda: connection.set_tenant(tenant)):
        with pytest.raises(ScopeError):
            choose()
        assert connection.schema_name == "public"


def test_a_database_with_an_odd_name_is_refused_before_anything_is_sent() -> None:
    for name in ("a'b", "a b", 'a"b', "a%s", ""):
        with pytest.raises(ValueError, match="database's name"):
            prefix(scope.EDGE, name)


def test_management_commands_act_inside_the_scope_they_are_given(
    route: str, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    make_jobs(keys[0], 3)
    count = "from apps.jobs.models import Job; print(Job.objects.count())"
    for key, expected in ((keys[0], "3"), (keys[1], "0")):
        with tenant_scope(key):
            call_command("shell", command=count)
        assert capsys.readouterr().out.split()[-1] == expected
    with pytest.raises(ProgrammingError, match="permission denied"):
        call_command("shell", command=count)
    call_command("clearsessions")


def test_commands_that_would_change_tables_cannot_through_the_programs_login(route: str, keys: Keys) -> None:
    make_jobs(keys[0], 3)
    commands: dict[str, dict[str, Any]] = {
        "migrate": {},
        "flush": {"interactive": False},
        "createcachetable": {},
    }
    for command, options in commands.items():
        with contextlib.suppress(DatabaseError, CommandError):
            call_command(command, database="default", stdout=io.StringIO(), **options)
    with tenant_scope(keys[0]):
        assert Job.objects.count() == 3
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_class WHERE relowner = %s::regrole", [f"{settings.DATABASE}_app"]
        )
        assert cursor.fetchone() == (0,)


def test_the_admin_lists_jobs_of_all_tenants_for_the_operator_alone(route: str, keys: Keys) -> None:
    for key in keys:
        make_jobs(key, 3)
    request = RequestFactory().get("/")
    request.user = SimpleNamespace(has_perm=lambda _name: True, is_active=True)  # type: ignore[assignment]

    class Jobs(ModelAdmin):  # type: ignore[type-arg]
        list_display = ("kind", "state")

    def listed() -> int:
        return len(Jobs(Job, site).get_changelist_instance(request).result_list)

    with system_scope(SystemRole.OPERATOR):
        assert listed() == 6
    with tenant_scope(keys[0]):
        assert listed() == 3
    with pytest.raises(ProgrammingError, match="permission denied"):
        listed()
