"""What the program says and keeps: log lines, and everything stored of a tenant."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import psycopg
import structlog
from django.conf import settings
from django.db import connections

from apps.core import redis, storage
from apps.core.tenancy import TenantKey


class LogLines(logging.Handler):
    """Keeps every line that would be logged, as the JSON that production writes."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []
        self.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=[
                    structlog.contextvars.merge_contextvars,
                    structlog.processors.format_exc_info,
                ],
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(default=str),
                ],
            )
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line."""
        self.lines.append(self.format(record))

    def take(self) -> list[str]:
        """The lines since the last time."""
        taken, self.lines = self.lines, []
        return taken


def rows_of(key: TenantKey) -> Iterator[tuple[str, str]]:
    """Every row of the tenant, in its schema and in the shared tables, as text with the name of its table."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT table_schema, table_name FROM information_schema.columns WHERE table_schema = %s"
            " OR (table_schema = 'public' AND column_name = 'tenant_id') GROUP BY 1, 2 ORDER BY 1, 2",
            [key.schema],
        )
        for schema, table in cursor.fetchall():
            where, values = ("", []) if schema == key.schema else (" WHERE tenant_id = %s", [key.id])
            cursor.execute(f'SELECT to_jsonb(t)::text FROM "{schema}"."{table}" t{where}', values)
            yield from ((table, text) for (text,) in cursor.fetchall())
        cursor.execute("SELECT to_jsonb(t)::text FROM tenants_tenant t WHERE id = %s", [key.id])
        yield from (("tenants_tenant", text) for (text,) in cursor.fetchall())


def files_of(key: TenantKey, known: set[str]) -> Iterator[tuple[str, str]]:
    """Every file of the tenant that is not in ``known``: its path and its content as text."""
    root = Path(settings.STORAGE_ROOT)
    for path in (Path(name) for name in storage.list_files(key)):
        if path.is_file() and str(path) not in known:
            known.add(str(path))
            yield str(path.relative_to(root)), _text(path)


def redis_of(pattern: str) -> Iterator[tuple[str, str]]:
    """Every Redis key of that pattern with what it holds."""
    client = redis.client()
    for name in client.scan_iter(match=pattern, count=1000):
        kind = client.type(name)
        reads = {
            "string": lambda name=name: client.get(name),
            "hash": lambda name=name: client.hgetall(name),
            "list": lambda name=name: client.lrange(name, 0, -1),
            "set": lambda name=name: client.smembers(name),
            "zset": lambda name=name: client.zrange(name, 0, -1),
        }
        yield str(name), str(reads[str(kind)]()) if kind in reads else ""


def mlflow_rows() -> Iterator[tuple[str, str]]:
    """Every row of MLflow's own database, as text with the name of its table."""
    address = settings.MLFLOW_TRACKING_URI.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(address) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            for (text,) in connection.execute(f'SELECT to_jsonb(t)::text FROM "{table}" t'):
                yield table, text


def _text(path: Path) -> str:
    """What a file holds; the cells of Parquet, which packs them, are read out."""
    data = path.read_bytes()
    if path.suffix == ".parquet":
        import polars as pl

        return str(pl.read_parquet(io.BytesIO(data)).write_csv())
    return data.decode("latin-1")
