"""`make up` as a person meets it: all processes, with a small application in place of Django."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from deploy.local import state
from deploy.local.layout import REPOSITORY

pytestmark = pytest.mark.stack
NAMES = {"postgres", "valkey", "web", "worker-training", "worker-interactive", "beat", "clerk"}


@dataclass
class Stack:
    """A copy of what `make up` needs, and a state folder of its own."""

    root: Path
    port: int
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def var(self) -> Path:
        return self.root / "var"

    def start(self, **variables: str) -> subprocess.Popen[str]:
        command, environment = self._command("up"), self._environment(variables)
        with (self.root / "out").open("w") as log:
            started = subprocess.Popen(command, cwd=self.root, env=environment, stdout=log, stderr=log)
        self.started.append(started)
        return started

    def run(self, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(command),
            cwd=self.root,
            env=self._environment(variables),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def output(self) -> str:
        return (self.root / "out").read_text()

    def announced(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.var / "almanac.json").read_text())
        return content

    def noted(self) -> dict[str, state.Running]:
        return state.load(self.var / "stack.json").processes

    def wait_until_ready(self, process: subprocess.Popen[str]) -> None:
        self.wait(lambda: "Ready after" in self.output(), process)

    def wait(
        self, condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 60
    ) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert process.poll() is None, self.output()
            assert time.monotonic() < end, self.output()
            time.sleep(0.05)

    def _command(self, command: str) -> list[str]:
        return [sys.executable, "-m", "deploy.local", command]

    def _environment(self, variables: dict[str, str]) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ALMANAC_", "REDIS_", "MLFLOW_"))
        }
        ours = {"ALMANAC_VAR": str(self.var), "PORT": str(self.port), "STRIPE_API_KEY": "sk_test_none"}
        return kept | ours | variables


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    root = Path(tempfile.mkdtemp(prefix="alm-s-"))
    root.chmod(0o711)
    shutil.copytree(REPOSITORY / "tests" / "deploy" / "small", root, dirs_exist_ok=True)
    shutil.copytree(REPOSITORY / "deploy", root / "deploy", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("rsgi.py", "rsgi_request.py", "rsgi_waiting.py"):
        shutil.copy(REPOSITORY / "config" / name, root / "config")
    (root / "tenants").mkdir()
    (root / "tenants" / "__init__.py").touch()
    shutil.copy(REPOSITORY / "tenants" / "bootstrap.py", root / "tenants")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        made = Stack(root, probe.getsockname()[1])
    yield made
    made.run("down")
    for process in made.started:
        process.wait(60)
    shutil.rmtree(root)


def alive(noted: dict[str, state.Running]) -> set[str]:
    return {name for name, one in noted.items() if one.find()}


def test_the_first_start_ends_with_a_forecast_and_ctrl_c_stops_everything(stack: Stack) -> None:
    process = stack.start()
    try:
        stack.wait_until_ready(process)
        noted = stack.noted()
        assert set(noted) == NAMES == alive(noted)
        shown, announced = stack.output(), stack.announced()
        assert announced["url"] == f"http://127.0.0.1:{stack.port}"
        for told in (announced["api_key"], announced["password"], "▁", "curl -s", "[6/6]"):
            assert told in shown
        assert httpx.get(announced["url"] + "/readyz").status_code == 200
        assert stack.run("up").stderr.startswith("almanac: Almanac is already running on")
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
    assert code == 0
    assert not alive(noted)
    assert not (stack.var / "almanac.json").exists()
    assert "did not stop" not in stack.output()


def test_a_second_start_finds_the_data_and_the_same_secrets_and_down_ends_it(stack: Stack) -> None:
    before = (stack.var / "secrets" / "demo_password").read_text().strip()
    called = (stack.root / "called").read_text()
    assert sorted(called.split()) == ["mlflow_upgrade", "seed_demo", "tenants"]
    process = stack.start()
    stack.wait_until_ready(process)
    assert stack.announced()["password"] == before
    assert (stack.root / "called").read_text() == called, "what is done is not done again"
    noted = stack.noted()
    assert "Stopped." in stack.run("down").stdout
    assert process.wait(10) == 0
    assert not alive(noted)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_process_may_be_killed_and_comes_back(stack: Stack, name: str) -> None:
    process = running(stack)
    victim = stack.noted()[name].pid
    psutil.Process(victim).kill()
    stack.wait(lambda: stack.noted()[name].pid != victim, process)
    stack.wait(lambda: answers(f"http://127.0.0.1:{stack.port}/readyz"), process)
    assert alive(stack.noted()) == NAMES


def running(stack: Stack) -> subprocess.Popen[str]:
    """One stack for all the tests that kill a part of it."""
    if not stack.started or stack.started[-1].poll() is not None:
        stack.wait_until_ready(stack.start())
    return stack.started[-1]


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def test_after_kill_9_of_the_whole_start_the_next_one_works(stack: Stack) -> None:
    first = running(stack)
    noted = stack.noted()
    first.kill()
    first.wait()
    second = stack.start()
    stack.wait_until_ready(second)
    assert not alive(noted)
    stack.run("down")
    second.wait(30)


def test_after_kill_9_in_the_middle_of_a_start_the_next_one_works(stack: Stack) -> None:
    shutil.rmtree(stack.var, ignore_errors=True)
    first = stack.start(SLOW_SEED="30")
    stack.wait(lambda: "Training" in stack.output(), first)
    assert not (stack.var / "almanac.json").exists()
    first.kill()
    first.wait()
    second = stack.start()
    stack.wait_until_ready(second)
    assert stack.run("down").returncode == 0
    second.wait(30)


def test_a_start_that_fails_says_why_and_leaves_nothing_running(stack: Stack) -> None:
    good = (stack.root / "manage.py").read_text()
    (stack.root / "manage.py").write_text("import sys; sys.exit('no such column: tenants.colour')")
    (stack.var / "marks.json").unlink(missing_ok=True)
    try:
        done = stack.run("up")
    finally:
        (stack.root / "manage.py").write_text(good)
    assert done.returncode == 1
    assert "failed: no such column: tenants.colour" in done.stderr, "whichever of the two is first"
    assert done.stderr.count("\n") == 1
    assert not (stack.var / "stack.json").exists()


def test_servers_given_from_outside_are_used_and_none_is_started(stack: Stack) -> None:
    from deploy.local.servers import start_postgres, start_redis

    outside = Path(tempfile.mkdtemp(prefix="alm-o-"))
    outside.chmod(0o711)
    with (
        start_postgres(outside / "p", durable=False) as dsn,
        start_redis(outside / "r", durable=False) as url,
    ):
        process = stack.start(DATABASE_URL=dsn, REDIS_URL=url, ALMANAC_DATABASE="other")
        stack.wait_until_ready(process)
        assert set(stack.noted()) == NAMES - {"postgres", "valkey"}
        with psycopg.connect(dsn) as connection:
            names = connection.execute(
                "SELECT datname FROM pg_database WHERE datname LIKE 'other%'"
            ).fetchall()
        assert sorted(names) == [("other",), ("other_mlflow",)]
        stack.run("down")
        process.wait(30)
    shutil.rmtree(outside)
