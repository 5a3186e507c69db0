"""A hundred processes are killed under load: no job is lost, none is done twice, and work goes on within a minute.

Takes about half an hour, so it runs by `make drill-jobs` and not with every test. `ALMANAC_KILLS` says how many others.
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis as redis_package
from django.utils import timezone

from apps.jobs import dispatch
from apps.jobs.models import Job, JobState
from apps.training import services
from tenants.context import system_scope, tenant_scope
from tests import factories, trained
from tests.faults.running import Stack, child_of, wait
from tests.faults.test_killed_child import worker
from tests.jobs.conftest import row
from tests.training.conftest import mlflow

__all__ = ["mlflow", "worker"]
pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(os.environ.get("ALMANAC_DRILL") != "1", reason="half an hour: make drill-jobs"),
]
KILLS = int(os.environ.get("ALMANAC_KILLS", "100"))
VICTIMS = ("child", "worker-training", "worker-interactive", "valkey", "postgres")
SHARES = (40, 20, 10, 15, 15)
IN_FLIGHT = 3
RESUMED_SECONDS = 60


def say(text: str) -> None:
    """A line for who runs the drill."""
    sys.stdout.write(f"\n{text}\n")
    sys.stdout.flush()


@dataclass
class Load:
    """Trainings of small models, each under a name of its own, so that what was asked for is known by name."""

    stack: Stack
    asked: dict[str, str] = field(default_factory=dict)  # model: job
    retried: int = 0
    number: int = 0

    def keep_busy(self) -> None:
        """As many trainings under way as ``IN_FLIGHT``."""
        under_way = self.stack.ask("GET", "/v1/jobs?state=queued&kind=training.run&limit=50")
        if under_way is not None and len(under_way.json()["data"]) < IN_FLIGHT:
            self.number += 1
            self.ask(f"kill-{self.number}")

    def ask(self, model: str) -> None:
        """Ask for a training; where no answer came, look first whether it was heard."""
        body = {
            "dataset": self.stack.announced["dataset"],
            "horizon": 6,
            "model": model,
            "candidates": ["theta"],
        }
        answer = self.stack.ask("POST", "/v1/training-runs", body)
        if answer is None:
            found = self._find(model)
            if found is None:
                self.number -= 1  # it was not heard: the next one takes the name
                return
            self.asked[model] = found
        else:
            assert answer.status_code == 202, answer.text
            self.asked[model] = answer.json()["job"]

    def _find(self, model: str) -> str | None:
        runs = self.stack.get("/v1/training-runs?limit=100")["data"]
        return next((run["job"] for run in runs if run["model"] == model), None)

    def settle(self) -> None:
        """Wait for the end of all; what was given up, after three kills of one job, is asked for again, as a customer would."""
        for job in self.asked.values():
            ended = wait(lambda job=job: self._ended(job), 300, f"the end of {job}")
            while ended["status"] != "succeeded":
                assert ended["error"]["code"] == "job_lost", ended
                assert "3 times" in ended["error"]["detail"]
                self.retried += 1
                asked = wait(lambda job=job: self.stack.ask("POST", f"/v1/jobs/{job}/retry"), 60, "a retry")
                assert asked.status_code == 202, asked.text
                ended = wait(lambda job=job: self._ended(job), 300, f"the end of {job}")

    def _ended(self, job: str) -> dict[str, Any] | None:
        shown = self.stack.get(f"/v1/jobs/{job}")
        return None if shown["status"] in ("queued", "running") else shown


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    root = Path(tempfile.mkdtemp(prefix="alm-j-"))
    root.chmod(0o711)  # PostgreSQL runs as another user, who must be able to pass through
    made = Stack.start(root)
    yield made
    made.stop()
    shutil.rmtree(root)


def owner(stack: Stack, statement: str) -> list[tuple[Any, ...]]:
    """What the database's owner sees."""
    dsn = psutil.Process(stack.pid("worker-interactive")).environ()["ALMANAC_OWNER_DSN"]
    with psycopg.connect(dsn) as connection:
        return connection.execute(statement.encode()).fetchall()


def kill(stack: Stack, victim: str) -> bool:
    """``kill -9``; PostgreSQL's postmaster falls as by ``pg_ctl -m immediate``. Whether it was there."""
    try:
        process = (
            child_of(stack.pid("worker-training")) if victim == "child" else psutil.Process(stack.pid(victim))
        )
        if victim == "postgres":
            process.send_signal(3)  # SIGQUIT: immediate
        else:
            process.kill()
    except (psutil.NoSuchProcess, KeyError, AssertionError):
        return False
    return True


