"""Servers of a benchmark's own: an empty PostgreSQL and Valkey in a temporary folder, and web processes beside them."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import psycopg
import running_stack
from psycopg.conninfo import make_conninfo
from running_stack import REPOSITORY

sys.path.insert(0, str(REPOSITORY))

DATABASE = "almanac_bench"
WEB_WORDS = ("--interface", "rsgi", "--workers", "1", "--http", "1", "--no-ws", "--runtime-mode", "st")
WEB_WORDS += ("--backlog", "2048", "--backpressure", "1024", "--log-level", "warning", "config.rsgi:app")
START_SECONDS = 120


@dataclass(frozen=True)
class Site:
    """Where the servers are; Django is set up in this process, with the owner's login."""

    folder: Path
    app_dsn: str
    owner_dsn: str
    variables: dict[str, str]

    def dsn_of(self, name: str) -> str:
        """The program's login, for connections that the database knows by `name`."""
        return make_conninfo(self.app_dsn, application_name=name)

    @contextlib.contextmanager
    def web(self, name: str, **variables: str) -> Iterator[Web]:
        """A web process as `make up` starts it, whose connections the database knows by `name`."""
        port = running_stack.free_port()
        environment = os.environ | self.variables | variables
        environment |= {
            "ALMANAC_APP_DSN": self.dsn_of(name),
            "ALMANAC_POOL": "1",
            "PORT": str(port),
            "OPENBLAS_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "2",
        }
        environment.pop("ALMANAC_OWNER_DSN", None)
        granian = Path(sys.executable).with_name("granian")
        command = [str(granian), "--host", "127.0.0.1", "--port", str(port), *WEB_WORDS]
        process = subprocess.Popen(command, env=environment, cwd=REPOSITORY)
        try:
            yield Web(name, f"http://127.0.0.1:{port}", _ready(process, port), self)
        finally:
            process.terminate()
            process.wait(30)

    def backends(self, name: str) -> list[psutil.Process]:
        """The database's processes that serve the connections called `name`."""
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND usename = %s"
        with psycopg.connect(self.owner_dsn, autocommit=True) as connection:
            rows = connection.execute(query, [name, f"{DATABASE}_app"]).fetchall()
        return [psutil.Process(pid) for (pid,) in rows if psutil.pid_exists(pid)]

    def manage(self, *words: str, **variables: str) -> tuple[float, float]:
        """Seconds that a command of `manage.py` takes, its start included, and its seconds of CPU."""
        began, cpu = time.perf_counter(), _cpu_of_children()
        command = [sys.executable, str(REPOSITORY / "manage.py"), *words]
        environment = os.environ | self.variables | variables
        subprocess.run(command, env=environment, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began, _cpu_of_children() - cpu


@dataclass(frozen=True)
class Web:
    """A running web process."""

    name: str
    url: str
    process: psutil.Process
    site: Site

    def processes(self) -> list[psutil.Process]:
        """Its own and the database's for it."""
        return [self.process, *self.process.children(recursive=True), *self.site.backends(self.name)]


@contextlib.contextmanager
def open_site() -> Iterator[Site]:
    """An empty instance: shared tables, no tenants. Its folder goes at the end."""
    from deploy.local.servers import start_postgres, start_redis

    with tempfile.TemporaryDirectory(prefix="alm-bench-") as place, contextlib.ExitStack() as servers:
        os.chmod(place, 0o711)  # PostgreSQL runs as another user when we are root, and must pass through
        folder = Path(place)
        admin = servers.enter_context(start_postgres(folder / "postgres"))
        redis = servers.enter_context(start_redis(folder / "valkey"))
        try:
            yield _set_up(folder, admin, redis)
        finally:
            _give_up(folder / "postgres" / "data" / "postmaster.pid")


def _give_up(pid_file: Path) -> None:
    """End the database at once: writing thousands of tenants' files out would take minutes, for nothing."""
    from django.db import connections

    connections.close_all()
    if pid_file.exists():  # else its folder is elsewhere, and it ends in its own time
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGQUIT)


def _set_up(folder: Path, admin: str, redis: str) -> Site:
    from tenants import bootstrap

    passwords = {
        name: secrets.token_urlsafe(12) for name in ("app_password", "owner_password", "mlflow_password")
    }
    dsns = bootstrap.ensure(admin_dsn=admin, database=DATABASE, **passwords)
    variables = {
        "ALMANAC_VAR": str(folder / "var"),
        "ALMANAC_SECRET_KEY": secrets.token_urlsafe(40),
        "ALMANAC_API_KEY_PEPPERS": "1:" + secrets.token_hex(32),
        "ALMANAC_SECRETS_KEYS": "1:" + secrets.token_hex(32),
        "ALMANAC_APP_DSN": dsns.app,
        "ALMANAC_OWNER_DSN": dsns.owner,
        "REDIS_URL": redis,
        "ALMANAC_LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "config.settings.dev",
    }
    os.environ.update(variables)
    import django

    django.setup()
    from tenants import provisioning

    provisioning.migrate_public()
    return Site(folder, dsns.app, dsns.owner, variables)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _ready(process: subprocess.Popen[bytes], port: int) -> psutil.Process:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"the web process ended with code {process.returncode}")
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                return psutil.Process(process.pid)
        time.sleep(0.1)
    raise SystemExit("the web process does not answer")


def private_megabytes(process: psutil.Process) -> float:
    """Memory that nobody else has: what ends with the process."""
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    sizes = re.findall(r"^Private_(?:Clean|Dirty):\s+(\d+)", text, re.MULTILINE)
    return sum(int(size) for size in sizes) / 1024
