"""``/v1/forecasts``: the answer, its receipt, what it costs, and what is refused."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.core import storage
from apps.core.tenancy import TenantKey
from apps.forecasts import runtime
from apps.registry.models import ModelVersion
from apps.usage import queries as usage
from apps.usage.models import UsageEvent
from tenants.context import system_scope, tenant_scope
from tenants.models import TenantLimits
from tests import trained
from tests.forecasts.conftest import ask

Program = Callable[..., Client]
pytestmark = pytest.mark.usefixtures("sales")


def used(tenant: TenantKey) -> tuple[int, int]:
    """Billed calls and points of the month."""
    with tenant_scope(tenant):
        month = usage.month_summary()
    return month.calls, month.points


def test_a_forecast_has_means_nested_bands_and_a_receipt(
    acme: TenantKey, program: Program, sales: ModelVersion
) -> None:
    answer = ask(program(acme))
    assert answer.status_code == 200
    body = answer.json()
    assert (body["model"], body["model_version"], body["horizon"], body["levels"]) == (
        "sales",
        1,
        3,
        [80, 95],
    )
    assert [each["series_id"] for each in body["series"]] == list(trained.SERIES_IDS)
    steps = body["series"][0]["forecast"]
    assert [step["ds"] for step in steps] == ["2021-01-01", "2021-02-01", "2021-03-01"]
    for step in steps:
        assert step["lo-95"] <= step["lo-80"] < step["mean"] < step["hi-80"] <= step["hi-95"]
    meta = body["meta"]
    assert meta["receipt_id"] == body["id"]
    assert (meta["algorithm"], meta["model_sha256"]) == ("auto_ets", sales.bundle_sha256)
    assert (meta["units"], meta["cutoff"][:10]) == ({"forecast_points": 9}, "2020-12-01")
    assert set(meta["calibrated"]) == {"80", "95"}
    assert answer["X-Model-Version"] == "1"


def test_it_is_the_engines_forecast_to_the_last_bit(acme: TenantKey, program: Program) -> None:
    from apps import engine

    made = trained.result("auto_ets")
    expected = engine.load_bundle(made.bundle, made.sha256).predict(None, 3, (80,))
    body = ask(program(acme), levels=[80]).json()
    found = [[step["mean"] for step in each["forecast"]] for each in body["series"]]
    assert found == expected.mean.tolist()
    assert body["series"][1]["forecast"][2]["hi-80"] == expected.bands[80].hi[1, 2]


def test_an_earlier_forecast_is_rebuilt_equal_and_costs_nothing(acme: TenantKey, program: Program) -> None:
    client = program(acme)
    made = ask(client, levels=[50, 90], series=["series-2", "series-0"]).json()
    again = client.get(f"/v1/forecasts/{made['id']}")
    assert (again.status_code, again.json()) == (200, made)
    assert used(acme) == (1, 6)


def test_a_newer_champion_does_not_change_an_earlier_forecast(
    acme: TenantKey, program: Program, sales: ModelVersion
) -> None:
    client = program(acme)
    made = ask(client).json()
    with tenant_scope(acme):
        trained.model("sales", trained.naive(), of=sales.model.dataset)
    newer = ask(client).json()
    assert (newer["model_version"], newer["meta"]["algorithm"]) == (2, "seasonal_naive")
    assert "naive serves" in newer["meta"]["warnings"][0]
    assert client.get(f"/v1/forecasts/{made['id']}").json() == made


def test_a_version_answers_that_is_asked_for_by_name(
    acme: TenantKey, program: Program, sales: ModelVersion
) -> None:
    first = sales
    with tenant_scope(acme):
        second = trained.model("sales", trained.naive(), of=sales.model.dataset)
    client = program(acme)
    assert ask(client, model="sales").json()["model_version"] == second.number
    for ref in ("v1", "1", first.semver):
        answer = ask(client, model=f"sales@{ref}").json()
        assert (answer["model"], answer["model_version"]) == ("sales", first.number)
        assert client.get(f"/v1/forecasts/{answer['id']}").json()["series"] == answer["series"]
    assert ask(client, model="sales@9.9.9").status_code == 404
    with tenant_scope(acme):
        ModelVersion.objects.filter(id=first.id).update(archived_at=timezone.now())
    assert ask(client, model="sales@v1").json()["code"] == "version_archived"
    refused = {"outcome": "refused", "why": "It is worse than the naive."}
    with tenant_scope(acme):
        ModelVersion.objects.filter(id=first.id).update(archived_at=None, verdict=refused)
    assert ask(client, model="sales@v1").json()["code"] == "gate_refused"


def test_it_can_be_had_as_csv(acme: TenantKey, program: Program) -> None:
    client = program(acme)
    made = ask(client).json()
    for address, accept in (
        (f"/v1/forecasts/{made['id']}", "text/csv"),
        (f"/v1/forecasts/{made['id']}?format=csv", "*/*"),
    ):
        answer = client.get(address, headers={"accept": accept})
        assert answer["Content-Type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
        assert list(rows[0]) == ["unique_id", "ds", "mean", "lo-80", "hi-80", "lo-95", "hi-95"]
        assert len(rows) == 9
        assert float(rows[4]["mean"]) == made["series"][1]["forecast"][1]["mean"]


def test_a_problem_stays_a_problem_when_csv_was_asked_for(acme: TenantKey, program: Program) -> None:
    answer = program(acme).get("/v1/forecasts/fc_nothing", headers={"accept": "text/csv"})
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "not_found"


def test_a_warm_call_sends_at_most_three_statements(
    acme: TenantKey, program: Program, django_assert_max_num_queries: Any
) -> None:
    client = program(acme)
    ask(client)
    with django_assert_max_num_queries(3) as sent:
        assert ask(client).status_code == 200
    print(f"a warm forecast sends {len(sent)} statements")  # noqa: T201 - shown with -s


def test_usage_grows_by_exactly_the_points_asked_for(
    acme: TenantKey, globex: TenantKey, program: Program
) -> None:
    client = program(acme)
    ask(client)
    assert used(acme) == (1, 9)
    ask(client, horizon=6, series=["series-1"])
    assert used(acme) == (2, 15)
    assert used(globex) == (0, 0)


def test_the_same_request_id_twice_is_billed_twice(acme: TenantKey, program: Program) -> None:
    client = program(acme, **{"x-request-id": "the-same-twice"})
    first, second = ask(client), ask(client)
    assert first.json()["id"] != second.json()["id"]
    assert first["X-Request-ID"] == second["X-Request-ID"] == "the-same-twice"
    assert used(acme) == (2, 18)
    with tenant_scope(acme):
        assert {event.receipt["request_id"] for event in UsageEvent.objects.all()} == {"the-same-twice"}


def test_beyond_the_quota_it_is_402_and_nothing_is_billed(acme: TenantKey, program: Program) -> None:
    with system_scope("operator"):
        TenantLimits.objects.filter(tenant_id=acme.id).update(forecast_points_per_month=10)
    client = program(acme)
    assert ask(client).status_code == 200
    refused = ask(client)
    assert (refused.status_code, refused.json()["code"]) == (402, "quota_exceeded")
    assert (refused.json()["used"], refused.json()["limit"], refused.json()["quantity"]) == (9, 10, 9)
    assert used(acme) == (1, 9)
    assert ask(client, horizon=1, series=["series-0"]).status_code == 200
    assert used(acme) == (2, 10)


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({}, "/model", "required"),
    ({"model": ""}, "/model", "required"),
    ({"model": 7}, "/model", "required"),
    ({"horizon": None}, "/horizon", "out_of_range"),
    ({"horizon": 0}, "/horizon", "out_of_range"),
    ({"horizon": -3}, "/horizon", "out_of_range"),
    ({"horizon": True}, "/horizon", "out_of_range"),
    ({"horizon": 3.0}, "/horizon", "out_of_range"),
    ({"horizon": "3"}, "/horizon", "out_of_range"),
    ({"horizon": 10**30}, "/horizon", "out_of_range"),
    ({"levels": None}, "/levels", "not_a_list"),
    ({"levels": 80}, "/levels", "not_a_list"),
    ({"levels": "80"}, "/levels", "not_a_list"),
    ({"levels": list(range(1, 22))}, "/levels", "not_a_list"),
    ({"levels": [80, 0]}, "/levels/1", "out_of_range"),
    ({"levels": [100]}, "/levels/0", "out_of_range"),
    ({"levels": [80.5]}, "/levels/0", "out_of_range"),
    ({"levels": [[80]]}, "/levels/0", "out_of_range"),
    ({"levels": [80, 80]}, "/levels", "duplicate"),
    ({"series": []}, "/series", "not_a_list"),
    ({"series": "series-0"}, "/series", "not_a_list"),
    ({"series": {"a": 1}}, "/series", "not_a_list"),
    ({"series": ["series-0", 7]}, "/series/1", "not_text"),
    ({"series": ["series-0", None]}, "/series/1", "not_text"),
    ({"series": ["series-0", "series-0"]}, "/series", "duplicate"),
    ({"future_covariates": []}, "/future_covariates", "not_an_object"),
    ({"future_covariates": {"a/b~c": 1}}, "/future_covariates/a~1b~0c", "not_an_object"),
    ({"future_covariates": {"a": {"price": 1}}}, "/future_covariates/a/price", "not_numbers"),
    ({"future_covariates": {"a": {"price": [1, None]}}}, "/future_covariates/a/price", "not_numbers"),
    ({"future_covariates": {"a": {"price": [True]}}}, "/future_covariates/a/price", "not_numbers"),
    ({"future_covariates": {"a": {"price": [10**400]}}}, "/future_covariates/a/price", "not_numbers"),
    ({"horizn": 3}, "/horizn", "unknown_field"),
    ({"x" * 500: 3}, "/" + "x" * 80, "unknown_field"),
]


@pytest.mark.parametrize(("fields", "pointer", "code"), BAD)
def test_a_faulty_field_is_pointed_at(
    acme: TenantKey, program: Program, fields: dict[str, Any], pointer: str, code: str
) -> None:
    body = {"model": "sales", "horizon": 3, **fields} if fields else {"horizon": 3}
    answer = ask(program(acme), body)
    assert answer.status_code == 422, answer.content
    problem = answer.json()
    assert problem["code"] == "invalid_forecast"
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [(pointer, code)]
    assert len(problem["detail"]) < 400
    assert used(acme) == (0, 0)


def test_all_faults_are_told_at_once(acme: TenantKey, program: Program) -> None:
    answer = ask(program(acme), {"horizon": 0, "levels": [0, 101], "extra": 1})
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert pointers == ["/extra", "/model", "/horizon", "/levels/0", "/levels/1"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe{\x00",
        b'{"model": "sales", "horizon": NaN}',
        b'{"model": "sales", "horizon": -Infinity}',
        b'{"model": "sales", "horizon": 3, "horizon": 4}',
        b'{"model": "sales", "horizon": 3, "future_covariates": {"a": {}, "a": {}}}',
        b'{"model": "sales", "horizon": ' + b"9" * 5000 + b"}",
        b'{"model": "\\ud800", "horizon": 3}',
        b'{"model": "a\\u0000b", "horizon": 3}',
        b'{"model": "sales", "horizon": 3, "series": ["\\udfff"]}',
        b"[" * 100_000,
        b'{"model": "sales", "horizon": 3} {}',
    ],
)
def test_a_body_that_is_not_plain_json_is_refused(acme: TenantKey, program: Program, body: bytes) -> None:
    answer = ask(program(acme), body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), answer.content
    assert used(acme) == (0, 0)


@pytest.mark.parametrize("body", [b"[]", b"3", b'"sales"', b"null", b"true"])
def test_a_body_that_is_no_object_is_refused(acme: TenantKey, program: Program, body: bytes) -> None:
    answer = ask(program(acme), body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/"


def test_escapes_that_are_text_are_read(acme: TenantKey, program: Program) -> None:
    body = b'{"model": "s\\u0061les", "horizon": 1, "series": ["series-\\u0030"]}'
    assert ask(program(acme), body).status_code == 200
    emoji = b'{"model": "sales", "horizon": 1, "series": ["\\ud83d\\ude00"]}'
    answer = ask(program(acme), emoji)
    assert (answer.status_code, answer.json()["series_id"]) == (404, "😀")


def test_a_body_of_another_type_is_415(acme: TenantKey, program: Program) -> None:
    answer = program(acme).post("/v1/forecasts", {"model": "sales"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"horizon": 7}, 400, "invalid_horizon"),
        ({"series": ["series-9"]}, 404, "unknown_series"),
        ({"future_covariates": {"series-0": {"price": [1, 2, 3]}}}, 400, "invalid_covariate"),
        ({"future_covariates": {"series-9": {"price": [1, 2, 3]}}}, 400, "invalid_covariate"),
        ({"model": "nothing"}, 404, "not_found"),
    ],
)
def test_what_the_model_cannot_do_is_told_and_not_billed(
    acme: TenantKey, program: Program, fields: dict[str, Any], status: int, code: str
) -> None:
    answer = ask(program(acme), **fields)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert used(acme) == (0, 0)


def test_another_tenants_model_and_forecasts_are_not_there(
    acme: TenantKey, globex: TenantKey, program: Program
) -> None:
    made = ask(program(acme)).json()
    mallory = program(globex)
    answer = ask(mallory)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert mallory.get(f"/v1/forecasts/{made['id']}").status_code == 404
    assert mallory.get("/v1/forecasts").json() == {"data": []}
    assert used(globex) == (0, 0)


def test_a_key_without_the_scope_is_refused_by_name(acme: TenantKey, program: Program) -> None:
    answer = ask(program(acme, "forecasts:read"))
    assert answer.status_code == 403
    assert "forecasts:run" in answer.json()["detail"]


def test_the_list_shows_receipts_newest_first(acme: TenantKey, program: Program) -> None:
    client = program(acme)
    ids = [ask(client, horizon=horizon).json()["id"] for horizon in (1, 2)]
    listed = client.get("/v1/forecasts").json()["data"]
    assert [each["id"] for each in listed] == ids[::-1]
    assert (listed[0]["points"], listed[0]["horizon"], listed[0]["model"]) == (6, 2, "sales")


def test_a_bundle_that_was_tampered_with_is_never_served(
    acme: TenantKey, program: Program, sales: ModelVersion
) -> None:
    runtime.store.cache_clear()
    path = storage.tenant_path(acme, sales.bundle_path)
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    try:
        client = program(acme)
        answer = ask(client)
        assert (answer.status_code, answer.json()["code"]) == (500, "storage_corrupted")
        assert used(acme) == (0, 0)
    finally:
        path.write_bytes(good)
    assert ask(client).status_code == 200, "restored from a backup, it serves again"
