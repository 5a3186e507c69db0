"""Rows for any shared table, made from the catalogue alone: the walls are tested with something on both sides."""

from __future__ import annotations

import itertools
import re
from typing import Any

from apps.core.ids import new_id

_numbers = itertools.count(1000)
_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, NULL), a.attnotnull AND NOT a.atthasdef AND a.attidentity = '', a.atttypmod - 4,
       (SELECT confrelid::regclass::text FROM pg_constraint
        WHERE conrelid = a.attrelid AND contype = 'f' AND conkey = ARRAY[a.attnum]),
       (SELECT min(pg_get_constraintdef(oid)) FROM pg_constraint
        WHERE conrelid = a.attrelid AND contype = 'c' AND conkey = ARRAY[a.attnum])
FROM pg_attribute AS a WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_KEY = """
SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
WHERE indrelid = %s::regclass AND indisprimary
"""


def row(cursor: Any, table: str, **given: Any) -> dict[str, Any]:
    """The columns that a new row of the table must have; rows that they refer to are inserted."""
    cursor.execute(_COLUMNS, [table])
    values = dict(given)
    for name, kind, needed, length, refers_to, check in cursor.fetchall():
        if name in given or not needed:
            continue
        values[name] = insert(cursor, refers_to) if refers_to else _value(kind, length, check or "")
    return values


def insert(cursor: Any, table: str, **given: Any) -> Any:
    """Insert such a row as whoever the cursor is; returns its primary key."""
    values = row(cursor, table, **given)
    cursor.execute(_KEY, [table])
    key = cursor.fetchone()[0]
    cursor.execute(f"{insertion(table, values)} RETURNING {key}", list(values.values()))
    return cursor.fetchone()[0]


def insertion(table: str, values: dict[str, Any]) -> str:
    """The statement that inserts ``values``."""
    names = ", ".join(f'"{name}"' for name in values)
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join(['%s'] * len(values))})"


def _value(kind: str, length: int, check: str) -> Any:
    number = next(_numbers)
    if allowed := re.search(r"ARRAY\['([^']*)'", check):
        return allowed[1]
    if kind in ("character varying", "text", "character"):
        return f"x{number}@x.example"[: length if length > 0 else None]
    simple = {
        "uuid": new_id(),
        "jsonb": "{}",
        "boolean": False,
        "bytea": number.to_bytes(32, "big"),
        "inet": "192.0.2.1",
        "date": "2024-01-01",
        "timestamp with time zone": "2024-01-01T00:00:00Z",
        "interval": "1 day",
    }
    if kind.endswith("[]"):
        return []
    return simple.get(kind, number)
