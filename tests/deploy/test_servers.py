"""The embedded servers: private, durable, and whole again after kill -9."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis as redis_client

from deploy.local import layout, postgres, redis
from deploy.local.accounts import Account, reaches, service_account
from deploy.local.commands import bound
from deploy.local.problems import StartProblem
from deploy.local.servers import start_postgres, start_redis

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to step down")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may pass through, with a short path."""
    made = Path(tempfile.mkdtemp(prefix="alm-t-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


def postmaster(folder: Path) -> psutil.Process:
    return psutil.Process(int((folder / "data" / "postmaster.pid").read_text().splitlines()[0]))


def test_postgres_is_as_configured_and_keeps_its_data(folder: Path) -> None:
    with start_postgres(folder) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        settings = ("fsync", "data_checksums", "listen_addresses", "server_encoding", "password_encryption")
        found = {name: connection.execute(f"SHOW {name}").fetchone() for name in settings}  # type: ignore[call-overload]
        row = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        )
        assert row.fetchone() == (False, True, True)
        connection.execute("CREATE DATABASE kept")
    assert found == {
        "fsync": ("on",),
        "data_checksums": ("on",),
        "listen_addresses": ("",),
        "server_encoding": ("UTF8",),
        "password_encryption": ("scram-sha-256",),
    }
    with start_postgres(folder) as dsn, psycopg.connect(dsn) as connection:
        kept = connection.execute(
            "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = 'kept'"
        ).fetchone()
        assert kept == ("b", "C.UTF-8")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(dsn, password="wrong")


@as_root
def test_postgres_runs_without_rights_in_private_folders_and_opens_no_others(folder: Path) -> None:
    account = service_account()
    assert account is not None
    mode_before = stat.S_IMODE(folder.stat().st_mode)
    with start_postgres(folder, durable=False):
        process = postmaster(folder)
        assert set(process.uids()) == {account.uid}
        assert (
            Path(f"/proc/{process.pid}/status").read_text().split("Groups:")[1].splitlines()[0].strip() == ""
        )
        for private in (folder / "data", folder / "run"):
            found = private.stat()
            assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o700, account.uid)
        assert not [one for one in process.net_connections() if one.family.name.startswith("AF_INET")]
    assert stat.S_IMODE(folder.stat().st_mode) == mode_before