def test_after_a_hundred_kills_each_job_was_done_once_and_work_went_on_within_a_minute(stack: Stack) -> None:
    dice, load, kills = random.Random(6), Load(stack), []
    while len(kills) < KILLS:
        load.keep_busy()
        until = time.monotonic() + dice.uniform(3, 12)
        while time.monotonic() < until:
            time.sleep(0.5)
            load.keep_busy()
        victim = dice.choices(VICTIMS, SHARES)[0]
        if kill(stack, victim):
            kills.append((dt.datetime.now(dt.UTC), victim))
    load.settle()
    resumed = sorted(_resumed(stack, load, [at for at, victim in kills if victim != "valkey"]))
    p95 = statistics.quantiles(resumed, n=20)[-1] if len(resumed) > 1 else 0.0
    counts = {victim: sum(each == victim for _at, each in kills) for victim in VICTIMS}
    say(
        f"{len(kills)} kills {counts}; {len(load.asked)} trainings, {len(resumed)} struck, {load.retried} given up after three "
        f"attempts and asked for again; resumed p50 {statistics.median(resumed or [0]):.0f} s, p95 {p95:.0f} s, "
        f"at most {max(resumed or [0]):.0f} s"
    )
    schema = owner(
        stack, "SELECT schema_name FROM tenants_tenant WHERE slug IS NOT NULL ORDER BY created_at LIMIT 1"
    )
    versions = dict(
        owner(
            stack,
            f"SELECT m.name, count(*) FROM {schema[0][0]}.registry_modelversion v"
            f" JOIN {schema[0][0]}.registry_model m ON m.id = v.model_id GROUP BY m.name",
        )
    )
    assert {model: versions.get(model) for model in load.asked} == dict.fromkeys(load.asked, 1)
    billed = owner(
        stack,
        "SELECT receipt ->> 'model', count(*) FROM usage_usageevent WHERE kind = 'training_seconds' GROUP BY 1",
    )
    assert {model: count for model, count in billed if model in load.asked} == dict.fromkeys(load.asked, 1)
    events = owner(
        stack, "SELECT data ->> 'id', count(*) FROM events_event WHERE type = 'job.succeeded' GROUP BY 1"
    )
    assert {job: count for job, count in events if job in load.asked.values()} == dict.fromkeys(
        load.asked.values(), 1
    )
    assert p95 <= RESUMED_SECONDS


def _resumed(stack: Stack, load: Load, kills: list[dt.datetime]) -> Iterator[float]:
    """Seconds from the kill that struck an attempt to the beginning of the next."""
    for job in load.asked.values():
        lines = stack.get(f"/v1/jobs/{job}/logs")["data"]
        told = [line for line in lines if " begins" in line["text"] or line["text"] == "Queued again"]
        for first, second in itertools.pairwise(told):
            if "Queued again" in (first["text"], second["text"]):
                continue  # given up, and asked for again by its owner
            before, after = (dt.datetime.fromisoformat(line["at"]) for line in (first, second))
            struck = [at for at in kills if before <= at <= after]
            if struck:
                yield (after - struck[0]).total_seconds()


def test_what_waits_runs_within_a_minute_of_a_flushed_redis(stack: Stack) -> None:
    load = Load(stack)
    for number in range(8):
        load.ask(f"flush-{number}")
    assert len(load.asked) == 8
    url = psutil.Process(stack.pid("worker-interactive")).environ()["REDIS_URL"]
    redis_package.Redis.from_url(url).flushall()
    began = time.monotonic()
    load.settle()
    seconds = time.monotonic() - began
    say(f"8 trainings were done {seconds:.0f} s after FLUSHALL")
    assert seconds <= 60


def test_a_poisoned_job_is_tried_three_times_and_its_owner_is_told_why(stack: Stack) -> None:
    load = Load(stack)
    load.ask("poison")
    job = load.asked["poison"]
    struck: set[int] = set()

    def strike() -> dict[str, Any] | None:
        shown = stack.get(f"/v1/jobs/{job}")
        if shown["status"] == "running" and shown["attempt"] not in struck:
            struck.add(shown["attempt"])
            child_of(stack.pid("worker-training")).kill()
        return shown if shown["status"] not in ("queued", "running") else None

    ended = wait(strike, 240, "the end")
    assert (ended["status"], ended["attempt"], struck) == ("failed", 3, {1, 2, 3})
    assert ended["error"]["code"] == "job_lost"
    say(f"poison: {ended['error']['detail']}")


def test_one_job_waits_for_no_more_than_what_runs_however_many_another_tenant_queued(
    worker: int, mlflow: Any
) -> None:
    acme, globex = factories.tenant("acme").key, factories.tenant("globex").key
    with tenant_scope(acme):
        slug = trained.dataset("Sales").slug
        for _ in range(1000):
            services.start(dataset_slug=slug, horizon=6, candidates=["theta"])
    with tenant_scope(globex):
        slug = trained.dataset("Sales").slug
    done = Job.objects.filter(tenant_id=acme.id, state=JobState.SUCCEEDED)

    def some_are_done() -> bool:
        with system_scope("operator"):
            return done.count() >= 3

    wait(some_are_done, 120, "acme's first jobs")
    with tenant_scope(globex):
        run = services.start(dataset_slug=slug, horizon=6, candidates=["theta"])
    asked_at = timezone.now()  # by now it is committed, so a worker may know of it
    wait(lambda: row(run.job_id).started_at, 60, "globex' turn")
    one = row(run.job_id)
    with system_scope("operator"):
        running = list(
            Job.objects.filter(tenant_id=acme.id, started_at__lte=asked_at, finished_at__gt=asked_at)
        )
        between = Job.objects.filter(
            tenant_id=acme.id, started_at__gt=asked_at, started_at__lt=one.started_at
        ).count()
        waiting = Job.objects.filter(tenant_id=acme.id, state=JobState.QUEUED).count()
        Job.objects.filter(state=JobState.QUEUED).update(state=JobState.CANCELLED)
    free_at = max([job.finished_at for job in running], default=asked_at)
    after = (one.started_at - free_at).total_seconds()
    say(
        f"{waiting} of acme's jobs waited; globex' one began {after:.2f} s after the one that ran ended; {between} began before it"
    )
    assert between == 0
    assert after <= 1
    dispatch.sweep()
