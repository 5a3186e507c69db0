"""Cursors that put the scope's prefix in front of the statements that need it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from django.db.backends.postgresql import base as postgresql
from psycopg import sql

if TYPE_CHECKING:
    from tenants.postgresql.base import DatabaseWrapper

# The stubs do not know that these are psycopg's cursors underneath.
_ClientCursor: Any = postgresql.Cursor
_ServerSideCursor: Any = postgresql.ServerSideCursor


class ScopedCursor(_ClientCursor):  # type: ignore[misc]
    """A client-side cursor; ``scoping`` is the wrapper that made it."""

    scoping: DatabaseWrapper | None = None

    def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
        """Run one statement inside the scope in force; the prefix's own result is skipped."""
        prefix = self.scoping.pending_prefix() if self.scoping else None
        if prefix is None:
            return super().execute(query, params, **kwargs)
        super().execute(prefix + _text(query, self), params, **kwargs)
        assert self.scoping is not None
        self.scoping.prefix_was_sent()
        self.nextset()
        return self

    def executemany(self, query: Any, params_seq: Iterable[Any], **kwargs: Any) -> Any:
        """Run a statement for each set of parameters, all in one transaction."""
        with self._scoped_transaction():
            return super().executemany(query, params_seq, **kwargs)

    @contextlib.contextmanager
    def copy(self, statement: Any, params: Any = None, **kwargs: Any) -> Iterator[Any]:
        """COPY inside the scope; the message cannot carry a prefix, so the scope is set first, in the same transaction."""
        with self._scoped_transaction(), super().copy(statement, params, **kwargs) as copy:
            yield copy

    def stream(self, query: Any, params: Any = None, **kwargs: Any) -> Iterator[Any]:
        """Rows one by one, inside the scope."""
        with self._scoped_transaction():
            yield from super().stream(query, params, **kwargs)

    @contextlib.contextmanager
    def _scoped_transaction(self) -> Iterator[None]:
        if self.scoping is None:
            yield
            return
        with self.scoping.scoped_transaction():
            yield


class ScopedServerSideCursor(_ServerSideCursor):  # type: ignore[misc]
    """A named cursor: declared inside the scope, and with hold when no transaction is open."""

    scoping: DatabaseWrapper | None = None

    def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
        """DECLARE in a transaction of its own where none is open; FETCH needs no role then."""
        if self.scoping is None:
            return super().execute(query, params, **kwargs)
        with self.scoping.scoped_transaction():
            return super().execute(query, params, **kwargs)


def _text(query: Any, cursor: Any) -> str:
    if isinstance(query, sql.Composable):
        return query.as_string(cursor.connection)
    return query.decode() if isinstance(query, bytes) else str(query)
