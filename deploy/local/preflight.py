"""What must hold before anything is started; each check raises StartProblem with what to do about it."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import sys
from pathlib import Path

import psutil
import psycopg
import redis as redis_client

from deploy.local.options import Options
from deploy.local.problems import StartProblem

OLDEST_PYTHON = (3, 11)
NEEDED_BYTES = 1_000_000_000
OLDEST_POSTGRES = 160000  # GRANT … WITH INHERIT FALSE, SET TRUE
OLDEST_REDIS = (6, 2)
RESTORING = "restoring.json"  # stands in the state folder while `make restore` works
CONNECT_SECONDS = 5


def check_python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> None:
    """Python is new enough."""
    if version < OLDEST_PYTHON:
        found, needed = (".".join(map(str, numbers)) for numbers in (version, OLDEST_PYTHON))
        raise StartProblem(f"Python {found} is too old.", f"Install Python {needed} or newer.")


def check_folder(var: Path) -> None:
    """The state folder exists, or can be made, and we may write into it."""
    probe = var / f".write-test-{os.getpid()}"
    try:
        var.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise StartProblem(
            f"Cannot write to {var} ({error.strerror}).",
            "Make it writable for you, or set ALMANAC_VAR to another folder.",
        ) from error


def check_no_restore(var: Path) -> None:
    """No restore was ended on its way: what is there then is neither the old nor the new state."""
    if (var / RESTORING).exists():
        raise StartProblem(
            f"A restore into {var} was ended on its way.",
            "Run the same `make restore` again; what was there before is kept until it ends.",
        )


def check_disk(var: Path, needed_bytes: int = NEEDED_BYTES) -> None:
    """There is room for the database, models and logs."""
    free = shutil.disk_usage(var).free
    if free < needed_bytes:
        raise StartProblem(
            f"Only {free / 1e9:.1f} GB are free at {var}; {needed_bytes / 1e9:.1f} GB are needed.",
            "Free some space, or set ALMANAC_VAR to a folder on another disk.",
        )


def check_port(host: str, port: int, variable: str = "PORT") -> None:
    """Nobody else listens there, and we may."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise StartProblem(
            f"HOST={host} is not an address of this machine.", "Use HOST=127.0.0.1."
        ) from error
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise _port_problem(error, host, port, variable) from error


def _port_problem(error: OSError, host: str, port: int, variable: str) -> StartProblem:
    if error.errno == errno.EADDRINUSE:
        return StartProblem(
            f"Port {port} is taken{_owner(port)}.",
            f"Stop that, or choose another: make up {variable}={port + 10}",
        )
    if error.errno == errno.EACCES:
        return StartProblem(
            f"Port {port} is for root only.", f"Choose one above 1023: make up {variable}=8000"
        )
    return StartProblem(f"Cannot listen on {host}:{port} ({error.strerror}).", "Use HOST=127.0.0.1.")


def _owner(port: int) -> str:
    """` by NAME (pid N)` when we may know."""
    try:
        for connection in psutil.net_connections(kind="inet"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr[1:2] == (port,)
                and connection.pid
            ):
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        return ""
    return ""


def check_database(dsn: str, oldest: int = OLDEST_POSTGRES) -> None:
    """DATABASE_URL answers, is new enough, and its role may make roles and databases."""
    try:
        connection = psycopg.connect(dsn, connect_timeout=CONNECT_SECONDS)
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise StartProblem(
            f"DATABASE_URL cannot be reached: {reason}.",
            "Correct it, or unset it to use the embedded PostgreSQL.",
        ) from error
    with connection:
        _check_server_version(connection.info.server_version, oldest)
        _check_rights(connection)


def _check_server_version(found: int, oldest: int) -> None:
    if found < oldest:
        raise StartProblem(
            f"DATABASE_URL is PostgreSQL {found // 10000}; {oldest // 10000} or newer is needed.",
            "Upgrade it, or unset DATABASE_URL to use the embedded PostgreSQL.",
        )


def _check_rights(connection: psycopg.Connection) -> None:
    row = connection.execute(
        "SELECT rolname, rolsuper OR rolcreaterole, rolsuper OR rolcreatedb"
        " FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    assert row is not None, "a connection has a role"
    needed = zip(("CREATEROLE", "CREATEDB"), row[1:], strict=True)
    missing = [word for word, granted in needed if not granted]
    if missing:
        quoted = '"' + row[0].replace('"', '""') + '"'
        raise StartProblem(
            f"The role {row[0]} of DATABASE_URL lacks {' and '.join(missing)}.",
            f"As a superuser: ALTER ROLE {quoted} {' '.join(missing)};",
        )


def check_redis(url: str, oldest: tuple[int, ...] = OLDEST_REDIS) -> None:
    """REDIS_URL answers, is new enough, and does not throw queued work away when it is full."""
    unset = "unset it to use the embedded server."
    try:
        client = redis_client.Redis.from_url(
            url, socket_timeout=CONNECT_SECONDS, socket_connect_timeout=CONNECT_SECONDS
        )
        with client:
            found = str(client.info("server")["redis_version"])
            policy = str(client.info("memory").get("maxmemory_policy", "noeviction"))
    except (redis_client.RedisError, ValueError, OSError) as error:
        raise StartProblem(f"REDIS_URL cannot be reached: {error}.", f"Correct it, or {unset}") from error
    if tuple(int(part) for part in found.split(".")[:2]) < oldest:
        needed = ".".join(map(str, oldest))
        raise StartProblem(
            f"REDIS_URL is version {found}; {needed} or newer is needed.", f"Upgrade it, or {unset}"
        )
    if policy != "noeviction":
        raise StartProblem(
            f"REDIS_URL evicts with '{policy}' when it is full, which loses queued work.",
            f"Set `maxmemory-policy noeviction` there, or {unset}",
        )


def check_all(options: Options) -> None:
    """Everything that can be known before the first process starts."""
    check_python()
    check_disk(options.layout.var)
    check_port(options.host, options.port)
    if options.database_url:
        check_database(options.database_url)
    if options.redis_url:
        check_redis(options.redis_url)
