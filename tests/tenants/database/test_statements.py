"""Whatever kind of statement is sent, on whatever way: it runs inside the scope, and answers as without the prefix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, ProgrammingError, connection, connections, transaction
from psycopg import sql

from apps.core.ids import new_id
from apps.core.tenancy import TenantKey
from apps.jobs.models import Job
from tenants.context import tenant_scope
from tests.tenants.database.places import PLACES, WHO, Keys, Place, in_a_savepoint, in_autocommit, of, who

STATEMENTS: dict[str, tuple[Any, Any]] = {
    "text": ("SELECT 1 AS one", None),
    "bytes": (b"SELECT 1 AS one", None),
    "composable": (sql.SQL("SELECT {} AS {}").format(sql.Literal("it's"), sql.Identifier("a b")), None),
    "composable with parameters": (sql.SQL("SELECT %s::int AS {}").format(sql.Identifier("n")), [7]),
    "parameters": ("SELECT %s::text AS a, %s::int AS b", ["100 %; DROP", 2]),
    "named parameters": ("SELECT %(a)s::text AS a", {"a": "x"}),
    "per cent without parameters": ("SELECT 'a%b' AS a, 7 % 4 AS b, 'x' LIKE '%x' AS c, '%s' AS d", None),
    "per cent with parameters": ("SELECT '%%' AS a, 7 %% %s AS b", [4]),
    "no parameters": ("SELECT '%%' AS a", []),
    "comment behind": ("SELECT 1 AS one -- that is all", None),
    "comment in front": ("-- first\n/* then */ SELECT 1 AS one", None),
    "semicolon behind": ("SELECT 1 AS one ; ", None),
    "nothing": ("", None),
    "nothing in bytes": (b" ", None),
    "only a comment": ("/* nothing */ -- at all", None),
    "only semicolons": (";;", None),
    "several": ("SELECT 1 AS a; SELECT 2 AS b UNION ALL SELECT 3 ORDER BY 1; SELECT", None),
    "several with parameters": ("SELECT %s::int AS a; SELECT %s::int AS b", [1, 2]),
    "explain": ("EXPLAIN (COSTS OFF) SELECT 1 AS one", None),
    "values": ("VALUES (1, 'x'), (2, 'y')", None),
    "quotes": ("SELECT $tag$ ; 'x' $tag$ AS a, E'\\'' AS b, ';' AS c", None),
    "block": ("DO $$ BEGIN PERFORM 1; END $$", None),
    "no rows": ("SELECT 1 AS one WHERE false", None),
    "show": ("SHOW standard_conforming_strings", None),
}


def everything(cursor: Any) -> list[Any]:
    """All that a cursor has to say of each of its results."""
    answers = []
    while True:
        columns = cursor.description and [column.name for column in cursor.description]
        rows = cursor.fetchall() if cursor.description else None
        answers.append((columns, rows, cursor.rowcount, cursor.statusmessage))
        if not cursor.nextset():
            return answers


@pytest.fixture(scope="module")
def plain(django_db_setup: None) -> Iterator[Any]:
    """A connection of the driver's, without any prefix: what the answers are measured by."""
    options: Any = connections["owner"].get_connection_params()
    with psycopg.connect(**options, autocommit=True) as raw:
        yield raw


@pytest.mark.parametrize("place", PLACES)
def test_every_statement_answers_as_it_would_without_a_prefix(
    route: str, keys: Keys, plain: Any, place: Place
) -> None:
    for name, (statement, params) in STATEMENTS.items():

        def run(statement: Any = statement, params: Any = params) -> Any:
            with connection.cursor() as cursor:
                cursor.execute(statement, params)
                return everything(cursor)

        with plain.cursor() as cursor:
            cursor.execute(statement, params)
            expected = everything(cursor)
        with tenant_scope(keys[0]):
            assert place(run) == expected, name
            assert who() == of(keys[0])


def test_what_may_not_share_a_message_is_refused_and_leaves_nothing_behind(route: str, keys: Keys) -> None:
    """Such statements are the owner's; the program's login has no right to any."""
    for statement in (
        "CREATE DATABASE x",
        "CREATE INDEX CONCURRENTLY i ON jobs_job (id)",
        "ALTER SYSTEM SET work_mem = 1",
    ):
        with tenant_scope(keys[0]), connection.cursor() as cursor:
            with pytest.raises(DatabaseError):
                cursor.execute(statement)
            assert who() == of(keys[0])


