"""What a run keeps: checkpoints for the next attempt, and every forecast of its backtest."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.permissions import Role
from apps.core import storage
from apps.core.tenancy import TenantKey
from apps.datasets.models import FileKind
from apps.datasets.services import files
from apps.engine import backtest as engine_backtest
from apps.events.models import Event
from apps.jobs.models import JobState
from apps.registry.models import ModelVersion
from apps.training import queries, recording, services
from apps.training.errors import NoBacktest, RunInUse
from apps.training.models import TrainingRun
from apps.usage.models import UsageEvent
from tenants.context import tenant_scope
from tests import trained
from tests.accounts.browser import Browser
from tests.dashboard.conftest import ACME, member
from tests.forecasts.conftest import program
from tests.training.conftest import finish, job_of
from tests.training.test_perform import change

__all__ = ["member", "program"]
Train = Callable[..., TrainingRun]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MIDDLE = datetime(2018, 12, 15, tzinfo=UTC)
COSTS: dict[str, Any] = {"over_cost": 1.0, "under_cost": 3.0, "currency": "EUR"}


class Killed(BaseException):
    """A worker that dies: no handler sees it."""


def stored(tenant: TenantKey, folder: str, run: TrainingRun) -> list[str]:
    return [path for path in storage.list_files(tenant) if f"/{folder}/{run.id.hex}/" in path]


def told(kind: str) -> list[dict[str, Any]]:
    return [event.data for event in Event.objects.using("owner").filter(type=kind)]


def test_the_attempt_after_a_killed_one_tries_only_the_candidates_that_were_left(
    train: Train, tenant: TenantKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    real = engine_backtest.run

    def dying(forecaster: Any, *rest: Any) -> Any:
        tried.append(forecaster.name)
        if forecaster.name == "damped" and tried.count("damped") == 1:
            raise Killed
        return real(forecaster, *rest)

    monkeypatch.setattr(engine_backtest, "run", dying)
    with pytest.raises(Killed):
        train(name="sales", candidates=["theta", "damped"])
    assert tried == ["seasonal_naive", "damped"]
    with tenant_scope(tenant):
        run = TrainingRun.objects.get()
    assert [each["stage"] for each in run.standings] == ["done", "running", "waiting"]
    assert [line["name"] for line in run.leaderboard] == ["seasonal_naive"], "the board so far"
    assert len(stored(tenant, recording.FOLDER, run)) == 1
    change(job_of(tenant, run), lease_until=timezone.now() - timedelta(seconds=1))
    run = finish(tenant, run)
    assert job_of(tenant, run).state == JobState.SUCCEEDED
    assert tried == ["seasonal_naive", "damped", "damped", "theta"]
    assert [(each["name"], each["restored"]) for each in run.standings] == [
        ("seasonal_naive", True),
        ("damped", False),
        ("theta", False),
    ]
    assert (run.checkpoints, stored(tenant, recording.FOLDER, run)) == ({}, [])


def test_a_damaged_checkpoint_is_tried_again(train: Train, tenant: TenantKey) -> None:
    run = train(candidates=["theta"])
    with tenant_scope(tenant):
        desk = recording.RunDesk(run, lambda *_: None)  # type: ignore[arg-type] # nothing is written
        sha256, path = storage.write_content(tenant, recording.FOLDER, b"whole", ".npz")
        desk._kept["key"] = [sha256, path]
        assert desk.find("key") == b"whole"
        storage.tenant_path(tenant, path).write_bytes(b"halve")
        assert desk.find("key") is None
        assert desk.find("other") is None


def test_what_a_cancelled_run_kept_goes_with_the_next_run_that_ends(
    train: Train, tenant: TenantKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as dying:
        dying.setattr(services, "_trained", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            train(name="sales")
    with tenant_scope(tenant):
        run = TrainingRun.objects.get()
    assert run.checkpoints
    change(job_of(tenant, run), state=JobState.CANCELLED)
    train(name="other")
    assert stored(tenant, recording.FOLDER, run) == []


def test_every_forecast_of_the_backtest_is_kept_and_gives_the_leaderboards_error(
    train: Train, tenant: TenantKey
) -> None:
    run = train(candidates=["theta"], **COSTS)
    with tenant_scope(tenant):
        frame = pl.read_parquet(
            io.BytesIO(storage.read_content(tenant, run.backtest_path, run.backtest_sha256))
        )
    assert frame.height == 10 * 3 * 6
    assert {"served", "seasonal_naive", "theta"} <= set(frame.columns)
    chosen = next(line for line in run.leaderboard if line["selected"])
    whole = run.breakdown["all"][0]
    assert whole["mase"] == pytest.approx(chosen["mase"])
    assert whole["cost"] == pytest.approx(chosen["cost"])
    assert whole["saved"] == pytest.approx(whole["naive_cost"] - whole["cost"])
    assert [row["step"] for row in run.breakdown["horizon"]] == [1, 2, 3, 4, 5, 6]
    assert [row["window"] for row in run.breakdown["window"]] == list(range(1, 11))
    first = frame.filter((pl.col("window") == 1) & (pl.col("step") == 1))
    assert set(first["cutoff"].dt.to_string("%Y-%m-%d")) == {"2020-06-01"}
    by_hand = sum((3.0 if gap < 0 else 1.0) * abs(gap) for gap in (frame["served"] - frame["y"]).to_list())
    assert whole["cost"] == pytest.approx(by_hand)


def test_what_happened_is_told_once(train: Train, tenant: TenantKey) -> None:
    run = train()
    assert told("training.succeeded") == [
        {
            "training_run": run.public_id,
            "job": job_of(tenant, run).public_id,
            "model": "sales",
            "dataset": "sales",
            "dataset_version": 1,
            "version": 1,
            "selected": "seasonal_naive",
            "url": f"/v1/training-runs/{run.public_id}",
        }
    ]
    assert [event["training_run"] for event in told("training.started")] == [run.public_id]


def test_what_a_training_took_is_in_the_ledger_once_whatever_is_killed(
    train: Train, tenant: TenantKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt ends between the version and the ledger."""
    charge, calls = services._charge, []

    def killed_first(run: TrainingRun) -> None:
        calls.append(run.public_id)
        if len(calls) == 1:
            raise RuntimeError("killed")
        charge(run)

    monkeypatch.setattr(services, "_charge", killed_first)
    run = train()
    assert job_of(tenant, run).state == JobState.QUEUED
    run = finish(tenant, run)
    run = finish(tenant, run)
    with tenant_scope(tenant):
        (event,) = UsageEvent.objects.all()
        assert ModelVersion.objects.count() == 1
    assert (event.kind, event.request_id) == ("training_seconds", f"job_{run.job_id.hex}")
    assert event.quantity == math.ceil(run.seconds or 0)
    assert len(told("training.succeeded")) == 1


