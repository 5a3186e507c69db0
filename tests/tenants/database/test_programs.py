"""Random programs of blocks, savepoints, errors, scopes and kinds of statements, held against a model."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.tenancy import TenantKey
from apps.jobs.models import Job
from tenants.context import tenant_scope
from tenants.postgresql.scoping import ScopeError
from tests.tenants.database.places import Keys, make_jobs

USER = "SELECT current_user::text"


def ask() -> str:
    with connection.cursor() as cursor:
        cursor.execute(USER)
        return str(cursor.fetchone()[0])


def fail() -> None:
    with pytest.raises(DatabaseError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1/0")
    if isinstance(caught.value, ScopeError):
        raise caught.value


def iterate() -> str:
    return next(job.kind for job in Job.objects.iterator(chunk_size=1)).split()[0]


def named() -> str | None:
    if not connection.in_atomic_block:
        return None
    with connection._cursor("named") as cursor:
        cursor.execute(USER)
        return str(cursor.fetchone()[0])


def many() -> str:
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE jobs_job SET stage = current_user::text WHERE percent < %s", [(1,), (2,)])
        cursor.execute("SELECT min(stage) FROM jobs_job")
        return str(cursor.fetchone()[0])


def copy() -> str:
    with connection.cursor() as cursor, cursor.copy(f"COPY ({USER}) TO STDOUT") as out:
        return b"".join(bytes(chunk) for chunk in out).decode().strip()


def stream() -> str:
    with connection.cursor() as cursor:
        return str(next(iter(cursor.stream(USER)))[0])


STATEMENTS = st.sampled_from([ask, fail, iterate, named, many, copy, stream])
PROGRAMS = st.recursive(
    st.tuples(st.just("statement"), STATEMENTS),
    lambda inner: st.one_of(
        st.tuples(st.just("scope"), st.sampled_from([0, 1]), st.lists(inner, max_size=3)),
        st.tuples(st.just("block"), st.booleans(), st.lists(inner, max_size=3)),
    ),
    max_leaves=12,
)


class Model:
    """What must come of a program: each statement sees the scope in force, or is refused for its transaction's."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.depth = 0
        self.owner: TenantKey | None = None
        self.statements = 0

    def run(self, program: Any, key: TenantKey) -> None:
        """Run a program in the scope ``key``, and check each of its statements."""
        match program:
            case ("scope", number, steps):
                with tenant_scope(self.keys[number]):
                    for step in steps:
                        self.run(step, self.keys[number])
            case ("block", rolls_back, steps):
                self._block(rolls_back, steps, key)
            case ("statement", send):
                self._statement(send, key)

    def _block(self, rolls_back: bool, steps: list[Any], key: TenantKey) -> None:
        self.depth += 1
        try:
            with contextlib.suppress(ZeroDivisionError), transaction.atomic():
                for step in steps:
                    self.run(step, key)
                if rolls_back:
                    raise ZeroDivisionError
        finally:
            self.depth -= 1
            if self.depth == 0:
                self.owner = None

    def _statement(self, send: Any, key: TenantKey) -> None:
        self.statements += 1
        if self.depth and self.owner is None:
            self.owner = key
        if self.depth and self.owner != key:
            with pytest.raises(ScopeError):
                send()
        else:
            assert send() in (key.schema, None)


def test_whatever_a_program_does_each_statement_runs_in_its_scope_or_is_refused(
    route: str, keys: Keys
) -> None:
    for key in keys:
        make_jobs(key, 2)
    statements = 0

    @settings(max_examples=80, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(PROGRAMS, max_size=6))
    def holds(programs: list[Any]) -> None:
        nonlocal statements
        for program in programs:
            model = Model(keys)
            with tenant_scope(keys[0]):
                model.run(program, keys[0])
            statements += model.statements

    holds()
    assert statements > 100
