"""What mode and budget of a key do to a forecast."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.api_keys import services as api_keys
from apps.core.tenancy import TenantKey
from apps.usage import queries as usage
from apps.usage.models import UsageEvent
from tenants.context import tenant_scope
from tests.forecasts.conftest import SCOPES, ask

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sales")]
UNUSUAL = {"accept": "application/json;q=0.9"}


def client(tenant: TenantKey, headers: dict[str, str] | None = None, **wishes: Any) -> Client:
    with tenant_scope(tenant):
        _row, text = api_keys.create(name="Test", scopes=[*SCOPES, "usage:read"], **wishes)
    return Client(headers={"host": "localhost", "authorization": f"Bearer {text}", **(headers or {})})


@pytest.mark.parametrize("headers", [{}, UNUSUAL], ids=["plain", "through DRF"])
def test_a_test_key_runs_everything_and_bills_nothing(acme: TenantKey, headers: dict[str, str]) -> None:
    program = client(acme, headers, mode="test")
    answer = ask(program)
    body = answer.json()
    assert (answer.status_code, answer["X-Almanac-Mode"], body["meta"]["mode"]) == (200, "test", "test")
    assert body["meta"]["units"] == {"forecast_points": 9}
    with tenant_scope(acme):
        event = UsageEvent.objects.get()
        assert (event.kind, event.quantity, event.receipt["mode"]) == ("test_forecast_points", 9, "test")
        month = usage.month_summary()
    assert (month.quota.used, month.points, month.test_points) == (0, 0, 9)
    told = program.get("/v1/usage").json()
    assert (told["forecast_points"]["used"], told["test"]) == (0, {"calls": 1, "forecast_points": 9})
    assert program.get("/v1/key").json()["points_used_this_month"] == 9


def test_its_forecasts_are_read_listed_and_explained_like_others(acme: TenantKey) -> None:
    program = client(acme, mode="test")
    made = ask(program).json()
    again = program.get(f"/v1/forecasts/{made['id']}").json()
    assert again == made
    assert [(each["id"], each["mode"]) for each in program.get("/v1/forecasts").json()["data"]] == [
        (made["id"], "test")
    ]
    wish = {"forecast": made["id"], "series_id": "series-1", "step": 1}
    explained = program.post("/v1/explanations", wish, content_type="application/json")
    assert (explained.status_code, explained["X-Almanac-Mode"]) == (202, "test")


def test_a_live_key_says_so_in_the_meta_alone(acme: TenantKey) -> None:
    answer = ask(client(acme))
    assert answer.json()["meta"]["mode"] == "live"
    assert "X-Almanac-Mode" not in answer.headers


def test_a_keys_budget_is_told_by_its_name(acme: TenantKey) -> None:
    program = client(acme, points_per_month=10)
    assert ask(program).status_code == 200
    refused = ask(program)
    body = refused.json()
    assert (refused.status_code, body["code"]) == (402, "key_budget_exceeded")
    assert (body["key"], body["used"], body["limit"]) == ("Test", 9, 10)
    assert ask(program, horizon=1, series=["series-1"]).status_code == 200
    assert ask(client(acme)).status_code == 200, "another key has a budget of its own"


def test_a_rotation_does_not_begin_a_new_budget(acme: TenantKey) -> None:
    from apps.api_keys import ceilings
    from apps.api_keys.models import ApiKey

    program = client(acme, points_per_month=10)
    assert ask(program).status_code == 200
    with tenant_scope(acme):
        row = ApiKey.objects.get()
        _row, text = api_keys.rotate(
            key_id=row.id, ceiling=ceilings.of_person(row.scopes, person_id=uuid.uuid4())
        )
    rotated = Client(headers={"host": "localhost", "authorization": f"Bearer {text}"})
    assert ask(rotated).json()["code"] == "key_budget_exceeded"
    assert rotated.get("/v1/key").json()["points_used_this_month"] == 9


@pytest.mark.parametrize("wishes", [{}, {"points_per_month": 1000}, {"mode": "test"}], ids=str)
def test_a_forecast_takes_three_statements_at_most(acme: TenantKey, wishes: dict[str, Any]) -> None:
    program = client(acme, **wishes)
    ask(program)
    with CaptureQueriesContext(connection) as statements:
        assert ask(program).status_code == 200
    assert len(statements) <= 3, [each["sql"][:80] for each in statements]
