"""Cursors that put the scope's prefix in front of the statements that need it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from django.db.backends.postgresql import base as postgresql
from psycopg import NotSupportedError, sql

from tenants.postgresql.scoping import PREFIX_STATEMENTS

if TYPE_CHECKING:
    from tenants.postgresql.base import DatabaseWrapper

# The stubs do not know that these are psycopg's cursors underneath.
_ClientCursor: Any = postgresql.Cursor
_ServerSideCursor: Any = postgresql.ServerSideCursor


class ScopedCursor(_ClientCursor):  # type: ignore[misc]
    """A client-side cursor; ``scoping`` is the wrapper that made it, None on a driver's own connection."""

    scoping: DatabaseWrapper | None = None

    def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
        """Run a statement, or several, inside the scope in force; the prefix's own results are not to be seen."""
        if self.scoping is None:
            return super().execute(query, params, **kwargs)
        self.scoping.note(query)
        prefix = self.scoping.pending_prefix()
        if prefix is None:
            return super().execute(query, params, **kwargs)
        prefixed = _join(prefix, query)
        if prefixed is None:
            with self.scoping.scoped_transaction(query):
                return super().execute(query, params, **kwargs)
        super().execute(prefixed, params, **kwargs)
        self.scoping.prefix_was_sent()
        if len(self._results) == PREFIX_STATEMENTS:  # nothing stood behind the prefix
            return super().execute("")
        del self._results[:PREFIX_STATEMENTS]
        self._select_current_result(0)
        return self

    def executemany(self, query: Any, params_seq: Iterable[Any], **kwargs: Any) -> Any:
        """Run a statement for each set of parameters, all in one transaction."""
        with self._scoped_transaction(query):
            return super().executemany(query, params_seq, **kwargs)

    @contextlib.contextmanager
    def copy(self, statement: Any, params: Any = None, **kwargs: Any) -> Iterator[Any]:
        """COPY inside the scope; the message cannot carry a prefix, so the scope is set first, in the same transaction."""
        with self._scoped_transaction(statement), super().copy(statement, params, **kwargs) as copy:
            yield copy

    def stream(self, query: Any, params: Any = None, **kwargs: Any) -> Iterator[Any]:
        """Rows one by one, inside the scope."""
        with self._scoped_transaction(query):
            yield from super().stream(query, params, **kwargs)

    @contextlib.contextmanager
    def _scoped_transaction(self, query: Any) -> Iterator[None]:
        if self.scoping is None:
            yield
            return
        with self.scoping.scoped_transaction(query):
            yield


class ScopedServerSideCursor(_ServerSideCursor):  # type: ignore[misc]
    """A named cursor. It lives in the transaction that declared it and nowhere else.

    Never WITH HOLD: such a cursor stays in the server's session, which behind a transaction pooler is another
    client's by the next statement.
    """

    scoping: DatabaseWrapper | None = None
    _transaction: int | None = None

    def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
        """DECLARE inside the scope; raises ``NotSupportedError`` where no transaction is open."""
        if self.scoping is None:
            return super().execute(query, params, **kwargs)
        if self.scoping.get_autocommit():
            raise NotSupportedError(
                "a server-side cursor needs a transaction: open transaction.atomic() first"
            )
        with self.scoping.scoped_transaction(query):
            super().execute(query, params, **kwargs)
        self._transaction = self.scoping.transaction_number
        return self

    def close(self) -> None:
        """Close it; one whose transaction has ended is gone already, and CLOSE would break the next transaction."""
        if self.scoping is not None and self._transaction != self.scoping.transaction_number:
            self._close()
        else:
            super().close()


def _join(prefix: str, query: Any) -> Any:
    """The query with the prefix in front; None for a kind of query to which nothing can be added."""
    if isinstance(query, bytes):
        return prefix.encode() + query
    if isinstance(query, sql.Composable):
        return sql.SQL(prefix) + query
    return prefix + query if isinstance(query, str) else None
