"""What stands in the way of a start is said in one line, with what to do."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from deploy.local import options, preflight, up
from deploy.local.__main__ import main
from deploy.local.layout import Layout
from deploy.local.problems import StartProblem
from deploy.local.servers import start_redis


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_names_who_has_it_and_another_one(taken_port: int) -> None:
    with pytest.raises(StartProblem) as caught:
        preflight.check_port("127.0.0.1", taken_port)
    assert f"Port {taken_port} is taken by" in str(caught.value)
    assert f"(pid {os.getpid()})" in str(caught.value)
    assert f"make up PORT={taken_port + 10}" in str(caught.value)


def test_a_free_port_passes() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    preflight.check_port("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7"])
def test_a_host_that_is_not_ours_is_refused(host: str) -> None:
    with pytest.raises(StartProblem, match=r"Use HOST=127\.0\.0\.1"):
        preflight.check_port(host, 0)


def test_an_old_python_is_refused() -> None:
    with pytest.raises(StartProblem, match=r"Python 3\.10\.4 is too old\. Install Python 3\.11 or newer\."):
        preflight.check_python((3, 10, 4))
    preflight.check_python()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StartProblem, match=r"Cannot write to .*file/var .*ALMANAC_VAR"):
        preflight.check_folder(tmp_path / "file" / "var")


def test_a_full_disk_says_how_much_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StartProblem, match=r"Only .* GB are free at .*; 9000000000\.0 GB are needed\."):
        preflight.check_disk(tmp_path, 9 * 10**18)
    preflight.check_disk(tmp_path, 1)


def test_an_unreachable_database_is_said_in_one_line() -> None:
    with pytest.raises(StartProblem) as caught:
        preflight.check_database("postgresql://u:secret@127.0.0.1:1/x")
    assert "DATABASE_URL cannot be reached" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_database_url_that_is_none_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StartProblem, match="DATABASE_URL cannot be reached"):
        preflight.check_database("mysql://localhost/x")


@pytest.fixture
def admin() -> str:
    return os.environ["ALMANAC_TEST_ADMIN_DSN"]


def test_a_good_database_passes(admin: str) -> None:
    preflight.check_database(admin)


def test_an_old_database_is_refused(admin: str) -> None:
    with pytest.raises(StartProblem, match="DATABASE_URL is PostgreSQL 18; 99 or newer is needed"):
        preflight.check_database(admin, oldest=990000)


def test_a_role_that_may_not_make_roles_gets_the_statement_that_helps(admin: str) -> None:
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("""CREATE ROLE "weak ""one" LOGIN CREATEDB PASSWORD 'weak'""")
    try:
        with pytest.raises(StartProblem) as caught:
            preflight.check_database(psycopg.conninfo.make_conninfo(admin, user='weak "one', password="weak"))
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute('DROP ROLE "weak ""one"')
    assert "lacks CREATEROLE." in str(caught.value)
    assert 'ALTER ROLE "weak ""one" CREATEROLE;' in str(caught.value)


def test_an_unreachable_redis_is_said_in_one_line() -> None:
    with pytest.raises(StartProblem, match="REDIS_URL cannot be reached") as caught:
        preflight.check_redis("redis://127.0.0.1:1/0")
    assert "\n" not in str(caught.value)


def test_a_redis_url_that_is_none_is_said() -> None:
    with pytest.raises(StartProblem, match="REDIS_URL cannot be reached"):
        preflight.check_redis("nonsense")


def test_redis_must_be_new_enough_and_must_not_evict(tmp_path: Path) -> None:
    import redis

    with start_redis(tmp_path, durable=False) as url:
        preflight.check_redis(url)
        with pytest.raises(StartProblem, match=r"REDIS_URL is version .*; 99\.0 or newer is needed"):
            preflight.check_redis(url, oldest=(99, 0))
        redis.Redis.from_url(url).config_set("maxmemory-policy", "allkeys-lru")
        with pytest.raises(StartProblem, match=r"evicts with 'allkeys-lru'.*maxmemory-policy noeviction"):
            preflight.check_redis(url)


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1", "8000x"])
def test_a_port_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", text)
    with pytest.raises(StartProblem, match=f"PORT={text} is not a port"):
        options.read()


def test_a_database_name_that_cannot_be_part_of_role_names_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALMANAC_DATABASE", "My-DB")
    with pytest.raises(StartProblem, match="ALMANAC_DATABASE=My-DB cannot be used"):
        options.read()


def test_the_url_is_one_that_a_browser_here_can_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "8123")
    urls = []
    for host in ("0.0.0.0", "localhost", "::1", "192.0.2.1"):
        monkeypatch.setenv("HOST", host)
        urls.append(options.read().url)
    assert urls == [
        "http://127.0.0.1:8123",
        "http://127.0.0.1:8123",
        "http://[::1]:8123",
        "http://192.0.2.1:8123",
    ]


def test_a_second_start_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    refused = pytest.raises(StartProblem, match="Almanac is already running on")
    with up.only_one(layout), refused, up.only_one(layout):
        raise AssertionError("two at once")
    with up.only_one(layout):
        assert layout.lock_file.exists()


def test_a_problem_is_one_line_on_standard_error_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ALMANAC_VAR", str(tmp_path / "file" / "var"))
    assert main(["up"]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("almanac: Cannot write to ")
    assert printed.err.count("\n") == 1


def test_a_taken_port_stops_the_start_before_anything_runs(
    tmp_path: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALMANAC_VAR", str(tmp_path))
    monkeypatch.setenv("PORT", str(taken_port))
    (tmp_path / "almanac.json").write_text("{}")
    assert main(["up"]) == 1
    assert f"Port {taken_port} is taken" in capsys.readouterr().err
    assert not (tmp_path / "postgres").exists()
    assert not (tmp_path / "almanac.json").exists(), "scripts would take it for a running stack"
