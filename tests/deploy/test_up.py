"""Around the start: what is shown, who gets which secret, commands and their progress, what scripts read."""

from __future__ import annotations

import asyncio
import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from deploy.local import announce, bootstrap, broker, down, environment, marks, processes, secrets
from deploy.local.console import Console
from deploy.local.environment import Environments, Services
from deploy.local.layout import REPOSITORY, Layout
from deploy.local.options import Options
from deploy.local.problems import StartProblem
from deploy.local.tasks import run_command, together
from tests.deploy.test_supervisor import wait_until

DEMO = announce.Demo.parse(
    {
        "tenant": "acme",
        "email": "alice@acme.example",
        "password": "pass-word",
        "api_key": "alm_live_x_y",
        "dataset": "us-employment",
        "model": "us-employment",
        "dashboard_url": "http://acme.localhost:8000/",
        "operator_email": "operator@almanac.localhost",
        "operator_password": "other-word",
        "series": "Bob's trade",
        "something_new": 1,
    }
)
ANSWER = {
    "series": [
        {
            "series_id": "Bob's trade",
            "forecast": [
                {
                    "ds": "2025-01-01T00:00:00",
                    "mean": 1.0,
                    "lo-80": 0.5,
                    "hi-80": 1.5,
                    "lo-95": 0.0,
                    "hi-95": 2.0,
                },
                {
                    "ds": "2025-02-01T00:00:00",
                    "mean": 1200.0,
                    "lo-80": 0.5,
                    "hi-80": 1.5,
                    "lo-95": None,
                    "hi-95": 2.0,
                },
            ],
        }
    ]
}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path)
    made.create()
    return made


