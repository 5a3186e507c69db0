"""Asking for a training: what is queued, and what is refused before anything is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.accounts.permissions import Role
from apps.core.errors import NotFound
from apps.core.tenancy import TenantKey
from apps.jobs.models import Job
from apps.registry.errors import ModelNameTaken
from apps.training import services
from apps.training.errors import InvalidTraining
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
    ],
)
def test_a_wish_out_of_range_is_refused(acme: TenantKey, wishes: dict[str, Any], words: str) -> None:
    with tenant_scope(acme):
        with pytest.raises(InvalidTraining, match=words):
            services.start(**{"dataset_slug": "sales", "horizon": 3, **wishes})
        assert not TrainingRun.objects.exists()
        assert not Job.objects.exists()


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
        ],
    )
    def test_a_faulty_field_is_pointed_at(
        self, acme: TenantKey, program: Program, fields: dict[str, Any], pointer: str
    ) -> None:
        body = {"dataset": "sales", "horizon": 6, **fields}
        answer = program(acme).post("/v1/training-runs", body, content_type="application/json")
        assert answer.status_code == 400
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]

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
        assert alice.trail[-1] == f"{ACME}/datasets/sales/"
        assert "Horizon:" in page.content.decode()

    def test_a_viewer_may_not_train(self, member: Member) -> None:
        answer = member(Role.VIEWER).submit(
            f"{ACME}/training/of/sales/", {"horizon": 6, "effort": "fast", "model_name": "sales"}
        )
        assert answer.status_code == 403
