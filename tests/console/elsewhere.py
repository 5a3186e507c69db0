"""Another machine, for an instance to be restored on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from deploy.local.layout import REPOSITORY
from deploy.local.servers import start_postgres
from tenants import bootstrap

PEPPERS = "1:" + "00" * 32


@dataclass
class Elsewhere:
    """Another machine: an empty server and state folder, with the system roles that ``bootstrap`` makes."""

    var: Path
    owner: str
    environment: dict[str, str]

    def manage(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("manage.py", *words)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *words]
        return subprocess.run(
            command,
            cwd=REPOSITORY,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )


@contextmanager
def elsewhere(database: str = settings.DATABASE) -> Iterator[Elsewhere]:
    root = Path(tempfile.mkdtemp(prefix="alm-r-", dir="/tmp"))
    root.chmod(0o711)
    try:
        with start_postgres(root / "postgres", durable=False) as admin:
            dsns = bootstrap.ensure(
                admin_dsn=admin, database=database, app_password="a", owner_password="o", mlflow_password="m"
            )
            host = dict(part.split("=", 1) for part in dsns.owner.split() if "=" in part)["host"]
            kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
            variables = {
                "DJANGO_SETTINGS_MODULE": "config.settings.dev",
                "ALMANAC_VAR": str(root / "var"),
                "ALMANAC_SECRET_KEY": settings.SECRET_KEY,
                "ALMANAC_API_KEY_PEPPERS": PEPPERS,
                "ALMANAC_SECRETS_KEYS": PEPPERS,
                "ALMANAC_APP_DSN": dsns.app,
                "ALMANAC_OWNER_DSN": dsns.owner,
                "REDIS_URL": settings.REDIS_URL,
                "MLFLOW_TRACKING_URI": f"postgresql+psycopg://{database}_mlflow:m@/{database}_mlflow?host={host}",
                "ALMANAC_LOG_LEVEL": "WARNING",
            }
            (root / "var").mkdir()
            yield Elsewhere(root / "var", dsns.owner, kept | variables)
    finally:
        shutil.rmtree(root, ignore_errors=True)