def test_a_training_whose_data_came_to_nothing_fails_in_words_and_is_told(
    train: Train, tenant: TenantKey
) -> None:
    lines = "".join(f"a,2024-0{month}-01,{month}\n" for month in range(1, 10))
    with tenant_scope(tenant):
        data = trained.dataset("Future", "unique_id,ds,y\n" + lines)
        run = services.start(dataset_slug=data.slug, horizon=2, as_of=LONG_AGO)
    finish(tenant, run)
    job = job_of(tenant, run)
    assert job.state == JobState.FAILED
    assert job.error is not None
    assert job.error["code"] == "dataset_not_trainable"
    assert "No series has a value" in job.error["detail"]
    (event,) = told("training.failed")
    assert (event["training_run"], event["code"]) == (run.public_id, "dataset_not_trainable")


def test_a_crash_is_told_when_nobody_tries_again(
    train: Train, tenant: TenantKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        raise RuntimeError("no memory left")

    monkeypatch.setattr(services, "_train", crash)
    run = train()
    assert told("training.failed") == [], "it is tried again"
    for _ in range(2):
        run = finish(tenant, run)
    assert job_of(tenant, run).state == JobState.FAILED
    (event,) = told("training.failed")
    assert (event["code"], event["detail"]) == ("job_crashed", "RuntimeError: no memory left")
    assert run.model_version is None


def test_training_as_of_a_time_sees_what_was_known_then(train: Train, tenant: TenantKey) -> None:
    run = train(as_of=MIDDLE)
    assert run.model_version is not None
    assert run.model_version.cutoff.startswith("2018-12-01")
    assert run.spec["as_of"] == "2018-12-15T00:00:00+00:00"


def test_the_hierarchys_keys_make_totals_and_its_attributes_segments(train: Train, tenant: TenantKey) -> None:
    with tenant_scope(tenant):
        data = trained.dataset("Shops")
        version = services.datasets.get_current_version(dataset=data)
        regions = ["North", "North", "South"]
        frame = pl.DataFrame({"unique_id": list(trained.SERIES_IDS), "region": regions})
        with files.temporary(".parquet") as target:
            frame.write_parquet(target)
            version.statics = files.keep(FileKind.STATICS, target, ".parquet")
        version.columns = {**version.columns, "static": ["region"], "hierarchy": ["region"]}
        version.save()
        run = services.start(dataset_slug="shops", horizon=3, candidates=["seasonal_naive"], **COSTS)
        assert run.spec["hierarchy"] == ["region"]
    run = finish(tenant, run)
    segments = {row["value"]: row for row in run.breakdown["segment"]}
    assert segments["North"]["series"] == 3, "two series and their total"
    assert segments["South"]["series"] == 1, "a total of one series is that series"
    with tenant_scope(tenant):
        kept = pl.read_parquet(
            io.BytesIO(storage.read_content(tenant, run.backtest_path, run.backtest_sha256))
        )
    own = kept.filter(~pl.col("is_total"))
    assert set(kept["series_id"]) == {*trained.SERIES_IDS, "Total", "region=North"}
    gaps = (own["served"] - own["y"]).to_list()
    cost = sum((3.0 if gap < 0 else 1.0) * abs(gap) for gap in gaps)
    assert run.breakdown["all"][0]["cost"] == pytest.approx(cost), "totals cost nothing of their own"


def test_a_run_that_failed_is_deleted_with_what_it_kept_and_one_that_serves_is_not(
    train: Train, tenant: TenantKey
) -> None:
    run = train()
    with tenant_scope(tenant):
        with pytest.raises(RunInUse, match="made version 1 of sales"):
            services.delete_run(run_id=run.id)
        assert len(stored(tenant, services.BACKTESTS, run)) == 1
        TrainingRun.objects.filter(id=run.id).update(model_version=None)
        services.delete_run(run_id=run.id)
        assert not TrainingRun.objects.exists()
    assert stored(tenant, services.BACKTESTS, run) == []


def test_a_run_under_way_is_not_deleted(tenant: TenantKey) -> None:
    with tenant_scope(tenant):
        run = services.start(dataset_slug=trained.dataset().slug, horizon=3)
        with pytest.raises(RunInUse, match="cancel it first"):
            services.delete_run(run_id=run.id)


def test_too_short_a_history_has_no_backtest_and_says_so(train: Train, tenant: TenantKey) -> None:
    run = train(name="short", text="unique_id,ds,y\na,2024-01-01,1.5\na,2024-02-01,2.5\na,2024-03-01,2.5\n")
    with tenant_scope(tenant), pytest.raises(NoBacktest, match="long enough"):
        queries.backtest_by(run=run, by="horizon")


def test_a_constant_series_is_served_by_the_naive_and_the_run_says_so(
    train: Train, tenant: TenantKey
) -> None:
    lines = "".join(f"a,{2015 + step // 12}-{step % 12 + 1:02d}-01,5.0\n" for step in range(48))
    run = train(name="flat", text="unique_id,ds,y\n" + lines, candidates=["theta"])
    assert run.selected == "seasonal_naive"
    assert any("never changes" in note for note in run.notes), run.notes


@pytest.mark.parametrize("policy", ["register", "challenger"])
def test_a_version_that_is_only_registered_leaves_the_champion_alone(
    train: Train, tenant: TenantKey, policy: str
) -> None:
    first = train()
    with tenant_scope(tenant):
        second = services.start(dataset_slug="sales", horizon=3, candidates=["theta"], policy=policy)
    second = finish(tenant, second)
    assert second.model_version is not None
    assert second.model_version.number == 2
    with tenant_scope(tenant):
        assert second.model_version.model.champion_id == first.model_version_id


class TestDoors:
    """The API and the page show what was kept."""

    @pytest.fixture
    def run(self, train: Train) -> TrainingRun:
        return train(candidates=["theta"], **COSTS)

    @pytest.mark.parametrize(("by", "rows"), [("horizon", 6), ("window", 10), ("series", 3), ("segment", 0)])
    def test_errors_by_each_way(
        self, run: TrainingRun, tenant: TenantKey, program: Callable[..., Client], by: str, rows: int
    ) -> None:
        found = program(tenant).get(f"/v1/training-runs/{run.public_id}/backtest?by={by}").json()
        assert (len(found["data"]), found["pagination"]["total"], found["currency"]) == (rows, rows, "EUR")
        if by == "series":
            errors = [row["mase"] for row in found["data"]]
            assert errors == sorted(errors, reverse=True)
            assert sum(row["cost"] for row in found["data"]) == pytest.approx(found["overall"]["cost"])

    def test_series_come_page_by_page(
        self, run: TrainingRun, tenant: TenantKey, program: Callable[..., Client]
    ) -> None:
        client, path = program(tenant), f"/v1/training-runs/{run.public_id}/backtest?by=series&limit=2"
        first = client.get(path).json()
        assert first["pagination"] == {"total": 3, "has_more": True, "next_offset": 2}
        rest = client.get(f"{path}&offset=2").json()
        assert len(first["data"]) + len(rest["data"]) == 3
        assert rest["pagination"]["next_offset"] is None

    @pytest.mark.parametrize("query", ["by=colour", "format=pickle", "limit=x", "offset=-1", "limit=100000"])
    def test_what_cannot_be_meant_is_400(
        self, run: TrainingRun, tenant: TenantKey, program: Callable[..., Client], query: str
    ) -> None:
        answer = program(tenant).get(f"/v1/training-runs/{run.public_id}/backtest?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_page")

    def test_the_forecasts_are_given_out_in_three_formats(
        self, run: TrainingRun, tenant: TenantKey, program: Callable[..., Client]
    ) -> None:
        client, path = program(tenant), f"/v1/training-runs/{run.public_id}/backtest?format="
        files = {
            form: b"".join(client.get(path + form).streaming_content) for form in ("parquet", "csv", "ndjson")
        }  # type: ignore[attr-defined]
        frame = pl.read_parquet(io.BytesIO(files["parquet"]))
        lines = list(csv.DictReader(io.StringIO(files["csv"].decode())))
        objects = [json.loads(line) for line in files["ndjson"].decode().splitlines()]
        assert len(lines) == len(objects) == frame.height == 180
        assert float(lines[7]["served"]) == pytest.approx(objects[7]["served"]) == frame["served"][7]
        assert lines[0]["ds"] == objects[0]["ds"] == frame["ds"].dt.to_string("%Y-%m-%dT%H:%M:%S")[0]
        assert [
            path for path in storage.list_files(tenant) if "/incoming/" in path and path.endswith("csv")
        ] == []

    def test_the_page_shows_steps_windows_worst_series_and_money(
        self, run: TrainingRun, member: Callable[[Role], Browser]
    ) -> None:
        alice = member(Role.VIEWER)
        text = alice.visit(f"{ACME}/training/{run.public_id}/backtest/").content.decode()
        for words in ("By step ahead", "By window", "The worst series", "series-2", "EUR", "Jun 2020"):
            assert words in text, words
        page = alice.visit(f"{ACME}/training/{run.public_id}/backtest/csv/")
        assert b"".join(page.streaming_content).startswith(b"series_id,is_total,window")
        assert page["Content-Disposition"].endswith(f'{run.public_id}.csv"')
        assert alice.visit(f"{ACME}/training/{run.public_id}/backtest/pickle/").status_code == 404
        assert "Saved against the naive" in alice.visit(f"{ACME}/training/{run.public_id}/").content.decode()
