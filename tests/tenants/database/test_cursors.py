"""Rows that are fetched in pieces, and cursors that are left half way."""

from __future__ import annotations

import gc
import warnings
from typing import Any

import pytest
from django.db import NotSupportedError, connection, transaction

from apps.jobs.models import Job
from tenants.context import tenant_scope
from tests.tenants.database.places import PLACES, Keys, make_jobs, of, who


def test_iterating_sees_the_tenants_own_rows_in_and_outside_transactions(route: str, keys: Keys) -> None:
    for key in keys:
        make_jobs(key, 25)
    for key in keys:
        with tenant_scope(key):
            for place in PLACES:
                seen = place(lambda: [job.kind for job in Job.objects.iterator(chunk_size=4)])
                assert len(seen) == 25
                assert all(kind.startswith(key.schema) for kind in seen)


def test_rows_are_written_while_others_are_read(route: str, keys: Keys) -> None:
    """Outside a transaction each write commits by itself, in whatever scope; the reading goes on."""
    acme, globex = keys
    make_jobs(acme, 10)
    with tenant_scope(acme):
        for number, job in enumerate(Job.objects.order_by("id").iterator(chunk_size=2)):
            Job.objects.filter(id=job.id).update(stage=str(number))
            with tenant_scope(globex), transaction.atomic():
                assert not Job.objects.exists()
        assert Job.objects.exclude(stage="").count() == 10


def test_iterators_left_half_way_harm_neither_this_transaction_nor_the_next(route: str, keys: Keys) -> None:
    acme, globex = keys
    make_jobs(acme, 10)
    left: list[Any] = []

    def leave() -> None:
        left.append(Job.objects.iterator(chunk_size=2))
        next(left[-1])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for place in PLACES:
            with tenant_scope(acme):
                place(leave)
        with tenant_scope(globex), transaction.atomic():
            assert who() == of(globex)
            for iterator in left:
                iterator.close()
            assert who() == of(globex), "closing an old cursor must not break the transaction"
        left.clear()
        gc.collect()


def test_inside_a_transaction_rows_come_in_pieces_from_the_server(route: str, keys: Keys) -> None:
    make_jobs(keys[0], 10)
    with tenant_scope(keys[0]), transaction.atomic():
        rows = Job.objects.iterator(chunk_size=2)
        next(rows)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*), bool_or(is_holdable) FROM pg_cursors WHERE name LIKE '\\_django%'"
            )
            assert cursor.fetchone() == (1, False)
        assert len(list(rows)) == 9


def test_a_named_cursor_needs_a_transaction(route: str, keys: Keys) -> None:
    """It would have to live in the session, which behind a transaction pooler is another client's next."""
    with tenant_scope(keys[0]):
        with (
            connection._cursor("mine") as cursor,
            pytest.raises(NotSupportedError, match="needs a transaction"),
        ):
            cursor.execute("SELECT 1")
        with transaction.atomic(), connection._cursor("mine") as cursor:
            cursor.execute("SELECT current_user::text, n FROM generate_series(1, 9) AS n")
            assert cursor.fetchmany(2) == [(keys[0].schema, 1), (keys[0].schema, 2)]
            assert who() == of(keys[0])
            assert len(cursor.fetchall()) == 7
    with connection.connection.cursor() as raw:
        raw.execute("SELECT count(*) FROM pg_cursors")
        assert raw.fetchone() == (0,)
