"""Debian's pgbouncer in transaction mode, in front of the tests' PostgreSQL."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from deploy.local.accounts import own, service_account
from deploy.local.commands import bound

PORT = 6432
BINARY = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
START_SECONDS = 20


@contextlib.contextmanager
def running(
    folder: Path, *, database: str, server: Path, user: str, password: str, size: int
) -> Iterator[Path]:
    """A pgbouncer with ``size`` connections to the database; yields the folder of its socket, port ``PORT``."""
    assert BINARY is not None
    account = service_account()  # it does not run as root
    folder.mkdir(mode=0o700)
    users, settings = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text(f'"{user}" "{password}"\n')
    settings.write_text(
        f"""[databases]
{database} = host={server} port=5432
[pgbouncer]
listen_addr =
listen_port = {PORT}
unix_socket_dir = {folder}
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 100
server_lifetime = 300
logfile = {folder / "pgbouncer.log"}
"""
    )
    for path in (folder, users, settings):
        own(path, account)
    process = subprocess.Popen(bound([BINARY, "-q", str(settings)], account, signal.SIGINT), cwd="/")
    try:
        _wait_for(folder / f".s.PGSQL.{PORT}", process)
        yield folder
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(socket: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while not socket.exists():
        assert process.poll() is None, f"pgbouncer ended: see {socket.parent / 'pgbouncer.log'}"
        assert time.monotonic() < end, "pgbouncer did not start"
        time.sleep(0.02)