@pytest.fixture
def environments(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> Environments:
    for name in ("DATABASE_URL", "ALMANAC_OWNER_DSN", "STRIPE_API_KEY", "ALMANAC_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", "postgresql://root:hunter2@db/x")
    options = Options(layout, "127.0.0.1", 8000, "almanac", "postgresql://root:hunter2@db/x", None, None)
    services = Services(
        "app-dsn",
        "owner-dsn",
        "dbname=m user=mm password=p/w host=/a/b",
        "unix:///s?db=0",
        "http://127.0.0.1:8001",
    )
    return environment.build(options, services, secrets.ensure(layout.secrets))


def test_web_and_training_get_neither_the_owner_nor_the_administrator(environments: Environments) -> None:
    for variables in (environments.web, environments.training, environments.beat, environments.plain):
        assert not {"ALMANAC_OWNER_DSN", "DATABASE_URL"} & set(variables)
        assert "hunter2" not in " ".join(variables.values())
    assert "MLFLOW_TRACKING_URI" not in environments.web
    assert environments.interactive["ALMANAC_OWNER_DSN"] == "owner-dsn"
    assert not [name for name in environments.training if name.startswith("STRIPE")]


def test_only_processes_that_use_the_bucket_get_its_keys(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("ALMANAC_STORAGE_URL", "s3://bucket")
    for name in environment.STORE_KEYS:
        monkeypatch.setenv(name, "of-the-bucket")
    made: Environments = request.getfixturevalue("environments")
    for having in (made.web, made.training, made.interactive, made.manage):
        assert set(environment.STORE_KEYS) <= set(having)
    for without in (made.beat, made.clerk, made.plain):
        assert "of-the-bucket" not in without.values()
        assert without["ALMANAC_STORAGE_URL"] == "s3://bucket", "the same settings, which ask for nothing"


def test_secrets_go_as_files_and_the_simulator_is_said_to_be_one(
    environments: Environments, layout: Layout
) -> None:
    assert environments.web["ALMANAC_SECRET_KEY_FILE"] == str(layout.secrets / "secret_key")
    assert environments.web["STRIPE_SIMULATED"] == "1"
    assert environments.web["STRIPE_API_BASE"] == "http://127.0.0.1:8001"


def test_mlflow_reaches_its_database_over_the_socket(environments: Environments) -> None:
    assert environments.training["MLFLOW_TRACKING_URI"] == "postgresql+psycopg://mm:p%2Fw@/m?host=%2Fa%2Fb"


def test_marks_are_private_and_survive_a_file_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "marks.json"
    marks.Marks(path).keep("tables", "a")
    marks.Marks(path).keep("demo", {"url": "b"})
    assert (marks.Marks(path).get("tables"), marks.Marks(path).get("demo")) == ("a", {"url": "b"})
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text(path.read_text()[:9])
    assert marks.Marks(path).get("tables") is None


def test_every_process_is_stopped_and_the_servers_last() -> None:
    order = [name for group in processes.STOP_ORDER for name in group]
    assert order == [
        "web",
        "beat",
        "worker-training",
        "worker-interactive",
        "clerk",
        "stripe-sim",
        "valkey",
        "postgres",
    ]
    assert processes.all_queues() == ["training", "interactive", "default"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("unix:///run/v.sock?db=3", "redis+socket:///run/v.sock?virtual_host=3"),
        ("unix:///run/v.sock", "redis+socket:///run/v.sock?virtual_host=0"),
        ("rediss://host:6380/1", "rediss://host:6380/1"),
    ],
)
def test_kombu_gets_its_own_spelling_of_the_redis_url(given: str, expected: str) -> None:
    assert broker.broker_url(given) == expected


def test_a_commands_progress_is_shown_and_its_result_returned(layout: Layout) -> None:
    shown = io.StringIO()
    code = (
        "import json\nprint('for people')\n"
        "print(json.dumps({'stage': 'Training', 'percent': 50}), flush=True)\n"
        "print(json.dumps({'result': {'model': 'm'}}))"
    )
    console = Console(1, shown)
    with console.step("Demo") as step:
        run = run_command("demo", [sys.executable, "-c", code], dict(os.environ), layout.logs, step)
        assert asyncio.run(run) == {"model": "m"}
    lines = shown.getvalue().splitlines()
    assert lines[0] == "[1/1] Demo: Training ████████████░░░░░░░░░░░░  50 %"
    assert lines[1].startswith("[1/1] Demo ✓ ")


def test_a_failed_command_says_its_last_words_and_where_its_log_is(layout: Layout) -> None:
    command = [sys.executable, "-c", "import sys; print('first', file=sys.stderr); sys.exit('no such table')"]
    with pytest.raises(StartProblem, match=r"migrate failed: no such table See .*migrate\.log"):
        asyncio.run(run_command("migrate", command, dict(os.environ), layout.logs))


def test_a_cancelled_command_is_ended(layout: Layout) -> None:
    pid_file = layout.var / "pid"
    code = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"

    async def work() -> None:
        running = asyncio.create_task(
            run_command("long", [sys.executable, "-c", code], dict(os.environ), layout.logs)
        )
        while not pid_file.exists() or not pid_file.read_text():
            await asyncio.sleep(0.02)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(work())
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_side_by_side_the_first_failure_is_raised_as_it_is_and_ends_the_rest() -> None:
    ended = []

    async def long() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("long")

    async def fail() -> None:
        await asyncio.sleep(0.01)
        raise StartProblem("It broke.", "Mend it.")

    async def work() -> None:
        await together(long(), fail())

    with pytest.raises(StartProblem, match=r"It broke\. Mend it\."):
        asyncio.run(work())
    assert ended == ["long"]


def test_the_table_shows_a_sparkline_both_bands_and_a_missing_one() -> None:
    lines = announce.table(ANSWER)
    assert lines[0] == "  Bob's trade   ▁█"
    assert lines[3].split() == ["2025-02-01T00:00:00", "1,200.0", "0.5", "…", "1.5", "-"]


def test_a_flat_forecast_has_a_sparkline_too() -> None:
    assert announce.sparkline([3.0, 3.0, 3.0]) == "▁▁▁"


def test_the_curl_line_survives_the_shell() -> None:
    line = announce.curl("http://127.0.0.1:8000", DEMO).replace("curl -s ", "printf '%s\\n' ", 1)
    words = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout.splitlines()
    assert json.loads(words[-1]) == {"series": ["Bob's trade"]} | {
        "model": "us-employment",
        "horizon": 6,
        "levels": [80, 95],
    }
    assert "Authorization: Bearer alm_live_x_y" in words


def test_scripts_get_a_private_file_with_what_they_need(tmp_path: Path) -> None:
    announce.write(tmp_path / "almanac.json", "http://127.0.0.1:8000", DEMO)
    assert [file.name for file in tmp_path.iterdir()] == ["almanac.json"]
    assert (tmp_path / "almanac.json").stat().st_mode & 0o777 == 0o600
    content = json.loads((tmp_path / "almanac.json").read_text())
    assert list(content) == [
        "url",
        "dashboard_url",
        "email",
        "password",
        "api_key",
        "tenant",
        "dataset",
        "model",
    ]


def test_an_api_that_does_not_answer_fails_the_start() -> None:
    with pytest.raises(StartProblem, match="The API did not answer"):
        announce.ask("http://127.0.0.1:1", DEMO)


class UsedUp(http.server.BaseHTTPRequestHandler):
    """An API whose month's quota is used up, with one earlier forecast."""

    def do_POST(self) -> None:
        self._answer(402, {"code": "quota_exceeded"})

    def do_GET(self) -> None:
        earlier = self.path == "/v1/forecasts/fc_1"
        self._answer(200, {"id": "fc_1"} if earlier else {"data": [{"id": "fc_1"}]})

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test's output stays readable."""

    def _answer(self, status: int, content: object) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())


