"""Why one point of a forecast is what it is: asked by page and API, made by the handler, adding up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.accounts.permissions import Role
from apps.audit.models import AuditEvent
from apps.core.ids import parse_public_id
from apps.core.tenancy import TenantKey
from apps.explanations import services, tasks
from apps.explanations.errors import NoSuchPoint
from apps.explanations.models import Explanation
from apps.jobs.models import Job
from tenants.context import system_scope, tenant_scope
from tests import factories, trained
from tests.accounts.browser import Browser
from tests.dashboard.conftest import ACME, member
from tests.forecasts.conftest import ask, program

__all__ = ["member", "program"]
Program = Callable[..., Client]
Member = Callable[[Role], Browser]
METHODS = {"auto_ets": "components", "lightgbm_global": "shap.TreeExplainer", "seasonal_naive": "components"}


class Watch:
    """Stands for the progress of a job that nobody takes away."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.held = 0

    def __call__(self, stage: str, percent: float) -> None:
        assert 0 <= percent <= 100
        self.stages.append(stage)

    def hold(self) -> None:
        self.held += 1


@pytest.fixture
def forecast(acme: TenantKey, program: Program) -> Callable[..., str]:
    """Makes a forecast with a model of that algorithm; answers its id."""

    def make(algorithm: str = "seasonal_naive", horizon: int = 6) -> str:
        made = trained.naive() if algorithm == "seasonal_naive" else trained.result(algorithm)
        with tenant_scope(acme):
            trained.model("sales", made)
        answer = ask(program(acme), horizon=horizon)
        return str(answer.json()["id"])

    return make


@pytest.fixture
def client(acme: TenantKey, program: Program) -> Client:
    """A program with a key of acme."""
    return program(acme)


def explain(acme: TenantKey, forecast_id: str, series_id: str = "series-1", step: int = 2) -> Explanation:
    with tenant_scope(acme):
        return services.request(
            forecast_id=parse_public_id("fc", forecast_id), series_id=series_id, step=step
        )


def perform(acme: TenantKey, explanation: Explanation) -> Explanation:
    """What the worker does, inside the tenant's scope."""
    watch: Any = Watch()
    with tenant_scope(acme):
        result = tasks.run({"explanation_id": str(explanation.id)}, watch)
        explanation.refresh_from_db()
    assert result == {"explanation_id": str(explanation.id), "method": explanation.method}
    assert watch.held == 1
    return explanation


@pytest.mark.parametrize("algorithm", sorted(METHODS))
@pytest.mark.parametrize("step", [1, 6])
def test_the_parts_add_up_to_the_very_number_that_was_forecast(
    acme: TenantKey, program: Program, forecast: Callable[..., str], algorithm: str, step: int
) -> None:
    forecast_id = forecast(algorithm)
    found = perform(acme, explain(acme, forecast_id, step=step))
    assert found.method == METHODS[algorithm]
    result = found.result
    assert result is not None
    total = result["base"] + sum(part["value"] for part in result["parts"])
    assert total == pytest.approx(result["prediction"], rel=1e-6)
    body = program(acme).get(f"/v1/forecasts/{forecast_id}").json()
    said = body["series"][1]["forecast"][step - 1]
    assert result["prediction"] == said["mean"]
    assert result["ds"][:10] == said["ds"]
    assert result["parts"]
    assert all(part["label"] for part in result["parts"])


def test_it_is_asked_for_and_read_by_the_api(
    acme: TenantKey, program: Program, forecast: Callable[..., str]
) -> None:
    client, forecast_id = program(acme), forecast()
    body = {"forecast": forecast_id, "series_id": "series-0", "step": 3}
    answer = client.post("/v1/explanations", body, content_type="application/json")
    assert answer.status_code == 202
    asked = answer.json()
    assert (asked["state"], asked["result"], asked["forecast"]) == ("queued", None, forecast_id)
    assert client.get(answer["Location"]).json() == asked
    with tenant_scope(acme):
        explanation = Explanation.objects.get()
        job = Job.objects.get(id=explanation.job_id)
        assert AuditEvent.objects.filter(action="explanation.requested").count() == 1
    assert (job.kind, job.queue) == ("explanations.explain", "interactive")
    perform(acme, explanation)
    assert client.get(answer["Location"]).json()["result"]["step"] == 3


