"""Processes are restarted with growing pauses, die with their supervisor, and are recognised otherwise."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.local import logs, state, supervisor
from deploy.local.layout import REPOSITORY, Layout
from deploy.local.problems import StartProblem
from deploy.local.supervisor import Process, Supervisor
from tests.deploy.driver import sleeper


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "var")
    made.create()
    return made


@pytest.fixture
def said() -> list[str]:
    return []


def supervise(
    layout: Layout, said: list[str], work: Callable[[Supervisor], Coroutine[Any, Any, None]]
) -> None:
    """Run `work` with a supervisor and stop everything afterwards."""

    async def run() -> None:
        made = Supervisor(state.State(layout.state_file), layout.logs, said.append)
        try:
            await work(made)
        finally:
            await made.stop([])

    asyncio.run(run())


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.02)


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    asyncio.run(until(condition, seconds))


def test_a_killed_process_starts_again_and_the_terminal_says_so(layout: Layout, said: list[str]) -> None:
    async def work(made: Supervisor) -> None:
        await made.start(sleeper("one", layout))
        first = made.pid("one")
        psutil.Process(first).kill()
        await until(lambda: made.pid("one") != first)
        assert psutil.pid_exists(made.pid("one"))
        assert state.load(layout.state_file).processes["one"].pid == made.pid("one")

    supervise(layout, said, work)
    assert said == ["one ended (signal SIGKILL); starting it again."]


def test_what_a_killed_process_had_started_does_not_outlive_it(layout: Layout, said: list[str]) -> None:
    async def work(made: Supervisor) -> None:
        await made.start(sleeper("one", layout))
        parent = psutil.Process(made.pid("one"))
        await until(lambda: bool(parent.children()))
        child = parent.children()[0]
        parent.kill()
        await until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)

    supervise(layout, said, work)


def test_pauses_between_restarts_grow(
    layout: Layout, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_DELAY_SECONDS", 0.1)
    starts = layout.var / "starts"
    code = f"import time; print(time.monotonic(), file=open({str(starts)!r}, 'a'))"

    def times() -> list[float]:
        return [float(line) for line in starts.read_text().split()] if starts.exists() else []

    async def work(made: Supervisor) -> None:
        await made.start(sleeper("brief", layout, code))
        await until(lambda: len(times()) >= 4)

    supervise(layout, said, work)
    pauses = [later - earlier for earlier, later in zip(times(), times()[1:], strict=False)]
    assert pauses[0] < pauses[1] < pauses[2]


def test_one_that_never_answers_and_keeps_ending_fails_the_start_with_its_last_words(
    layout: Layout, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_DELAY_SECONDS", 0.01)
    command = [sys.executable, "-c", "import sys; sys.exit('the disk is on fire')"]

    async def never() -> bool:
        return False

    async def work(made: Supervisor) -> None:
        await made.start(Process("broken", command, {}, never))

    with pytest.raises(StartProblem, match=r"broken does not start: the disk is on fire See .*broken\.log"):
        supervise(layout, said, work)


def test_one_that_does_not_answer_in_time_fails_the_start(layout: Layout, said: list[str]) -> None:
    async def never() -> bool:
        return False

    async def work(made: Supervisor) -> None:
        command = [sys.executable, "-c", "import time; time.sleep(60)"]
        await made.start(Process("mute", command, {}, never, ready_seconds=0.3))

    with pytest.raises(StartProblem, match="mute did not answer within 0 s"):
        supervise(layout, said, work)


def test_one_that_ignores_the_signal_is_ended_after_its_time(layout: Layout, said: list[str]) -> None:
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    code = f"import signal, time; {deaf}; print('up', flush=True); time.sleep(60)"
    log = logs.log_path(layout.logs, "stubborn")

    async def up() -> bool:
        return log.exists() and "up" in log.read_text()

    async def work(made: Supervisor) -> None:
        process = Process("stubborn", [sys.executable, "-c", code], {}, up, stop_seconds=0.3)
        await made.start(process)

    supervise(layout, said, work)
    assert said == ["stubborn did not stop within 0 s; ending it."]
    assert not layout.state_file.exists()


def test_groups_are_stopped_in_order(layout: Layout, said: list[str]) -> None:
    order = layout.var / "order"
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    time.sleep(0.1); print(sys.argv[1], file=open({str(order)!r}, 'a')); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('up', flush=True); time.sleep(60)"
    )

    def process(name: str) -> Process:
        async def up() -> bool:
            return "up" in logs.log_path(layout.logs, name).read_text()

        return Process(name, [sys.executable, "-c", code, name], {}, up)

    async def run() -> None:
        made = Supervisor(state.State(layout.state_file), layout.logs, said.append)
        for name in ("postgres", "web", "other"):
            await made.start(process(name))
        await made.stop([["web"], ["postgres"]])

    asyncio.run(run())
    assert order.read_text().split() == ["web", "postgres", "other"]


@pytest.fixture
def killed(layout: Layout) -> Iterator[tuple[Layout, list[psutil.Process]]]:
    """A stack whose supervisor was killed with SIGKILL: the processes that it had."""
    command = [sys.executable, "-m", "tests.deploy.driver", str(layout.var)]
    driver = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    assert driver.stdout.readline() == "started\n"
    own = psutil.Process(driver.pid)
    wait_until(lambda: len(own.children(recursive=True)) == 4)
    below = own.children(recursive=True)
    driver.kill()
    driver.wait()
    driver.stdout.close()
    yield layout, below
    for process in below:
        if process.is_running():
            process.kill()


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only the next start ends them")
def test_processes_die_with_a_killed_supervisor(killed: tuple[Layout, list[psutil.Process]]) -> None:
    layout, below = killed
    direct = {noted.pid for noted in state.load(layout.state_file).processes.values()}
    assert len(direct) == 2
    wait_until(lambda: not alive([one for one in below if one.pid in direct]))


def test_the_next_start_finds_and_ends_what_was_left(killed: tuple[Layout, list[psutil.Process]]) -> None:
    layout, below = killed
    wait_until(lambda: len(alive(below)) == 2)  # the children of those that died with the supervisor
    left = state.orphans(state.load(layout.state_file))
    assert {one.pid for one in left} == {one.pid for one in alive(below)}
    assert state.end(left) == 2
    assert not alive(below)


def test_a_process_that_only_has_the_same_number_is_left_alone(layout: Layout) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        noted = state.State(layout.state_file)
        noted.processes["web"] = state.Running("web", other.pid, time.time() - 3600)
        assert state.orphans(noted) == []
    finally:
        other.kill()
        other.wait()


def test_the_state_file_survives_being_cut_short(layout: Layout) -> None:
    layout.state_file.write_text('{"supervisor": {"name": "sup')
    assert state.load(layout.state_file).processes == {}


def test_a_long_log_is_moved_aside_and_the_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    code = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
    descriptor = logs.open_for_append(path)
    writer = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=descriptor, text=True, bufsize=1
    )
    assert writer.stdin is not None
    writer.stdin.write("old " * 100 + "\n")
    wait_until(lambda: path.stat().st_size > 300)
    assert logs.rotate(path, max_bytes=100)
    writer.stdin.write("new\n")
    writer.stdin.close()
    writer.wait()
    assert path.read_text() == "new\n"
    assert path.with_name("web.log.1").read_text() == "old " * 100 + "\n"
    assert path.stat().st_mode & 0o777 == path.with_name("web.log.1").stat().st_mode & 0o777 == 0o600
    assert not logs.rotate(path, max_bytes=100)


def test_only_so_many_old_logs_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    for number in range(6):
        path.write_text(f"{number}" * 200)
        logs.rotate(path, max_bytes=100)
    kept = sorted(file.name for file in tmp_path.iterdir())
    assert kept == ["web.log", "web.log.1", "web.log.2", "web.log.3"]
    assert path.with_name("web.log.1").read_text()[0] == "5"


def test_describing_an_ended_process_is_no_error() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert state.describe("gone", ended.pid).find() is None


def test_the_meaning_of_an_exit_code_is_said_in_words() -> None:
    assert supervisor._meaning(-signal.SIGTERM) == "signal SIGTERM"
    assert supervisor._meaning(3) == "exit code 3"
