"""Each process of a whole stack is killed in the middle of a training: the stack recovers and the job is done once.

Takes several minutes (a lease runs half a minute), so it runs by `make drill-kill` and not with every test.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults.running import Stack, child_of, wait

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(os.environ.get("ALMANAC_DRILL") != "1", reason="several minutes: make drill-kill"),
]
VICTIMS = ("child", "worker-training", "beat", "web", "valkey", "postgres")


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    root = Path(tempfile.mkdtemp(prefix="alm-d-"))
    root.chmod(0o711)  # PostgreSQL runs as another user, who must be able to pass through
    made = Stack.start(root)
    yield made
    made.stop()
    shutil.rmtree(root)


@pytest.mark.parametrize("victim", VICTIMS)
def test_after_kill_9_the_job_is_done_once_and_nothing_is_lost(stack: Stack, victim: str) -> None:
    model, dataset = f"drill-{victim}", stack.announced["dataset"]
    forecast = wait(
        lambda: stack.ask("POST", "/v1/forecasts", {"model": stack.announced["model"], "horizon": 3}),
        60,
        "a forecast",
    ).json()
    started = wait(
        lambda: stack.ask(
            "POST", "/v1/training-runs", {"dataset": dataset, "horizon": 12, "model": model, "seed": 1}
        ),
        60,
        "a training",
    )
    assert started.status_code == 202, started.text
    run = started.json()
    path = f"/v1/jobs/{run['job']}"
    wait(lambda: (job := stack.get(path))["progress"]["pct"] > 5 and job, 90, "progress")

    killed = (
        child_of(stack.pid("worker-training")) if victim == "child" else psutil.Process(stack.pid(victim))
    )
    killed.kill()
    began = time.monotonic()
    ended = wait(
        lambda: (job := stack.get(path))["status"] not in ("queued", "running") and job, 180, "the end"
    )
    seconds = time.monotonic() - began
    print(f"{victim}: done {seconds:.0f} s after the kill, at attempt {ended['attempt']}")  # noqa: T201 - make drill-kill shows it

    assert ended["status"] == "succeeded", ended
    assert ended["attempt"] <= 3
    assert stack.get(f"/v1/models/{model}")["champion"]["version"] == 1
    assert stack.get(f"/v1/training-runs/{run['id']}")["model_version"] == 1
    assert stack.get(f"/v1/forecasts/{forecast['id']}") == forecast
    wait(lambda: stack.get("/readyz")["status"] == "ok", 30, "a whole stack")