def test_a_quota_that_is_used_up_does_not_keep_the_stack_from_starting() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), UsedUp) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert announce.ask(f"http://127.0.0.1:{server.server_port}", DEMO) == {"id": "fc_1"}
        server.shutdown()


def test_reset_deletes_everything_only_when_told_to(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(StartProblem, match="FORCE=1"):
        down.reset(layout, force=False)
    assert layout.var.exists()
    assert down.reset(layout, force=True) == 0
    assert not layout.var.exists()
    assert down.reset(layout, force=True) == 0
    assert "There is nothing to delete." in capsys.readouterr().out


def test_down_ends_what_a_killed_supervisor_left(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "tests.deploy.driver", str(layout.var)]
    driver = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    driver.stdout.readline()
    wait_until(lambda: "two" in layout.state_file.read_text())
    driver.kill()
    driver.wait()
    driver.stdout.close()
    assert down.down(layout) == 0
    assert down.down(layout) == 0
    assert capsys.readouterr().out.endswith("Almanac is not running.\n")
    assert not layout.state_file.exists()


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bootstrap with a folder of its own and a uv that only notes what it was asked."""
    monkeypatch.setattr(bootstrap, "VENV", str(tmp_path / ".venv"))
    monkeypatch.setattr(bootstrap, "PYTHON", str(tmp_path / ".venv" / "bin" / "python"))
    monkeypatch.setattr(bootstrap, "STAMP", str(tmp_path / ".venv" / ".almanac.json"))
    tools = tmp_path / "tools"
    tools.mkdir()
    uv = tools / "uv"
    uv.write_text(
        f'#!/bin/sh\ncd {tmp_path}\necho "$*" >> asked\n'
        f'[ "$1" = venv ] || exit 0\nmkdir -p .venv/bin\nln -s {sys.executable} .venv/bin/python'
    )
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    return tmp_path


def asked(venv: Path) -> list[str]:
    return [line.split()[0] for line in (venv / "asked").read_text().splitlines()]


def test_packages_are_installed_once_and_again_only_when_the_lock_changes(venv: Path) -> None:
    bootstrap.main("base")
    bootstrap.main("base")
    assert asked(venv) == ["venv", "pip"]
    assert "--require-hashes" in (venv / "asked").read_text()
    stamp = venv / ".venv" / ".almanac.json"
    stamp.write_text(json.dumps({"lock": "base", "sha256": hashlib.sha256(b"an older lock").hexdigest()}))
    bootstrap.main("base")
    assert asked(venv) == ["venv", "pip", "pip"]


def test_a_development_environment_is_never_reduced(venv: Path) -> None:
    bootstrap.main("dev")
    bootstrap.main("base")
    assert asked(venv) == ["venv", "pip"]
    assert "dev.txt" in (venv / "asked").read_text()


def test_a_half_made_environment_is_made_again(venv: Path) -> None:
    (venv / ".venv" / "bin").mkdir(parents=True)
    (venv / ".venv" / "bin" / "python").write_text("half")
    bootstrap.main("base")
    assert asked(venv) == ["venv", "pip"]


def test_a_failed_installation_is_said_and_repeated_next_time(venv: Path) -> None:
    bootstrap.main("base")
    (venv / "tools" / "uv").write_text("#!/bin/sh\nexit 2\n")
    (venv / ".venv" / ".almanac.json").write_text("{}")
    with pytest.raises(bootstrap.Problem, match="failed with exit code 2"):
        bootstrap.main("base")
    assert not (venv / ".venv" / ".almanac.json").exists()


def test_the_bootstrap_needs_no_package() -> None:
    packages = "[name for name in sys.modules if name.startswith(('psutil', 'psycopg', 'httpx'))]"
    code = f"import sys; import deploy.local.bootstrap; print({packages})"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_make_alone_prints_help() -> None:
    done = subprocess.run(["make"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for target in ("up", "down", "reset", "logs", "test", "check", "lock"):
        assert f"make {target} " in done.stdout
