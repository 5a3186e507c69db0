"""Database backend that scopes every transaction to one tenant (or system role) on PostgreSQL's side.

The first statement of a transaction, and every autocommit statement, carries the scope's prefix; it is local to
the transaction, so nothing leaks through a pooled connection, even behind a transaction pooler. The login role
has no rights of its own: forgetting the scope is refused by the database.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from django.db.backends.postgresql import base as postgresql
from django_tenants.postgresql_backend import base as django_tenants

from apps.core import scope as scopes
from apps.core.scope import Scope
from tenants.postgresql.cursors import ScopedCursor, ScopedServerSideCursor
from tenants.postgresql.scoping import ScopeError, prefix


class DatabaseWrapper(django_tenants.DatabaseWrapper):  # type: ignore[misc] # the library has no types
    """django-tenants' wrapper with its session-level ``SET search_path`` replaced by the transaction's scope."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._pinned: tuple[Any, Scope] | None = (
            None  # the program's open transaction, and the scope it began with
        )
        self._sent: Scope | None = None  # the scope that PostgreSQL has for the open transaction
        self._unscoped = False
        super().__init__(*args, **kwargs)

    def pending_prefix(self) -> str | None:
        """What must stand in front of the next statement, or None when PostgreSQL is in the right scope already.

        Raises ``ScopeError`` when the scope in force differs from that of the open transaction. Only the
        transaction around a test may change scope, as it stands for no transaction of the program's.
        """
        if self._unscoped:
            return None
        wanted = scopes.current()
        database = str(self.settings_dict["NAME"])
        if self.get_autocommit():
            return prefix(wanted, database)
        block = next((block for block in self.atomic_blocks if not block._from_testcase), None)
        if block is not None:
            if self._pinned is None or self._pinned[0] is not block:
                self._pinned = (block, wanted)
            if self._pinned[1] != wanted:
                raise ScopeError(
                    f"the transaction belongs to {self._pinned[1]}, the code now runs for {wanted}"
                )
        return None if self._sent == wanted else prefix(wanted, database)

    def prefix_was_sent(self) -> None:
        """Remember that PostgreSQL took the prefix, for the rest of an open transaction."""
        if not self.get_autocommit():
            self._sent = scopes.current()

    @contextlib.contextmanager
    def scoped_transaction(self) -> Iterator[None]:
        """A block in which plain driver calls (COPY, DECLARE, executemany) run inside the scope."""
        before = self.pending_prefix()
        if before is None:
            yield
            return
        outer = contextlib.nullcontext() if not self.get_autocommit() else self.connection.transaction()
        with outer, self._without_prefix():
            with self.connection.cursor() as cursor:
                cursor.execute(before)
            self.prefix_was_sent()
            yield

    def create_cursor(self, name: str | None = None) -> Any:
        """A scoped cursor; a named one is server-side."""
        cursor: ScopedCursor | ScopedServerSideCursor
        if name:
            cursor = ScopedServerSideCursor(
                self.connection, name=name, scrollable=False, withhold=self.connection.autocommit
            )
        else:
            cursor = ScopedCursor(self.connection)
        cursor.scoping = self
        return cursor

    def close(self) -> None:
        """Close (or give back to the pool), forgetting the scope."""
        self._forget_scope()
        super().close()

    def _cursor(self, name: str | None = None) -> Any:
        # Past django-tenants' own _cursor, which would send SET search_path for the session.
        return postgresql.DatabaseWrapper._cursor(self, name)  # type: ignore[attr-defined]

    def _in_program_transaction(self) -> bool:
        return any(not block._from_testcase for block in self.atomic_blocks)

    def _forget_scope(self) -> None:
        self._pinned = None
        self._sent = None

    @contextlib.contextmanager
    def _without_prefix(self) -> Iterator[None]:
        before, self._unscoped = self._unscoped, True
        try:
            yield
        finally:
            self._unscoped = before

    def _set_autocommit(self, autocommit: bool) -> None:
        self._forget_scope()
        with self._without_prefix():
            super()._set_autocommit(autocommit)

    def _savepoint(self, sid: str) -> None:
        if not self._in_program_transaction():  # the first block of the program inside a test's transaction
            self._pinned = None
        with self._without_prefix():
            super()._savepoint(sid)

    def _savepoint_commit(self, sid: str) -> None:
        with self._without_prefix():
            super()._savepoint_commit(sid)

    def _savepoint_rollback(self, sid: str) -> None:
        with self._without_prefix():
            super()._savepoint_rollback(sid)
        self._sent = None  # a prefix sent after the savepoint went with it

    def _commit(self) -> None:
        try:
            super()._commit()
        finally:
            self._forget_scope()

    def _rollback(self) -> None:
        try:
            super()._rollback()
        finally:
            self._forget_scope()
