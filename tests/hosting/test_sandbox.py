"""What strangers bring is told apart from models in seconds, and takes nobody with it."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from apps.hosting.sandbox import checks
from apps.hosting.sandbox.faults import Fault
from apps.hosting.sandbox.host import Host, HostEnded, HostTooSlow
from apps.hosting.sandbox.pool import Busy, Pool
from tests.brought import SIGNATURE, TREE
from tests.hosting import making

CLASSES = {**SIGNATURE, "output": "probabilities", "classes": ["a", "b", "c"]}
TWO = {**SIGNATURE, "output": "probabilities", "classes": ["no", "yes"]}
MEGABYTES_OF_PARENT = 60


def check(folder: Path, data: bytes, signature: Any = SIGNATURE) -> dict[str, Any]:
    path = folder / "model"
    path.write_bytes(data)
    return checks.check(path, hashlib.sha256(data).hexdigest(), signature)


def request(folder: Path, data: bytes, rows: list[list[float]], **more: Any) -> dict[str, Any]:
    path = folder / hashlib.sha256(data).hexdigest()
    path.write_bytes(data)
    return {
        "op": "predict",
        "path": str(path),
        "sha256": path.name,
        "signature": SIGNATURE,
        "rows": rows,
        **more,
    }


@pytest.fixture
def pool() -> Iterator[Pool]:
    found = Pool(most=2)
    yield found
    found.end_all()


@pytest.mark.parametrize("name", making.HOSTILE)
def test_a_hostile_file_is_refused_within_seconds_and_the_parent_stays_as_it_was(
    name: str, tmp_path: Path
) -> None:
    make, codes = making.HOSTILE[name]
    data = make()
    process, began = psutil.Process(), time.monotonic()
    before = process.memory_info().rss
    with pytest.raises(Fault) as refused:
        check(tmp_path, data)
    assert refused.value.code in codes, refused.value.detail
    assert refused.value.detail.endswith(".") or "says" in refused.value.detail or ":" in refused.value.detail
    assert time.monotonic() - began < checks.INSPECT_SECONDS + checks.TRIAL_SECONDS
    assert process.memory_info().rss - before < MEGABYTES_OF_PARENT << 20
    assert not Path("/tmp/almanac-was-here").exists()


@pytest.mark.parametrize(
    ("data", "signature", "answer"),
    [
        (making.linear(), SIGNATURE, 129.5),
        (TREE.encode(), SIGNATURE, 1.0),
        (making.trees("json"), TWO, None),
        (making.trees("ubj"), TWO, None),
    ],
    ids=["onnx", "lightgbm", "xgboost json", "xgboost ubj"],
)
def test_a_good_file_of_each_format_answers_its_example(
    data: bytes, signature: Any, answer: float | None, tmp_path: Path
) -> None:
    found = check(tmp_path, data, signature)["trial"]["answer"]
    if answer is None:
        assert len(found) == 2
        assert sum(found) == pytest.approx(1)
        assert found[0] > 0.7
    else:
        assert found == pytest.approx(answer)


def test_probabilities_are_those_of_the_signatures_classes(tmp_path: Path) -> None:
    data = making.softmax()
    found = check(tmp_path, data, {**CLASSES, "example": [1.0, 2.0]})["trial"]["answer"]
    e = np.exp([1.0, 2.0, -1.0])
    assert found == pytest.approx(list(e / e.sum()), abs=1e-6)
    with pytest.raises(Fault, match="shape"):
        check(tmp_path, data, TWO)
    with pytest.raises(Fault) as none:
        check(tmp_path, making.too_wide(), {**TWO, "example": [3.0, 4.0]})
    assert none.value.code == "no_probabilities"


def test_a_file_that_changed_since_it_was_registered_is_not_run(tmp_path: Path, pool: Pool) -> None:
    asked = request(tmp_path, TREE.encode(), [[1, 2]])
    Path(asked["path"]).write_bytes(TREE.replace("leaf_value=1 3", "leaf_value=7 7").encode())
    with pytest.raises(Fault) as changed:
        pool.ask("acme", asked, 10)
    assert changed.value.code == "file_changed"


def test_a_child_is_bounded_and_knows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMANAC_SECRET_KEY", "do-not-tell")
    host = Host()
    try:
        child = psutil.Process(host.pid)
        limits = {
            name: child.rlimit(getattr(psutil, f"RLIMIT_{name}"))[1]
            for name in ("AS", "FSIZE", "NOFILE", "NPROC", "CORE")
        }
        assert limits == {"AS": 1 << 30, "FSIZE": 0, "NOFILE": 32, "NPROC": 0, "CORE": 0}
        assert "do-not-tell" not in child.environ().values()
        assert os.getsid(host.pid) == host.pid
        assert [each.fd for each in child.net_connections()] == []
    finally:
        host.end()


PR_GET_DUMPABLE = 3
FORBIDDEN = """
import ctypes, os, socket, subprocess, sys, tempfile, threading
from apps.hosting.sandbox import limits
target, libc = sys.argv[1], ctypes.CDLL(None, use_errno=True)

def call(*words):
    if libc.syscall(*words) == -1 and ctypes.get_errno() == 1:
        raise PermissionError

