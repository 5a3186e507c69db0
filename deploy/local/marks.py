"""What an earlier start has finished already, so that the next one is ready in seconds.

A mark names everything that the work depended on; when any of it changed, the work is done again.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from pathlib import Path
from typing import Any

import psycopg

from deploy.local.layout import REPOSITORY

SOURCES = ("tenants/**/*.py", "apps/*/migrations/*.py", "apps/core/*.py", "apps/console/*.py")


def of_tables(owner_dsn: str) -> str:
    """The code that makes tables, and what Django noted in this very database (nothing when that is empty)."""
    digest = hashlib.sha256(f"{importlib.metadata.version('django')} {_noted(owner_dsn)}".encode())
    for pattern in SOURCES:
        for path in sorted(REPOSITORY.glob(pattern)):
            digest.update(str(path.relative_to(REPOSITORY)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _noted(owner_dsn: str) -> str:
    with psycopg.connect(owner_dsn) as connection:
        if connection.execute("SELECT to_regclass('public.django_migrations')").fetchone() == (None,):
            return "nothing"
        return str(
            connection.execute("SELECT count(*), max(applied) FROM public.django_migrations").fetchone()
        )


def of_mlflow(mlflow_dsn: str) -> str:
    """MLflow's version and the database that its tables are in."""
    place = hashlib.sha256(mlflow_dsn.encode()).hexdigest()
    return f"{importlib.metadata.version('mlflow')} {place}"


class Marks:
    """Marks by name, kept in one private file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, name: str) -> Any:
        """What was kept under the name; None when nothing was, or the file is unreadable."""
        return self._read().get(name)

    def keep(self, name: str, value: Any) -> None:
        """Keep a value that JSON can hold, in one step."""
        content = json.dumps(self._read() | {name: value})
        partial = self._path.with_suffix(".new")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
        partial.rename(self._path)

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}