def test_a_transaction_may_choose_its_isolation_first(route: str, keys: Keys) -> None:
    with tenant_scope(keys[0]), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT current_setting('transaction_isolation'), current_user::text")
        assert cursor.fetchone() == ("repeatable read", keys[0].schema)


def test_nothing_of_the_scope_is_left_in_the_session(route: str, keys: Keys) -> None:
    for place in PLACES:
        with tenant_scope(keys[0]):
            place(who)
        with connection.connection.cursor() as raw:
            raw.execute(WHO)
            schema, user, tenant = raw.fetchone()
        assert (schema, user, tenant or None) == (None, f"{settings.DATABASE}_app", None)


@pytest.mark.parametrize("place", PLACES)
def test_copy_goes_both_ways_inside_the_scope(route: str, keys: Keys, place: Place) -> None:
    acme, globex = keys
    columns = "id, name, slug, description, origin, generated, created_by, created_at, expectations"
    odd = "a\tb\\"

    def write() -> None:
        rows = [
            [new_id(), str(new_id()), str(new_id()), odd, "upload", False, "", "now", "[]"]
            for _ in range(200)
        ]
        with (
            connection.cursor() as cursor,
            cursor.copy(f"COPY datasets_dataset ({columns}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)

    def read() -> int:
        query = "COPY (SELECT id FROM datasets_dataset WHERE description = %s) TO STDOUT"
        with connection.cursor() as cursor, cursor.copy(query, [odd]) as copy:
            return len(b"".join(bytes(chunk) for chunk in copy).splitlines())

    with tenant_scope(acme):
        place(write)
        assert place(read) == 200
    with tenant_scope(globex):
        assert place(read) == 0
    with pytest.raises(ProgrammingError, match="does not exist"):
        place(write)


def test_copy_into_a_shared_table_is_refused(route: str, keys: Keys) -> None:
    """PostgreSQL cannot check row-level security there, so it does not do it at all."""

    def write() -> None:
        with connection.cursor() as cursor, cursor.copy("COPY jobs_job (id) FROM STDIN") as copy:
            copy.write_row([new_id()])

    with tenant_scope(keys[0]):
        for place in PLACES:
            with pytest.raises(DatabaseError):
                place(write)
            assert who() == of(keys[0])


def test_a_copy_that_breaks_off_leaves_nothing(route: str, keys: Keys) -> None:
    def broken() -> None:
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY datasets_dataset (id, name) FROM STDIN") as copy,
        ):
            copy.write("not a row")
            raise ZeroDivisionError

    with tenant_scope(keys[0]):
        for place in (in_autocommit, in_a_savepoint):
            with pytest.raises(ZeroDivisionError):
                place(broken)
            assert who() == of(keys[0])


def test_executemany_writes_all_or_nothing_inside_the_scope(route: str, keys: Keys) -> None:
    acme, globex = keys
    stage = "UPDATE jobs_job SET stage = %s WHERE id = %s"
    with tenant_scope(acme):
        job = Job.objects.create(tenant_id=acme.id, kind="x", queue="default")
        with connection.cursor() as cursor:
            cursor.executemany(stage, [("a", job.id), ("b", job.id)])
            assert cursor.rowcount == 2
            with pytest.raises(DatabaseError):
                cursor.executemany(stage, [("c", job.id), ("d", "no uuid")])
        job.refresh_from_db()
        assert job.stage == "b"
    with tenant_scope(globex), transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(stage, [("e", job.id)])
        assert cursor.rowcount == 0


def test_callproc_and_stream_run_inside_the_scope(route: str, keys: Keys) -> None:
    def call(key: TenantKey) -> None:
        with connection.cursor() as cursor:
            cursor.callproc("current_setting", ["almanac.tenant"])
            assert cursor.fetchall() == [(str(key.id),)]
            # Django's cursor wrapper hands on what it does not know.
            rows = cursor.stream("SELECT n, current_user::text FROM generate_series(1, 3) AS n")
            assert list(rows) == [(n, key.schema) for n in (1, 2, 3)]

    for place in PLACES:
        for key in keys:
            with tenant_scope(key):
                place(lambda key=key: call(key))


def test_a_stream_that_is_left_half_way_frees_the_connection(route: str, keys: Keys) -> None:
    with tenant_scope(keys[0]), connection.cursor() as cursor:
        rows = cursor.stream("SELECT generate_series(1, 100000)")
        assert next(rows) == (1,)
        rows.close()
        assert who() == of(keys[0])
    with tenant_scope(keys[1]):
        assert who() == of(keys[1])
