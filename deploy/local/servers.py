"""Embedded servers for the length of a `with` block: what tests and benchmarks stand on."""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NewType

from deploy.local import postgres, redis
from deploy.local.accounts import Account
from deploy.local.commands import bound
from deploy.local.problems import StartProblem

AdminDsn = NewType("AdminDsn", str)
"""A `postgresql://` URL of a role with CREATEROLE and CREATEDB that is no superuser."""


@contextmanager
def start_postgres(folder: Path, *, durable: bool = True) -> Iterator[AdminDsn]:
    """A PostgreSQL whose state is in `folder`, kept afterwards.

    `durable=False` never waits for the disk: for tests only. As root it runs as an unprivileged user;
    when that user cannot reach `folder`, the state is below the temporary folder and goes at the end.
    """
    cluster = postgres.locate(folder, Path(tempfile.gettempdir()), durable=durable)
    password = _kept_password(folder / "admin-password")
    dsn = cluster.dsn(password)
    postgres.prepare(cluster, password)
    try:
        with _running(
            cluster.command(), folder / "postgres.log", cluster.account, postgres.DEATH_SIGNAL
        ) as process:
            postgres.wait_until_ready(dsn, process)
            yield AdminDsn(dsn)
    finally:
        _remove_elsewhere(cluster, folder)


def _remove_elsewhere(cluster: postgres.Cluster, folder: Path) -> None:
    for place in (cluster.data.parent, cluster.sockets):
        if not place.is_relative_to(folder):
            shutil.rmtree(place, ignore_errors=True)
            (folder / "elsewhere.json").unlink(missing_ok=True)


@contextmanager
def start_redis(folder: Path, *, durable: bool = True) -> Iterator[str]:
    """A Valkey, state in `folder`; yields its `unix://` URL. `durable=False` writes no data to disk."""
    server = redis.locate(folder)
    redis.prepare(server, durable=durable)
    with _running(server.command(), folder / "valkey.log", None, redis.DEATH_SIGNAL) as process:
        end = time.monotonic() + 60
        while not redis.answers(server):
            if process.poll() is not None or time.monotonic() > end:
                raise StartProblem("Valkey did not start.", f"See {folder / 'valkey.log'}.")
            time.sleep(0.01)
        yield server.url


def _kept_password(path: Path) -> str:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24))
    return path.read_text()


@contextmanager
def _running(
    program: Sequence[str], log: Path, account: Account | None, death_signal: signal.Signals
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            bound(program, account, death_signal),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
        )
    try:
        yield process
    finally:
        process.send_signal(death_signal)
        process.wait(60)