limits.bind()
tried = {
    "network": lambda: socket.create_connection(("127.0.0.1", 9)),
    "program": lambda: subprocess.run(["/bin/true"]),
    "fork": os.fork,
    "thread": lambda: threading.Thread(target=print).start(),
    "write": lambda: open(target, "w"),
    "append": lambda: open(target, "a"),
    "delete": lambda: os.unlink(target),
    "truncate": lambda: os.truncate(target, 0),
    "rename": lambda: os.rename(target, target + "x"),
    "signal": lambda: os.kill(os.getppid(), 0),
    "signal to a thread": lambda: call(200, os.getppid(), 0),
    "signal to a thread of a group": lambda: call(234, os.getppid(), os.getppid(), 0),
    "queued signal": lambda: call(129, os.getppid(), 0, 0),
    "another's limits": lambda: call(302, os.getppid(), 7, 0, 0),
}
for name, attempt in tried.items():
    try:
        attempt()
    except (PermissionError, RuntimeError):
        continue
    os.write(1, name.encode() + b" ")
os.write(1, b"still reads: " + open(target, "rb").read())
"""


def test_a_file_of_onnxruntimes_own_format_is_not_read_past_what_was_looked_through(tmp_path: Path) -> None:
    import onnxruntime

    from apps.hosting.sandbox import onnx_model

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "model.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(making.linear(), options, providers=["CPUExecutionProvider"])
    own = (tmp_path / "model.ort").read_bytes()
    onnxruntime.InferenceSession(own, providers=["CPUExecutionProvider"])
    with pytest.raises(Fault, match="cannot load"):
        onnx_model._session(own)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hides a process")
def test_who_starts_hosts_hides_its_memory_and_environment_from_them(tmp_path: Path, pool: Pool) -> None:
    pool.ask("acme", request(tmp_path, TREE.encode(), [[1, 2]]), 10)
    assert ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="the filter is one of Linux on x86-64"
)
def test_a_child_reaches_no_network_program_process_or_file_to_change(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("all")
    done = subprocess.run(
        [sys.executable, "-c", FORBIDDEN, str(target)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stdout == "still reads: all", done.stderr


def test_a_host_whose_process_dies_by_a_signal_takes_nobody_else_with_it(tmp_path: Path, pool: Pool) -> None:
    asked = request(tmp_path, TREE.encode(), [[1, 2], [30, 2]])
    assert pool.ask("acme", asked, 10) == {"predictions": [1.0, 3.0]}
    assert pool.ask("globex", asked, 10) == {"predictions": [1.0, 3.0]}
    pids = pool.pids()
    endless = request(tmp_path, making.endless(), [[1, 2]])
    threading.Timer(1.5, os.kill, (pids["acme"], signal.SIGSEGV)).start()
    with pytest.raises(HostEnded, match="SIGSEGV"):
        pool.ask("acme", endless, 15)
    assert pool.ask("globex", asked, 10) == {"predictions": [1.0, 3.0]}
    assert pool.pids()["globex"] == pids["globex"]


def test_a_crashed_host_is_started_again_after_a_pause(tmp_path: Path, pool: Pool) -> None:
    asked = request(tmp_path, TREE.encode(), [[1, 2]])
    with pytest.raises(HostTooSlow):
        pool.ask("acme", request(tmp_path, making.endless(), [[1, 2]]), 2)
    with pytest.raises(Busy):
        pool.ask("acme", asked, 10)
    time.sleep(0.6)
    assert pool.ask("acme", asked, 10) == {"predictions": [1.0]}


def test_who_comes_while_the_host_works_waits_for_a_turn_that_ends(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.hosting.sandbox.pool.WAIT_SECONDS", 0.3)
    pool.ask("acme", request(tmp_path, TREE.encode(), [[1, 2]]), 10)
    slow = threading.Thread(target=_slowly, args=(pool, request(tmp_path, making.endless(), [[1, 2]])))
    slow.start()
    time.sleep(0.5)
    with pytest.raises(Busy):
        pool.ask("acme", request(tmp_path, TREE.encode(), [[1, 2]]), 10)
    slow.join()


def _slowly(pool: Pool, asked: dict[str, Any]) -> None:
    with pytest.raises(HostTooSlow):
        pool.ask("acme", asked, 3)


def test_the_tenant_that_asked_longest_ago_gives_its_host_up(tmp_path: Path, pool: Pool) -> None:
    asked = request(tmp_path, TREE.encode(), [[1, 2]])
    for tenant in ("acme", "globex", "acme", "initech"):
        pool.ask(tenant, asked, 10)
    assert set(pool.pids()) == {"acme", "initech"}


def test_a_host_that_nobody_asks_is_ended(tmp_path: Path, pool: Pool) -> None:
    pool.ask("acme", request(tmp_path, TREE.encode(), [[1, 2]]), 10)
    pid = pool.pids()["acme"]
    pool.end_idle(time.monotonic() + 599)
    assert psutil.pid_exists(pid)
    pool.end_idle(time.monotonic() + 601)
    assert not psutil.pid_exists(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties children to their parent")
def test_a_host_outlives_the_thread_that_first_asked(tmp_path: Path, pool: Pool) -> None:
    asked = request(tmp_path, TREE.encode(), [[1, 2]])
    first = threading.Thread(target=pool.ask, args=("acme", asked, 10))
    first.start()
    first.join()
    pid = pool.pids()["acme"]
    time.sleep(0.2)
    pool.ask("acme", asked, 10)
    assert pool.pids()["acme"] == pid
