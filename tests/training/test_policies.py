"""Models that are trained again by themselves: on new data once it is quiet, and on a schedule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.permissions import Role
from apps.audit.models import AuditEvent
from apps.core.errors import NotFound
from apps.core.tenancy import TenantKey
from apps.datasets import services as datasets
from apps.jobs import schedules
from apps.jobs.errors import ScheduleInvalid
from apps.jobs.models import Job, JobState, Schedule
from apps.registry.models import Model
from apps.training import policies, queries
from apps.training.errors import PolicyInvalid
from apps.training.models import TrainingPolicy, TrainingRun
from tenants.context import tenant_scope
from tests import trained
from tests.accounts.browser import Browser
from tests.dashboard.conftest import ACME, member
from tests.forecasts.conftest import program
from tests.jobs.conftest import perform_first
from tests.training.conftest import finish, job_of

__all__ = ["member", "program"]
Train = Callable[..., TrainingRun]
OFF: dict[str, Any] = {
    "on_new_data": False, "quiet_minutes": 10, "cron": "", "zone": "UTC", "policy": "promote",
    "warm_start": False, "refresh": False,
}  # fmt: skip


def wanted(name: str = "sales", **settings: Any) -> TrainingPolicy:
    return policies.set_policy(model_name=name, **{**OFF, **settings})


def add(*rows: tuple[str, str, float]) -> None:
    """New points of the data set ``sales``."""
    given = [{"unique_id": series, "ds": ds, "y": y} for series, ds, y in rows]
    datasets.append(slug="sales", rows=given, known_at=None)


def month_after() -> None:
    add(*((name, "2021-01-01", 120.0) for name in trained.SERIES_IDS))


def due(tenant: TenantKey) -> Job:
    """The job that the schedule for new data queues, as if its time had come."""
    with tenant_scope(tenant):
        Schedule.objects.filter(kind=policies.JOB).update(next_run_at=timezone.now() - timedelta(seconds=1))
    schedules.run_due()
    with tenant_scope(tenant):
        job = Job.objects.filter(kind=policies.JOB).latest("created_at")
    perform_first(job)
    with tenant_scope(tenant):
        return Job.objects.get(id=job.id)


def test_new_data_trains_once_it_is_quiet_and_as_the_model_was_trained(
    train: Train, tenant: TenantKey
) -> None:
    first = train(candidates=["theta"], seed=5)
    with tenant_scope(tenant):
        wanted(on_new_data=True)
        before = timezone.now()
        month_after()
        schedule = Schedule.objects.get(kind=policies.JOB)
        assert timedelta(minutes=10) <= schedule.next_run_at - before <= timedelta(minutes=12)
    job = due(tenant)
    assert job.state == JobState.SUCCEEDED, job.error
    with tenant_scope(tenant):
        run = queries.list_runs().exclude(id=first.id).get()
        assert not Schedule.objects.filter(kind=policies.JOB).exists(), "it comes once"
        assert TrainingPolicy.objects.get().waiting_since is None
    assert job.result == {"training_run": run.public_id}
    assert (run.spec, run.origin, run.dataset_version.number) == (first.spec, "data", 2)
    run = finish(tenant, run)
    assert run.model_version is not None
    with tenant_scope(tenant):
        assert Model.objects.get().champion_id == run.model_version_id


def test_changes_in_a_row_put_the_training_off_but_not_for_ever(
    train: Train, tenant: TenantKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    train()
    with tenant_scope(tenant):
        policy = wanted(on_new_data=True)
        start, times = timezone.now(), []
        for minutes in (0, 5, 30, 57, 61):
            policy.refresh_from_db()
            policies._put_off(policy, start + timedelta(minutes=minutes))
            times.append((Schedule.objects.get(kind=policies.JOB).next_run_at - start) / timedelta(minutes=1))
    assert [round(each) for each in times] == pytest.approx([10, 15, 40, 60, 60], abs=1.1)


def test_nothing_new_is_not_trained_on_again(train: Train, tenant: TenantKey) -> None:
    train()
    with tenant_scope(tenant):
        wanted(cron="0 6 * * 1")
    job = due(tenant)
    assert job.state == JobState.SUCCEEDED
    assert job.result == {"skipped": "it was trained on version 1 of the data before"}
    with tenant_scope(tenant):
        assert TrainingRun.objects.count() == 1
        assert Schedule.objects.filter(kind=policies.JOB).exists(), "the schedule stays"


def test_a_challenger_leaves_the_champion_alone(train: Train, tenant: TenantKey) -> None:
    first = train()
    with tenant_scope(tenant):
        wanted(cron="0 6 * * 1", policy="challenger")
        month_after()
    due(tenant)
    with tenant_scope(tenant):
        run = TrainingRun.objects.exclude(id=first.id).get()
    assert (run.policy, run.origin) == ("challenger", "schedule")
    run = finish(tenant, run)
    assert run.model_version is not None
    with tenant_scope(tenant):
        assert Model.objects.get().champion_id == first.model_version_id


def test_a_warm_start_begins_with_the_members_that_counted(train: Train, tenant: TenantKey) -> None:
    first = train(effort="fast", candidates=["theta", "damped", "drift"])
    with tenant_scope(tenant):
        wanted(on_new_data=True, warm_start=True)
        month_after()
    due(tenant)
    with tenant_scope(tenant):
        run = TrainingRun.objects.exclude(id=first.id).get()
    counted = [line["name"] for line in first.leaderboard if line["weight"] and line["name"] != "auto"]
    assert (run.spec["candidates"], run.spec["warm_from"]) == (counted, 1)


def test_new_points_alone_are_brought_in_without_training(
    train: Train, tenant: TenantKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train(candidates=["theta"])
    with tenant_scope(tenant):
        wanted(on_new_data=True, refresh=True)
        month_after()
    due(tenant)
    with tenant_scope(tenant):
        run = TrainingRun.objects.exclude(id=first.id).get()
    with monkeypatch.context() as broken:
        broken.setattr("apps.engine.training.train", lambda *_: pytest.fail("it was trained"))
        run = finish(tenant, run)
    assert job_of(tenant, run).state == JobState.SUCCEEDED, job_of(tenant, run).error
    assert run.refreshed
    assert run.model_version is not None
    assert (run.model_version.number, run.model_version.cutoff[:10]) == (2, "2021-01-01")
    assert run.leaderboard == first.leaderboard
    assert "version 1 without training" in run.notes[0]


def test_where_the_past_was_corrected_it_is_trained_and_says_why(train: Train, tenant: TenantKey) -> None:
    first = train(candidates=["theta"])
    with tenant_scope(tenant):
        wanted(on_new_data=True, refresh=True)
        add(("series-0", "2020-12-01", 500.0), ("series-0", "2021-01-01", 120.0))
    due(tenant)
    with tenant_scope(tenant):
        run = TrainingRun.objects.exclude(id=first.id).get()
    run = finish(tenant, run)
    assert not run.refreshed
    assert run.model_version is not None
    assert "could not just be brought in: Series 'series-0' has 500.0" in run.notes[0]


def test_a_job_that_is_done_twice_starts_one_training(train: Train, tenant: TenantKey) -> None:
    train()
    with tenant_scope(tenant):
        policy = wanted(on_new_data=True)
        month_after()

    class Held:
        def hold(self) -> None:
            """The lease is ours."""

    with tenant_scope(tenant):
        for _ in range(2):
            policies.perform(policy_id=policy.id, origin="data", progress=Held())  # type: ignore[arg-type] # all that is used of it
        assert TrainingRun.objects.count() == 2


def test_what_cannot_be_kept_is_refused_and_leaves_nothing(acme: TenantKey) -> None:
    with tenant_scope(acme):
        trained.model("sales")
        with pytest.raises(PolicyInvalid, match="Say when to train"):
            wanted()
        with pytest.raises(ScheduleInvalid):
            wanted(cron="every monday")
        with pytest.raises(ScheduleInvalid):
            wanted(cron="0 6 * * 1", zone="Atlantis")
        with pytest.raises(NotFound):
            wanted("other", on_new_data=True)
        assert not TrainingPolicy.objects.exists()
        assert not Schedule.objects.filter(kind=policies.JOB).exists()


def test_a_policy_is_replaced_removed_and_audited(acme: TenantKey) -> None:
    with tenant_scope(acme):
        trained.model("sales")
        wanted(cron="0 6 * * 1", zone="Europe/Berlin")
        wanted(on_new_data=True)
        assert not Schedule.objects.filter(kind=policies.JOB).exists(), "the schedule was taken back"
        policies.remove_policy(model_name="sales")
        policies.remove_policy(model_name="sales")
        assert not TrainingPolicy.objects.exists()
        changes = AuditEvent.objects.filter(action__startswith="training_policy.").order_by(
            "occurred_at", "id"
        )
        assert [event.action for event in changes] == [
            "training_policy.set", "training_policy.set", "training_policy.removed",
        ]  # fmt: skip
        assert changes[1].changes["before"]["cron"] == "0 6 * * 1"


class TestDoors:
    """``/v1/models/{name}/training-policy`` and its page."""

    def test_a_program_sets_reads_and_removes_it(
        self, acme: TenantKey, program: Callable[..., Client]
    ) -> None:
        with tenant_scope(acme):
            trained.model("sales")
        client, path = program(acme), "/v1/models/sales/training-policy"
        assert client.get(path).json() == {"model": "sales", "enabled": False}
        body = {"cron": "0 6 * * 1", "timezone": "Europe/Berlin", "policy": "challenger"}
        shown = client.put(path, body, content_type="application/json").json()
        assert (shown["cron"], shown["timezone"], shown["policy"]) == (
            "0 6 * * 1",
            "Europe/Berlin",
            "challenger",
        )
        assert client.get(path).json() == shown
        assert client.delete(path).status_code == 204
        assert client.get(path).json()["enabled"] is False
        refused = client.put(path, {"policy": "hope"}, content_type="application/json")
        assert [error["pointer"] for error in refused.json()["errors"]] == ["/policy"]

    def test_a_person_sets_and_removes_it(self, acme: TenantKey, member: Callable[[Role], Browser]) -> None:
        with tenant_scope(acme):
            trained.model("sales")
        alice, path = member(Role.OWNER), f"{ACME}/training/again/sales/"
        assert "by hand only" in alice.visit(path).content.decode()
        form = {"cron": "0 6 * * 1", "zone": "Europe/Berlin", "quiet_minutes": 15, "policy": "register"}
        alice.submit(path, form)
        text = alice.visit(path).content.decode()
        assert 'value="0 6 * * 1"' in text
        refused = alice.submit(path, {**form, "cron": "soon"})
        assert (refused.status_code, "not a cron expression" in refused.content.decode()) == (422, True)
        alice.submit(f"{path}remove/", {})
        with tenant_scope(acme):
            assert not TrainingPolicy.objects.exists()