@as_root
def test_postgres_lives_elsewhere_when_its_account_cannot_pass(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with start_postgres(closed / "postgres", durable=False) as dsn, psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        elsewhere = [
            place for place in postgres.folders(closed / "postgres") if not place.is_relative_to(closed)
        ]
        assert elsewhere
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert not any(place.exists() for place in elsewhere)


@as_root
def test_postgres_starts_under_a_strict_umask(folder: Path) -> None:
    program = (
        "import os, sys, pathlib; os.umask(0o077)\n"
        "from deploy.local.servers import start_postgres\n"
        "with start_postgres(pathlib.Path(sys.argv[1]) / 'closed', durable=False): print('up')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.stdout, done.returncode) == ("up\n", 0), done.stderr


@as_root
def test_binaries_that_the_account_cannot_reach_are_copied(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "reaches", lambda _account, path: "site-packages" not in str(path))
    with start_postgres(folder, durable=False) as dsn, psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert str(folder / "server") in postmaster(folder).cmdline()[0]


def test_postgres_recovers_after_kill_9_with_what_was_committed(folder: Path) -> None:
    cluster = postgres.locate(folder)
    postgres.prepare(cluster, "admin")
    dsn = cluster.dsn("admin")
    with (folder / "log").open("wb") as log:
        first = subprocess.Popen(
            bound(cluster.command(), cluster.account, signal.SIGINT), stdout=log, stderr=log
        )
        postgres.wait_until_ready(dsn, first)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE DATABASE kept")
        first.kill()
        first.wait()
    assert (folder / "data" / "postmaster.pid").exists()
    (folder / "admin-password").write_text("admin")
    wait_until(lambda: not list_of_backends(folder))
    with start_postgres(folder) as again, psycopg.connect(again) as connection:
        assert connection.execute("SELECT 1 FROM pg_database WHERE datname = 'kept'").fetchone() == (1,)


def list_of_backends(folder: Path) -> list[psutil.Process]:
    """What a killed server left: its backends need a moment to notice that they are alone."""
    found = psutil.process_iter(["name", "cwd", "status"])
    inside = [one for one in found if one.info["cwd"] == str(folder / "data")]
    return [one for one in inside if one.info["status"] != psutil.STATUS_ZOMBIE]


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_a_pid_file_whose_number_now_belongs_to_something_else_does_not_block(folder: Path) -> None:
    with start_postgres(folder, durable=False):
        content = (folder / "data" / "postmaster.pid").read_text()
    lines = content.splitlines()
    lines[0] = str(os.getpid())
    (folder / "data" / "postmaster.pid").write_text("\n".join(lines) + "\n")
    with start_postgres(folder, durable=False) as dsn:
        assert postgres.answers(dsn)


def test_a_server_that_outlived_its_supervisor_is_ended_first(folder: Path) -> None:
    with start_postgres(folder, durable=False):
        left = postmaster(folder)
        postgres.prepare(postgres.locate(folder, durable=False), "unused")
        assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE


def test_a_half_made_data_folder_is_made_again(folder: Path) -> None:
    half = folder / "data.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with start_postgres(folder, durable=False) as dsn:
        assert postgres.answers(dsn)
    assert not half.exists()


def test_data_of_another_major_version_is_refused(folder: Path) -> None:
    cluster = postgres.locate(folder)
    cluster.data.mkdir()
    (cluster.data / "PG_VERSION").write_text("17\n")
    with pytest.raises(StartProblem, match="was written by PostgreSQL 17; this release brings 18"):
        postgres.prepare(cluster, "unused")


def test_valkey_is_private_and_keeps_what_it_was_told_through_kill_9(folder: Path) -> None:
    server = redis.locate(folder)
    redis.prepare(server)
    process = start_valkey(server)
    client = redis_client.Redis.from_url(server.url)
    settings = client.config_get("*")
    assert (settings["port"], settings["maxmemory-policy"], settings["appendonly"]) == (
        "0",
        "noeviction",
        "yes",
    )
    assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.socket.parent.stat().st_mode) == 0o700
    client.set("job", "1")
    client.execute_command("WAITAOF", 1, 0, 3000)
    process.kill()
    process.wait()
    with start_redis(folder) as url:
        assert redis_client.Redis.from_url(url).get("job") == b"1"


def start_valkey(server: redis.Server) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(bound(server.command()), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 10
    while not redis.answers(server):
        assert time.monotonic() < end
        time.sleep(0.01)
    return process


def test_valkey_starts_with_an_append_only_file_that_was_cut_short(folder: Path) -> None:
    with start_redis(folder) as url:
        redis_client.Redis.from_url(url).mset({"a": "1", "b": "2"})
    file = next((folder / "appendonlydir").glob("*.incr.aof"))
    file.write_bytes(file.read_bytes() + b"*3\r\n$3\r\nSET\r\n$1\r\n")
    with start_redis(folder) as url:
        assert redis_client.Redis.from_url(url).get("a") == b"1"


def test_a_socket_whose_path_would_be_too_long_goes_to_a_short_private_folder(folder: Path) -> None:
    deep = folder / ("d" * 60) / ("e" * 60)
    found = layout.socket_folder(deep, postgres.SOCKET_NAME)
    try:
        assert len(os.fsencode(found / postgres.SOCKET_NAME)) <= 107
        assert stat.S_IMODE(found.stat().st_mode) == 0o700
        assert layout.socket_folder(deep, postgres.SOCKET_NAME) == found, (
            "every start must find the same folder"
        )
    finally:
        found.rmdir()


@as_root
def test_a_socket_folder_that_somebody_else_made_first_is_refused(folder: Path) -> None:
    taken = folder / "run"
    taken.mkdir()
    os.chown(taken, 12345, 12345)
    with pytest.raises(StartProblem, match="belongs to somebody else"):
        layout.socket_folder(taken, "s")


def test_a_link_in_place_of_a_socket_folder_is_refused(folder: Path) -> None:
    (folder / "target").mkdir()
    (folder / "run").symlink_to(folder / "target")
    with pytest.raises(StartProblem, match="belongs to somebody else"):
        layout.socket_folder(folder / "run", "s")


def test_which_folders_an_account_reaches_follows_their_modes(folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    account = Account("nobody", nobody.pw_uid, nobody.pw_gid)
    closed = folder / "closed" / "inner"
    closed.mkdir(parents=True)
    assert reaches(account, closed)
    assert reaches(account, closed / "not" / "made" / "yet")
    closed.parent.chmod(0o700)
    assert not reaches(account, closed)
    assert reaches(None, closed)


def test_a_program_ends_with_the_process_that_started_it() -> None:
    code = (
        "import subprocess, sys, time\n"
        "from deploy.local.commands import bound\n"
        "child = subprocess.Popen(bound([sys.executable, '-c', 'import time; time.sleep(60)']))\n"
        "time.sleep(0.3); print(child.pid)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=layout.REPOSITORY, capture_output=True, text=True, check=True
    )
    left = int(done.stdout)
    end = time.monotonic() + 5
    while psutil.pid_exists(left) and psutil.Process(left).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.02)
