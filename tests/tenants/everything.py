"""Everything that a tenant has, as one digest a thing: to show that something else did not touch it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import psycopg
from django.conf import settings
from django.db import connections

from apps.core import redis
from apps.core.tenancy import TenantKey

TABLES = """
SELECT schemaname, tablename FROM pg_tables
WHERE (schemaname = 'public' OR schemaname LIKE 't\\_%%') AND schemaname <> %s
"""

# A number that tells processes to forget what they remember of keys; closing a tenant raises it, whoever's keys they are.
COUNTERS = {"api_keys_accessversion"}


def of_others(key: TenantKey) -> dict[str, str]:
    """Each table of the other tenants and each shared row, file, Redis key and MLflow row that is not this tenant's."""
    return {**_tables(key), **_files(key), **_redis(key), **_mlflow(key)}


def of_schema(key: TenantKey) -> dict[str, str]:
    """The rows of each of the tenant's own tables, sorted."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [key.schema])
        names = [name for (name,) in cursor.fetchall() if name != "django_migrations"]
    return {name: _digest(_rows(key.schema, name)) for name in names}


def _tables(key: TenantKey) -> dict[str, str]:
    with connections["owner"].cursor() as cursor:
        cursor.execute(TABLES, [key.schema])
        names = sorted((schema, table) for schema, table in cursor.fetchall() if table not in COUNTERS)
    return {
        f"{schema}.{table}": _digest(row for row in _rows(schema, table) if str(key.id) not in row)
        for schema, table in names
    }


def _rows(schema: str, table: str) -> list[str]:
    with connections["owner"].cursor() as cursor:
        cursor.execute(f'SELECT t::text FROM "{schema}"."{table}" t ORDER BY 1')
        return [row for (row,) in cursor.fetchall()]


def _files(key: TenantKey) -> dict[str, str]:
    roots = [Path(settings.STORAGE_ROOT), Path(settings.MLFLOW_ARTIFACT_ROOT)]
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() + str(path.stat().st_mtime_ns)
        for root in roots
        for path in sorted(root.rglob("*"))
        if path.is_file() and key.schema not in path.parts
    }


def _redis(key: TenantKey) -> dict[str, str]:
    client = redis.client()
    names = sorted(str(name) for name in client.scan_iter() if key.schema not in str(name))
    return {f"redis {name}": str(client.type(name)) + str(client.pttl(name) > 0) for name in names}


def _mlflow(key: TenantKey) -> dict[str, str]:
    uri = settings.MLFLOW_TRACKING_URI.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(uri) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        found = {
            name: [row for (row,) in connection.execute(f'SELECT t::text FROM "{name}" t ORDER BY 1')]
            for (name,) in names.fetchall()
        }
    own = _own_runs(key, found)
    return {
        f"mlflow {name}": _digest(row for row in rows if not any(mark in row for mark in own))
        for name, rows in found.items()
    }


def _own_runs(key: TenantKey, found: dict[str, list[str]]) -> list[str]:
    """What a row of MLflow's that is this tenant's mentions: the schema, one of its runs, or the data that one of them saw."""
    runs = [row.strip("()").split(",")[0] for row in found.get("runs", []) if key.schema in row]
    seen = [
        row.strip("()").split(",")[0] for row in found.get("inputs", []) if any(run in row for run in runs)
    ]
    return [key.schema, *runs, *seen]


def _digest(rows: object) -> str:
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()  # type: ignore[call-overload]
