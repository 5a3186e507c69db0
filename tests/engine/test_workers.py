"""Work that is shared out gives the same bytes wherever it is done, keeps the time, and ends when something dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl

from apps.engine import errors
from apps.engine.contracts import Spec
from apps.engine.forecasters import REGISTRY
from apps.engine.forecasters.base import FitContext, Fitted
from apps.engine.forecasters.local import OUT_OF_TIME, Grid
from apps.engine.workers import Clock, Dask, InThisProcess, Processes, Ray, Task, base, open_workers
from apps.engine.workers.shipping import perform_there, ship
from tests.engine.panels import build, seasonal

ROOT = Path(__file__).parents[2]
HORIZON = 6
PANEL = build([y[: 30 + s] for s, y in enumerate(seasonal(29, 60))] + [np.full(20, 7.0)])
TASK = Task("theta", Grid((12,), HORIZON), tuple(seasonal(3, 36)), ("", "", ""))
ELSEWHERE: dict[str, Callable[[], AbstractContextManager]] = {
    "processes": lambda: Processes(2),
    "ray": lambda: Ray(2),
    "dask": lambda: Dask(2),
}


@pytest.fixture(autouse=True)
def small_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five shares of 30 series, and no cluster from outside."""
    monkeypatch.setattr(base, "SERIES_A_SHARE", 7)
    for cluster in (Ray, Dask):
        monkeypatch.delenv(cluster.variable, raising=False)


def fitted(name: str, workers: base.Workers) -> Fitted:
    return REGISTRY[name].fit(PANEL, FitContext(HORIZON, workers=workers))


def content(one: Fitted) -> tuple:
    arrays = {name: (array.dtype, array.tobytes()) for name, array in one.state.arrays.items()}
    return arrays, one.state.fitted.tobytes(), one.reasons, one.hints


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_every_backend_gives_the_bytes_of_this_process(kind):
    with ELSEWHERE[kind]() as workers:
        for name in ("theta", "auto_ets"):
            assert content(fitted(name, workers)) == content(fitted(name, InThisProcess()))
        late = workers.run([TASK], Clock(time.monotonic()))
    assert late == [[OUT_OF_TIME] * 3]


def test_a_spec_names_its_workers():
    with open_workers(Spec(HORIZON)) as workers:
        assert isinstance(workers, InThisProcess)
    with open_workers(Spec(HORIZON, workers=2)) as workers:
        assert isinstance(workers, Processes)
        assert workers.count == 2


def test_the_seconds_left_are_told_when_a_task_begins():
    now = [100.0]
    told: list[float | None] = []

    def submit(function, task, left_seconds) -> Future:
        told.append(left_seconds)
        now[0] += 4.0
        future: Future = Future()
        future.set_result([task])
        return future

    answers = ship(submit, 1, ["a", "b", "c", "d"], Clock(110.0, lambda: now[0]))
    assert told == [10.0, 6.0, 2.0, 0.0]
    assert answers == [["a"], ["b"], ["c"], ["d"]]


def test_a_clock_of_another_process_counts_from_its_own_start():
    assert perform_there(TASK, 0.0) == [OUT_OF_TIME] * 3
    assert OUT_OF_TIME not in perform_there(TASK, 60.0)
    assert OUT_OF_TIME not in perform_there(TASK, None)


def test_a_killed_process_is_an_error_and_not_a_wait():
    with Processes(1) as workers:
        workers.run([TASK], Clock())
        (pid,) = workers._pool._processes
        killer = threading.Timer(0.3, os.kill, (pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(errors.WorkersLost, match="ended from outside"):
            workers.run([TASK] * 100_000, Clock())
        with pytest.raises(errors.WorkersLost):
            workers.run([TASK], Clock())


def test_processes_have_one_thread_each():
    with Processes(1) as workers:
        workers.run([TASK], Clock())
        libraries = workers._pool.submit(threadpoolctl.threadpool_info).result()
        assert workers._pool.submit(os.getenv, "NUMBA_NUM_THREADS").result() == "1"
    assert libraries
    assert {library["num_threads"] for library in libraries} == {1}


@pytest.mark.parametrize(
    ("cluster", "package", "install"), [(Ray, "ray", "ray"), (Dask, "distributed", r"dask\[distributed\]")]
)
def test_a_backend_that_is_not_installed_says_what_to_install(monkeypatch, cluster, package, install):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(errors.WorkersUnavailable, match=f"pip install '{install}'"), cluster(2):
        raise AssertionError("nothing runs")


def test_a_cluster_that_does_not_answer_is_named(monkeypatch):
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "200ms"}),
        pytest.raises(errors.WorkersUnavailable, match="Dask cannot be used"),
        Dask(2, "tcp://127.0.0.1:9"),
    ):
        raise AssertionError("nothing runs")


def test_an_error_of_the_engine_stays_itself_on_a_cluster():
    cluster = Dask(1)
    inner = errors.UnknownForecaster(name="x", known="y")
    assert cluster._lost(inner) is inner
    assert isinstance(cluster._lost(ValueError("no")), errors.WorkersLost)


def test_the_block_of_this_process_needs_no_end():
    with nullcontext(InThisProcess()) as workers:
        assert len(workers.run([TASK], Clock())[0]) == 3


IN_CELERYS_CHILD = """
import billiard
from apps.engine.workers import Clock, Processes
from tests.engine.test_workers import TASK
def work():
    assert billiard.current_process().daemon
    with Processes(1) as workers:
        return len(workers.run([TASK], Clock())[0])
if __name__ == "__main__":
    with billiard.Pool(1) as pool:
        print(pool.apply(work))
"""

KILLED = """
import os, signal
from apps.engine.workers import Processes
if __name__ == "__main__":
    workers = Processes(1).__enter__()
    print(workers._pool.submit(os.getpid).result(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def script(text: str, folder: Path) -> str:
    path = folder / "program.py"
    path.write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    assert done.stdout, done.stderr
    return done.stdout.strip()


def test_a_child_of_celery_may_have_processes(tmp_path):
    assert script(IN_CELERYS_CHILD, tmp_path) == "3"


def test_processes_end_with_the_one_that_started_them(tmp_path):
    orphan = int(script(KILLED, tmp_path))
    deadline = time.monotonic() + 10
    while Path(f"/proc/{orphan}/exe").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(orphan)


def _runs(pid: int) -> bool:
    """Nobody may have fetched the end of an orphan yet, so a zombie counts as ended."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
