"""The simulator's state in one SQLite file: objects, idempotency keys, and webhook deliveries still owed."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

Resource: TypeAlias = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS objects_kind ON objects (kind, number);
CREATE TABLE IF NOT EXISTS idempotency (
  key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
  created INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
  event_id TEXT PRIMARY KEY, attempt INTEGER NOT NULL, due REAL NOT NULL, created REAL NOT NULL);
"""


@dataclass(frozen=True)
class Remembered:
    """An answer kept under an Idempotency-Key."""

    fingerprint: str
    status: int
    body: str


@dataclass(frozen=True)
class Delivery:
    """An event that the webhook has not yet answered with 2xx; times are Unix seconds of the wall clock."""

    event_id: str
    attempt: int
    due: float
    created: float


class Store:
    """One connection behind one lock: every request is a transaction, so requests never interleave."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._depth = 0
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file; the store cannot be used afterwards."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside are kept, or none when an exception leaves; an inner one joins the outer."""
        with self._lock:
            if self._depth:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            else:
                self._connection.execute("COMMIT")
            finally:
                self._depth = 0

    def put(self, resource: Resource) -> Resource:
        """Insert or replace the object by its id; its place in the order of creation stays."""
        row = (resource["id"], resource["object"], json.dumps(resource))
        sql = (
            "INSERT INTO objects (id, kind, body) VALUES (?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET body = excluded.body, kind = excluded.kind"
        )
        with self._lock:
            self._connection.execute(sql, row)
        return resource

    def find(self, object_id: str, kind: str | None = None) -> Resource | None:
        """The object of that id, or None when there is none or it is of another kind."""
        with self._lock:
            row = self._connection.execute("SELECT body FROM objects WHERE id = ?", (object_id,)).fetchone()
        found: Resource | None = json.loads(row[0]) if row else None
        return found if found is not None and kind in (None, found["object"]) else None

    def select(self, kind: str, **equal: Any) -> list[Resource]:
        """All objects of the kind whose fields have the given values, newest first."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT body FROM objects WHERE kind = ? ORDER BY number DESC", (kind,)
            ).fetchall()
        found = (json.loads(row[0]) for row in rows)
        return [item for item in found if all(item.get(name) == value for name, value in equal.items())]

    def recall(self, key: str) -> Remembered | None:
        """What was answered under this Idempotency-Key."""
        row = self._connection.execute(
            "SELECT fingerprint, status, body FROM idempotency WHERE key = ?", (key,)
        ).fetchone()
        return Remembered(*row) if row else None

    def remember(self, key: str, answer: Remembered, *, now: int, life_seconds: int) -> None:
        """Keep the answer under the key, and forget keys older than `life_seconds`."""
        self._connection.execute("DELETE FROM idempotency WHERE created < ?", (now - life_seconds,))
        self._connection.execute(
            "INSERT INTO idempotency VALUES (?, ?, ?, ?, ?)",
            (key, answer.fingerprint, answer.status, answer.body, now),
        )

    def owe(self, delivery: Delivery) -> None:
        """Queue the delivery, or move an owed one to its next attempt."""
        row = (delivery.event_id, delivery.attempt, delivery.due, delivery.created)
        with self._lock:
            self._connection.execute("INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?)", row)

    def settle(self, event_id: str) -> None:
        """The event was delivered, or given up."""
        with self._lock:
            self._connection.execute("DELETE FROM deliveries WHERE event_id = ?", (event_id,))

    def owed(self, now: float) -> list[Delivery]:
        """Deliveries due by `now`, in the order in which the events happened."""
        sql = "SELECT * FROM deliveries WHERE due <= ? ORDER BY created, rowid"
        with self._lock:
            return [Delivery(*row) for row in self._connection.execute(sql, (now,)).fetchall()]
