"""kill -9 while a tenant is made, or erased: the reconciler brings it to ready or gone, never in between.

Four moments of each in every run; all twenty by `make drill-tenants`.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from mlflow import MlflowClient

from apps.core import cache, storage
from apps.core.tenancy import TenantKey
from apps.registry import mlflow_store
from tenants import checks, reconciler, schemas, services
from tenants.models import Tenant, TenantErasure
from tests.faults.running import wait
from tests.tenants.conftest import owner, spare
from tests.tenants.test_erasing import furnish
from tests.training.conftest import mlflow

__all__ = ["mlflow", "spare"]
pytestmark = pytest.mark.stack
DRILL = os.environ.get("ALMANAC_DRILL") == "1"
MOMENTS = 20 if DRILL else 4
SECONDS = 60


class Work:
    """A process that makes or erases a tenant."""

    def __init__(self, work: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.tenant_work", work],
            cwd=settings.BASE_DIR,
            env=dict(os.environ),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "go"
        self.started = time.monotonic()

    def finish(self) -> float:
        """How long it takes when nobody kills it, in seconds."""
        assert self._line() == "done"
        seconds = time.monotonic() - self.started
        self.process.communicate(timeout=30)
        return seconds

    def kill_after(self, seconds: float) -> bool:
        """``kill -9`` after so long; whether it was still at it."""
        time.sleep(max(0.0, self.started + seconds - time.monotonic()))
        self.process.kill()
        said, _ = self.process.communicate(timeout=30)
        return "done" not in said

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


class Moments:
    """Random moments within a work's duration, one in each of as many equal parts; it learns when the work is quicker."""

    def __init__(self, duration: float) -> None:
        self._dice, self.duration = random.Random(20), duration
        self.hits = self.tries = 0
        self.slowest = 0.0

    def __bool__(self) -> bool:
        assert self.tries <= 6 * MOMENTS, "the work is over before it can be killed"
        return self.hits < MOMENTS

    def kill(self, work: Work) -> None:
        """Kill ``work`` at the next moment."""
        self.tries += 1
        if work.kill_after((self.hits + self._dice.random()) / MOMENTS * self.duration):
            self.hits += 1
        else:
            self.duration *= 0.9

    def note(self, seconds: float) -> None:
        """How long it took until all was sound again."""
        assert seconds < SECONDS
        self.slowest = max(self.slowest, seconds)

    def tell(self, what: str) -> None:
        """A line for who runs the drill."""
        sys.stdout.write(
            f"\n{what}: {self.hits} kills within {self.duration:.2f} s; the slowest was sound again {self.slowest:.1f} s later\n"
        )


def converge() -> float:
    """Rounds of the reconciler until nothing stands between two states; how long that took, in seconds."""
    started = time.monotonic()

    def done() -> bool:
        reconciler.reconcile()
        return not owner(
            "SELECT 1 FROM tenants_tenant WHERE state = 'creating' OR erasure_started_at IS NOT NULL AND state <> 'gone'"
        )

    wait(done, SECONDS, "the end of what was begun")
    return time.monotonic() - started


@pytest.mark.parametrize("work", ["create", "create-by-executor"])
def test_a_tenant_whose_making_was_killed_is_ready_or_absent(committed: None, work: str) -> None:
    before = {schema for (schema,) in owner("SELECT schema_name FROM tenants_tenant")}
    moments = Moments(min(Work(work).finish() for _ in range(2)))
    while moments:
        moments.kill(Work(work))
        moments.note(converge())
        assert checks.find_faults() == []
    moments.tell(work)
    for schema, state in owner("SELECT schema_name, state FROM tenants_tenant"):
        if schema not in before:
            assert state == "ready"
            schemas.drop(schema)
            owner("DELETE FROM tenants_tenant WHERE schema_name = %s", schema)


def test_a_tenant_whose_erasure_was_killed_is_gone_with_all_it_had(
    spare: Callable[[str], Tenant], mlflow: MlflowClient
) -> None:
    prepare(spare("initech-0"), mlflow)
    moments = Moments(Work("erase").finish())
    while moments:
        tenant = spare(f"initech-{moments.tries + 1}")
        prepare(tenant, mlflow)
        moments.kill(Work("erase"))
        moments.note(converge() if begun(tenant) else erase_later())
        assert_gone(tenant)
        assert checks.find_faults() == []
    moments.tell("erase")


def prepare(tenant: Tenant, client: MlflowClient) -> None:
    """Something of each kind, and the request to erase it at once."""
    furnish(tenant.key)
    folder = mlflow_store._artifacts(tenant.key)
    folder.mkdir(parents=True)
    experiment = client.create_experiment(tenant.schema_name, artifact_location=folder.as_uri())
    run = client.create_run(experiment)
    client.log_text(run.info.run_id, "weights", "bundle/x.txt")
    client.create_registered_model(f"{tenant.schema_name}.sales")
    services.request_deletion(tenant_id=tenant.id, reason="A drill", grace_days=0)


def begun(tenant: Tenant) -> bool:
    """Whether the erasure had begun when it was killed."""
    tenant.refresh_from_db(using="owner")
    return tenant.erasure_started_at is not None


def erase_later() -> float:
    """The next round comes, after a process that was killed before it began; in seconds."""
    started = time.monotonic()
    wait(lambda: reconciler.reconcile().erased, SECONDS, "the erasure")
    return time.monotonic() - started


def assert_gone(tenant: Tenant) -> None:
    """Nothing is left, and a finished certificate says so."""
    key: TenantKey = tenant.key
    tenant.refresh_from_db(using="owner")
    assert tenant.state == "gone"
    left: list[Any] = [*storage.list_files(key), *cache.list_keys(key), *mlflow_store.list_leftovers(key)]
    assert left == []
    assert not schemas.schema_exists(key.schema)
    assert not schemas.role_exists(key.schema)
    certificate = TenantErasure.objects.using("owner").get(tenant_id=tenant.id)
    assert certificate.finished_at is not None
    assert certificate.removed["jobs_job"] == 1
