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
from django_tenants.utils import get_public_schema_name
from psycopg.pq import TransactionStatus

from apps.core import scope as scopes
from apps.core.scope import Scope
from tenants.postgresql import backends
from tenants.postgresql.cursors import ScopedCursor, ScopedServerSideCursor
from tenants.postgresql.scoping import ScopeError, prefix


class DatabaseWrapper(django_tenants.DatabaseWrapper):  # type: ignore[misc] # the library has no types
    """django-tenants' wrapper with its session-level ``SET search_path`` replaced by the transaction's scope.

    ``transaction_number`` changes whenever a transaction of the connection may have ended.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.transaction_number = 0
        self._pinned: tuple[Any, Scope] | None = None  # the program's open transaction, and its scope
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
        if not self.get_autocommit():
            self._pin(wanted)
            if self._sent == wanted and self._in_transaction():
                return None
        return prefix(wanted, str(self.settings_dict["NAME"]))

    def prefix_was_sent(self) -> None:
        """Remember that PostgreSQL took the prefix, for the rest of an open transaction."""
        if not self.get_autocommit():
            self._sent = scopes.current()

    def note(self, query: Any) -> None:
        """Count the tenant's tables that the statement makes the backend remember."""
        backends.note(self.connection, scopes.current(), query)

    @contextlib.contextmanager
    def scoped_transaction(self, query: Any) -> Iterator[None]:
        """A block in which a plain driver call (COPY, DECLARE, executemany) of ``query`` runs inside the scope.

        Its errors are Django's, also those of a COPY or a stream in progress, which Django's own cursor lets through.
        """
        self.note(query)
        before = self.pending_prefix()
        if before is None:
            with self.wrap_database_errors:
                yield
            return
        outer = self.connection.transaction() if self.get_autocommit() else contextlib.nullcontext()
        with self.wrap_database_errors, outer:
            with self.connection.cursor() as cursor:  # the driver's own, which adds no prefix
                cursor.execute(before)
            self.prefix_was_sent()
            yield

    def create_cursor(self, name: str | None = None) -> Any:
        """A scoped cursor; a named one is server-side, and only for inside a transaction."""
        cursor: ScopedCursor | ScopedServerSideCursor
        if name:
            cursor = ScopedServerSideCursor(self.connection, name=name, scrollable=False, withhold=False)
        else:
            cursor = ScopedCursor(self.connection)
        cursor.scoping = self
        return cursor

    def chunked_cursor(self) -> Any:
        """For ``QuerySet.iterator``: server-side inside a transaction, else client-side.

        Outside a transaction a server-side cursor would have to outlive its transaction, and no transaction pooler
        can keep it.
        """
        self.ensure_connection()
        return self.cursor() if self.get_autocommit() else super().chunked_cursor()

    def set_tenant(self, tenant: Any, include_public: bool = True) -> None:
        """Refused: the library's way to choose a schema has no effect here, where the scope does."""
        if tenant.schema_name != get_public_schema_name():
            raise ScopeError(
                "open tenants.context.tenant_scope(key) instead of setting the connection's schema"
            )
        super().set_tenant(tenant, include_public)

    def get_new_connection(self, conn_params: Any) -> Any:
        """A connection that the server has not ended; of a pool's, those that it has are replaced."""
        connection = super().get_new_connection(conn_params)
        tries = self.pool.max_size if self.pool else 0
        while tries and backends.is_lost(connection):
            connection.close()
            self.pool.putconn(connection)
            connection = super().get_new_connection(conn_params)
            tries -= 1
        return connection

    def close_if_health_check_failed(self) -> None:
        """Before each cursor, outside transactions: let go of a connection that was lost, or that has grown enough."""
        super().close_if_health_check_failed()
        if self.connection is None or self.in_atomic_block or not self.get_autocommit():
            return
        if self._in_transaction():  # the driver's own, of a COPY or a stream in progress
            return
        if backends.is_lost(self.connection) or backends.is_outgrown(self.connection):
            self.close()

    def close(self) -> None:
        """Close (or give back to the pool), forgetting the scope."""
        self._forget_scope()
        super().close()

    def _close(self) -> None:
        if self.pool and self.connection is not None and backends.is_outgrown(self.connection):
            backends.expire(self.connection)
        super()._close()

    def _cursor(self, name: str | None = None) -> Any:
        # Past django-tenants' own _cursor, which would send SET search_path for the session.
        return postgresql.DatabaseWrapper._cursor(self, name)  # type: ignore[attr-defined]

    def _pin(self, wanted: Scope) -> None:
        transaction = self._program_transaction()
        if transaction is None:
            return
        if self._pinned is None or self._pinned[0] is not transaction:
            self._pinned = (transaction, wanted)
        if self._pinned[1] != wanted:
            raise ScopeError(f"the transaction belongs to {self._pinned[1]}, the code now runs for {wanted}")

    def _program_transaction(self) -> object | None:
        """What stands for the program's transaction: the connection's own, or the outermost block inside a test's;
        None directly in a test's."""
        if not any(block._from_testcase for block in self.atomic_blocks):
            return self
        return next((block for block in self.atomic_blocks if not block._from_testcase), None)

    def _in_transaction(self) -> bool:
        status = self.connection.pgconn.transaction_status
        return status not in (TransactionStatus.IDLE, TransactionStatus.UNKNOWN)

    def _forget_scope(self) -> None:
        self.transaction_number += 1
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
        if self._program_transaction() is None:  # the first block of the program inside a test's transaction
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