def test_the_same_point_asked_twice_is_one_explanation(acme: TenantKey, forecast: Callable[..., str]) -> None:
    forecast_id = forecast()
    first = explain(acme, forecast_id)
    assert explain(acme, forecast_id) == first, "on its way"
    perform(acme, first)
    assert explain(acme, forecast_id) == first, "made"
    assert explain(acme, forecast_id, step=3) != first
    with tenant_scope(acme):
        assert Job.objects.filter(kind="explanations.explain").count() == 2


def test_one_that_failed_is_asked_for_anew(acme: TenantKey, forecast: Callable[..., str]) -> None:
    forecast_id = forecast()
    first = explain(acme, forecast_id)
    with system_scope("operator"):
        Job.objects.filter(id=first.job_id).update(state="failed")
    assert explain(acme, forecast_id) != first


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"series_id": "nobody"}, 422, "no_such_point"),
        ({"step": 7}, 422, "no_such_point"),
        ({"step": 10**12}, 422, "no_such_point"),
        ({"step": 0}, 400, "invalid"),
        ({"step": "x"}, 400, "invalid"),
        ({"series_id": ""}, 400, "invalid"),
        ({"forecast": "fc_01ARZ3NDEKTSV4RRFFQ69G5FAV"}, 404, "not_found"),
        ({"forecast": "ds_01ARZ3NDEKTSV4RRFFQ69G5FAV"}, 404, "not_found"),
    ],
)
def test_a_point_that_is_not_there_is_refused(
    client: Client, forecast: Callable[..., str], fields: dict[str, Any], status: int, code: str
) -> None:
    body = {"forecast": forecast(), "series_id": "series-0", "step": 1, **fields}
    answer = client.post("/v1/explanations", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    with tenant_scope(factories.tenant("acme").key):
        assert not Explanation.objects.exists()


def test_another_tenants_explanations_are_not_there(
    acme: TenantKey, globex: TenantKey, program: Program, forecast: Callable[..., str]
) -> None:
    explanation = explain(acme, forecast())
    mallory = program(globex)
    assert mallory.get(f"/v1/explanations/{explanation.public_id}").status_code == 404


def test_a_step_beyond_the_forecast_is_refused_even_if_the_model_could(
    acme: TenantKey, forecast: Callable[..., str]
) -> None:
    with pytest.raises(NoSuchPoint, match="it has 2 steps"):
        explain(acme, forecast(horizon=2), step=3)


class TestPages:
    """The button Explain."""

    def test_leads_from_the_forecast_to_its_waterfall(
        self, acme: TenantKey, member: Member, forecast: Callable[..., str]
    ) -> None:
        alice, forecast_id = member(Role.OWNER), forecast()
        page = alice.submit(f"{ACME}/explanations/of/{forecast_id}/", {"series_id": "series-2", "step": "4"})
        assert page.status_code == 200
        address = alice.trail[-1]
        assert address.startswith(f"{ACME}/explanations/exp_")
        with tenant_scope(acme):
            explanation = Explanation.objects.get()
        assert "waterfall" not in alice.visit(f"{address}status/").content.decode()
        perform(acme, explanation)
        with system_scope("operator"):
            Job.objects.filter(id=explanation.job_id).update(state="succeeded")
        assert 'data-chart="waterfall"' in alice.visit(address).content.decode()
        assert explanation.public_id in alice.visit(f"{ACME}/forecasts/{forecast_id}/").content.decode()

    @pytest.mark.parametrize("step", ["0", "9", "x", "", "\u0661", "9" * 5000])
    def test_a_wrong_step_is_explained_on_the_forecasts_page(
        self, acme: TenantKey, member: Member, forecast: Callable[..., str], step: str
    ) -> None:
        alice, forecast_id = member(Role.OWNER), forecast()
        page = alice.submit(f"{ACME}/explanations/of/{forecast_id}/", {"series_id": "series-2", "step": step})
        assert page.status_code == 200
        assert alice.trail[-1] == f"{ACME}/forecasts/{forecast_id}/"
        assert "it has 6 steps" in page.content.decode()

    def test_a_viewer_may_look_but_not_ask(
        self, acme: TenantKey, member: Member, forecast: Callable[..., str]
    ) -> None:
        bob, forecast_id = member(Role.VIEWER), forecast()
        asked = bob.submit(f"{ACME}/explanations/of/{forecast_id}/", {"series_id": "series-2", "step": "1"})
        assert asked.status_code == 403
        explanation = explain(acme, forecast_id)
        assert bob.visit(f"{ACME}/explanations/{explanation.public_id}/").status_code == 200
