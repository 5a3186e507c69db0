"""Asking for a training: what is queued, and what is refused before anything is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from apps.accounts.permissions import Role
from apps.core.errors import NotFound
from apps.core.tenancy import TenantKey
from apps.jobs.models import Job
from apps.registry.errors import ModelNameTaken
from apps.training import asking, services
from apps.training.errors import InvalidTraining, TrainingOverBudget
from apps.training.models import TrainingRun
from tenants.context import tenant_scope
from tests import trained
from tests.accounts.browser import Browser
from tests.dashboard.conftest import ACME, member
from tests.forecasts.conftest import program

__all__ = ["member", "program"]
Program = Callable[..., Client]
Member = Callable[[Role], Browser]


@pytest.fixture(autouse=True)
def in_acme(acme: TenantKey) -> None:
    """acme has the data set ``sales``."""
    with tenant_scope(acme):
        trained.dataset("Sales")


def test_a_run_is_queued_with_everything_that_makes_it_repeatable(acme: TenantKey) -> None:
    with tenant_scope(acme):
        run = services.start(dataset_slug="sales", horizon=12, candidates=["auto_ets"], seed=3)
        job = Job.objects.get(id=run.job_id)
    assert run.spec == {
        "horizon": 12,
        "levels": [80, 95],
        "effort": "balanced",
        "candidates": ["auto_ets"],
        "seed": 3,
    }
    assert (run.model_name, run.dataset_version.number) == ("sales", 1)
    assert (job.kind, job.queue, job.payload) == ("training.run", "training", {"run_id": str(run.id)})


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"horizon": 0}, "between 1 and 1000"),
        ({"horizon": 1001}, "between 1 and 1000"),
        ({"candidates": ["prophet"]}, "'prophet'"),
        ({"effort": "heroic"}, "'heroic'"),
        ({"covariates": ["weather"]}, "no covariate 'weather'"),
        ({"hierarchy": ["region"]}, "no attribute 'region'"),
        ({"country": "XX"}, "ISO 3166"),
        ({"country": "DE-XX"}, "no subdivision 'XX'"),
        ({"events": [{"name": "Fair", "times": ["soon"]}]}, "'soon' cannot be read"),
        ({"over_cost": 1.0}, "both what a unit too much"),
        ({"over_cost": 0.0, "under_cost": 0.0}, "not both 0"),
        ({"over_cost": 1.0, "under_cost": 2.0, "currency": "Euro"}, "three capital letters"),
        ({"as_of": datetime(2999, 1, 1, tzinfo=UTC)}, "in the future"),
        ({"time_budget_seconds": 1.0}, "between 5 and"),
        ({"levels": [80, 80]}, "each given once"),
        ({"upper": -1.0, "non_negative": True}, "must not be below 0"),
        ({"warm_from": 3}, "no version 3"),
    ],
)
def test_a_wish_out_of_range_is_refused(acme: TenantKey, wishes: dict[str, Any], words: str) -> None:
    with tenant_scope(acme):
        with pytest.raises(InvalidTraining, match=words):
            services.start(**{"dataset_slug": "sales", "horizon": 3, **wishes})
        assert not TrainingRun.objects.exists()
        assert not Job.objects.exists()


def test_every_fault_is_named_at_its_field(acme: TenantKey) -> None:
    with tenant_scope(acme), pytest.raises(InvalidTraining) as caught:
        services.start(dataset_slug="sales", horizon=0, country="XX", over_cost=1.0)
    assert [fault.pointer for fault in caught.value.errors] == ["/horizon", "/country", "/under_cost"]


def test_only_what_was_asked_for_stands_in_the_spec(acme: TenantKey) -> None:
    wishes: dict[str, Any] = {
        "country": "DE-BY",
        "events": [{"name": "Fair", "times": ["2020-05-01"]}],
        "integer": True,
        "upper": 500.0,
        "over_cost": 1.0,
        "under_cost": 4.0,
        "currency": "EUR",
        "time_budget_seconds": 60.0,
        "covariates": [],
    }
    with tenant_scope(acme):
        run = services.start(dataset_slug="sales", horizon=3, **wishes)
    assert run.spec == {
        "horizon": 3, "levels": [80, 95], "effort": "balanced", "candidates": None, "seed": 0, **wishes,
    }  # fmt: skip
    spec = asking.engine_spec(run.spec)
    assert (spec.costs, spec.country, spec.events[0].name) == ((1.0, 4.0), "DE-BY", "Fair")


def test_an_estimate_starts_nothing(acme: TenantKey) -> None:
    with tenant_scope(acme):
        found = services.estimate(dataset_slug="sales", horizon=6, effort="fast")
        assert not TrainingRun.objects.exists()
        assert not Job.objects.exists()
    assert (found.rows, found.series, found.units, found.price) == (216, 3, 1, None)
    assert found.seconds > 0
    assert [limit.breaks for limit in found.limits] == [False, False]


def test_an_estimate_learns_from_what_trainings_took_here(acme: TenantKey) -> None:
    with tenant_scope(acme):
        before = services.estimate(dataset_slug="sales", horizon=6, effort="fast").seconds
        for _ in range(5):
            run = services.start(dataset_slug="sales", horizon=6, effort="fast")
            TrainingRun.objects.filter(id=run.id).update(seconds=8 * before)
        found = services.estimate(dataset_slug="sales", horizon=6, effort="fast")
    assert found.learned_from == 5
    assert 4 * before < found.seconds < 8 * before


def test_an_estimate_warns_of_what_will_not_do(acme: TenantKey) -> None:
    with tenant_scope(acme):
        far = services.estimate(dataset_slug="sales", horizon=100)
        hurried = services.estimate(dataset_slug="sales", horizon=3, effort="best", time_budget_seconds=5.0)
        services.start(dataset_slug="sales", horizon=3)
        waiting = services.estimate(dataset_slug="sales", horizon=3)
    assert "shorter horizon" in far.warnings[0]
    assert "left out" in hurried.warnings[0]
    assert [limit.name for limit in waiting.limits if limit.breaks] == ["running_jobs"]


def test_what_one_job_may_not_take_is_refused(acme: TenantKey, settings: Any) -> None:
    settings.JOB_SECONDS = 0.001
    with tenant_scope(acme):
        with pytest.raises(TrainingOverBudget, match="Choose less effort"):
            services.start(dataset_slug="sales", horizon=3)
        assert not Job.objects.exists()


def test_a_warm_start_tries_the_members_that_counted(acme: TenantKey) -> None:
    with tenant_scope(acme):
        version = trained.model("sales", of=services.datasets.get_dataset(slug="sales"))
        earlier = services.start(dataset_slug="sales", horizon=3)
        lines = [
            {"name": "theta", "weight": 0.7},
            {"name": "auto", "weight": 1},
            {"name": "damped", "weight": 0},
        ]
        TrainingRun.objects.filter(id=earlier.id).update(model_version=version, leaderboard=lines)
        run = services.start(dataset_slug="sales", horizon=3, warm_from=1)
    assert (run.spec["candidates"], run.spec["warm_from"]) == (["theta"], 1)


def test_the_name_of_another_data_sets_model_is_refused(acme: TenantKey) -> None:
    with tenant_scope(acme):
        trained.model("taken", of=trained.dataset("Other"))
        with pytest.raises(ModelNameTaken, match="'taken' forecasts the data set 'Other'"):
            services.start(dataset_slug="sales", horizon=3, model_name="taken")
        assert services.start(dataset_slug="other", horizon=3, model_name="taken").model_name == "taken"


def test_a_data_set_of_another_tenant_is_not_there(globex: TenantKey) -> None:
    with tenant_scope(globex), pytest.raises(NotFound):
        services.start(dataset_slug="sales", horizon=3)


@pytest.mark.parametrize(("season", "horizon"), [(1, 6), (7, 28), (12, 24), (24, 48), (2, 6), (365, 96)])
def test_the_form_proposes_a_sensible_horizon(season: int, horizon: int) -> None:
    assert services.default_horizon(season_length=season) == horizon


class TestApi:
    """``/v1/training-runs``, ``/v1/jobs`` and ``/v1/models``."""

    def test_a_run_is_accepted_and_followed_to_its_job(self, acme: TenantKey, program: Program) -> None:
        client = program(acme)
        body = {"dataset": "sales", "horizon": 6, "candidates": ["seasonal_naive"]}
        answer = client.post("/v1/training-runs", body, content_type="application/json")
        assert answer.status_code == 202
        run = answer.json()
        assert (run["dataset"], run["model"], run["selected"]) == ("sales", "sales", None)
        assert answer["Location"] == f"/v1/jobs/{run['job']}"
        job = client.get(answer["Location"])
        assert (job.json()["status"], job.json()["type"], job["Retry-After"]) == (
            "queued",
            "training.run",
            "1",
        )
        assert client.get(f"/v1/training-runs/{run['id']}").json() == run
        assert [each["id"] for each in client.get("/v1/training-runs").json()["data"]] == [run["id"]]
        listed = client.get("/v1/jobs?state=queued&kind=training.run").json()["data"]
        assert [each["id"] for each in listed] == [run["job"]]
        assert client.get("/v1/jobs?state=failed").json()["data"] == []

    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            ({"dataset": "../sales"}, "/dataset"),
            ({"horizon": 0}, "/horizon"),
            ({"horizon": "many"}, "/horizon"),
            ({"model": "no spaces"}, "/model"),
            ({"candidates": []}, "/candidates"),
            ({"effort": "heroic"}, "/effort"),
            ({"candidates": "auto_ets"}, "/candidates"),
            ({"seed": -1}, "/seed"),
            ({"seed": 2**31}, "/seed"),
            ({"costs": {"over": -1, "under": 1}}, "/costs/over"),
            ({"events": [{"name": "Fair", "times": []}]}, "/events/0/times"),
            ({"non_negative": "sometimes"}, "/non_negative"),
            ({"as_of": "yesterday"}, "/as_of"),
            ({"tagret": "y"}, "/tagret"),
        ],
    )
    def test_a_faulty_field_is_pointed_at(
        self, acme: TenantKey, program: Program, fields: dict[str, Any], pointer: str
    ) -> None:
        body = {"dataset": "sales", "horizon": 6, **fields}
        answer = program(acme).post("/v1/training-runs", body, content_type="application/json")
        assert answer.status_code == 400
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]

    def test_a_dry_run_says_what_it_would_take(self, acme: TenantKey, program: Program) -> None:
        body = {"dataset": "sales", "horizon": 6, "effort": "fast", "dry_run": True}
        answer = program(acme).post("/v1/training-runs", body, content_type="application/json")
        assert answer.status_code == 200
        found = answer.json()
        assert (found["rows"], found["unit"], found["price"]) == (216, "training_minutes", None)
        assert {limit["name"] for limit in found["limits"]} == {"job_seconds", "running_jobs"}
        assert program(acme).get("/v1/training-runs").json()["data"] == []

    def test_what_only_the_data_set_can_tell_is_pointed_at_too(
        self, acme: TenantKey, program: Program
    ) -> None:
        body = {"dataset": "sales", "horizon": 6, "covariates": ["weather"], "country": "XX"}
        answer = program(acme).post("/v1/training-runs", body, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_training")
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/covariates", "/country"]

    def test_a_run_without_backtest_says_why(self, acme: TenantKey, program: Program) -> None:
        with tenant_scope(acme):
            run = services.start(dataset_slug="sales", horizon=3)
        answer = program(acme).get(f"/v1/training-runs/{run.public_id}/backtest")
        assert (answer.status_code, answer.json()["code"]) == (409, "no_backtest")
        assert "has not finished" in answer.json()["detail"]

    def test_a_job_is_cancelled_once(self, acme: TenantKey, program: Program) -> None:
        with tenant_scope(acme):
            run = services.start(dataset_slug="sales", horizon=3)
            job = Job.objects.get(id=run.job_id)
        client, path = program(acme), f"/v1/jobs/{job.public_id}/cancel"
        assert program(acme, "jobs:read").post(path).status_code == 403
        assert client.post(path).status_code == 202
        Job.objects.none()
        with tenant_scope(acme):
            assert Job.objects.get(id=job.id).cancel_requested_at is not None

    def test_another_tenants_jobs_runs_and_models_are_404(
        self, acme: TenantKey, globex: TenantKey, program: Program
    ) -> None:
        with tenant_scope(acme):
            run = services.start(dataset_slug="sales", horizon=3)
            trained.model("sales2", of=run.dataset)
            job = Job.objects.get(id=run.job_id)
        mallory = program(globex)
        for path in (f"/v1/jobs/{job.public_id}", f"/v1/training-runs/{run.public_id}", "/v1/models/sales2"):
            assert program(acme).get(path).status_code == 200
            answer = mallory.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert mallory.post(f"/v1/jobs/{job.public_id}/cancel").status_code == 404
        assert mallory.get("/v1/jobs").json()["data"] == []

    @pytest.mark.parametrize("query", ["state=%00", "kind=a%00b", "limit=x", "cursor=%00"])
    def test_a_parameter_that_cannot_be_meant_is_400(
        self, acme: TenantKey, program: Program, query: str
    ) -> None:
        assert program(acme).get(f"/v1/jobs?{query}").status_code == 400

    def test_a_model_tells_what_answers(self, acme: TenantKey, program: Program) -> None:
        with tenant_scope(acme):
            version = trained.model("monthly", of=services.datasets.get_dataset(slug="sales"))
        shown = program(acme).get("/v1/models/monthly").json()
        assert (shown["name"], shown["dataset"], shown["champion"]["version"]) == ("monthly", "sales", 1)
        assert shown["champion"]["sha256"] == version.bundle_sha256
        assert program(acme).get("/v1/models").json() == {"data": [shown]}


class TestPages:
    """The button Train."""

    def test_leads_to_a_page_that_shows_progress(self, member: Member, acme: TenantKey) -> None:
        alice = member(Role.OWNER)
        page = alice.submit(
            f"{ACME}/training/of/sales/", {"horizon": 6, "effort": "fast", "model_name": "sales"}
        )
        assert page.status_code == 200
        assert alice.trail[-1].startswith(f"{ACME}/training/run_")
        assert alice.visit(f"{alice.trail[-1]}progress/").status_code == 200

    def test_a_wrong_horizon_is_explained_beside_the_data(self, member: Member, acme: TenantKey) -> None:
        alice = member(Role.OWNER)
        page = alice.submit(
            f"{ACME}/training/of/sales/", {"horizon": 0, "effort": "fast", "model_name": "sales"}
        )
        assert page.status_code == 422
        assert 'id="id_horizon_error"' in page.content.decode()

    def test_a_fault_is_shown_at_its_field_and_what_was_typed_stays(
        self, member: Member, acme: TenantKey
    ) -> None:
        typed = {"horizon": 6, "effort": "fast", "model_name": "sales", "country": "XX", "over_cost": 3}
        page = member(Role.OWNER).submit(f"{ACME}/training/of/sales/", typed)
        text = page.content.decode()
        assert page.status_code == 422
        assert 'id="id_country_error"' in text
        assert 'id="id_under_cost_error"' in text
        assert 'value="XX"' in text
        assert "<details open>" in text

    def test_how_long_it_takes_is_told_while_the_form_is_filled_in(
        self, member: Member, acme: TenantKey
    ) -> None:
        alice, path = member(Role.OWNER), f"{ACME}/training/of/sales/estimate/"
        text = alice.visit(f"{path}?horizon=6&effort=fast&model_name=sales").content.decode()
        assert "3 series with 216 rows" in text
        assert "Complete the form" in alice.visit(f"{path}?horizon=&effort=fast").content.decode()
        refused = alice.visit(f"{path}?horizon=6&effort=fast&model_name=sales&country=XX").content.decode()
        assert "ISO 3166" in refused

    def test_the_form_has_a_page_of_its_own(self, member: Member, acme: TenantKey) -> None:
        text = member(Role.OWNER).visit(f"{ACME}/training/of/sales/").content.decode()
        assert 'name="under_cost"' in text
        assert 'name="totals"' not in text, "there is no hierarchy"

    def test_events_are_read_line_by_line(self, member: Member, acme: TenantKey) -> None:
        typed = {
            "horizon": 6,
            "effort": "fast",
            "model_name": "sales",
            "events": "Fair: 2020-03-01, 2021-03-01",
        }
        member(Role.OWNER).submit(f"{ACME}/training/of/sales/", typed)
        with tenant_scope(acme):
            run = TrainingRun.objects.get()
        assert run.spec["events"] == [{"name": "Fair", "times": ["2020-03-01", "2021-03-01"]}]

    def test_a_viewer_may_not_train(self, member: Member) -> None:
        answer = member(Role.VIEWER).submit(
            f"{ACME}/training/of/sales/", {"horizon": 6, "effort": "fast", "model_name": "sales"}
        )
        assert answer.status_code == 403
