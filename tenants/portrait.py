"""What stands in a schema, as lines of text that name no schema: so that two schemas can be compared, or a thousand."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Final

from django.db import connections, transaction

from tenants.replay import OWNER

_LINES: Final = Path(__file__).with_suffix(".sql").read_text()
_ALL: Final = "SELECT DISTINCT line FROM lines ORDER BY line"
_DIFFERENCES: Final = """
(SELECT name, 'lacks', line FROM unnest(%(schemas)s::text[]) AS name CROSS JOIN wanted
 EXCEPT SELECT nspname, 'lacks', line FROM lines)
UNION ALL
(SELECT DISTINCT nspname, 'has also', line FROM lines WHERE NOT EXISTS (SELECT FROM wanted WHERE wanted.line = lines.line))
ORDER BY 1, 2, 3
"""


def describe(schema: str) -> list[str]:
    """All that stands in ``schema``: tables, columns, indexes, constraints, policies, grants, its role's memberships."""
    return [row[0] for row in _query(_ALL, [schema], ())]


def differences(schemas: Iterable[str], template: Collection[str]) -> list[tuple[str, str, str]]:
    """Where ``schemas`` differ from the lines of ``template``: (schema, 'lacks' or 'has also', line)."""
    return _query(_DIFFERENCES, list(schemas), template)


def _query(query: str, schemas: list[str], lines: Collection[str]) -> list[Any]:
    with transaction.atomic(using=OWNER), connections[OWNER].cursor() as cursor:
        cursor.execute("SET LOCAL search_path TO pg_catalog")  # so that every other name is written out
        cursor.execute(_LINES + query, {"schemas": schemas, "lines": list(lines)})
        return list(cursor.fetchall())
