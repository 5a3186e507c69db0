"""A call with a key: what opens, what is refused and how, and what it costs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import ProgrammingError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from apps.api_keys import access, last_used, services, text
from apps.api_keys.models import ApiKey
from apps.api_keys.permissions import HasScope
from apps.core.tenancy import TenantKey
from tenants import services as tenants
from tenants.context import system_scope, tenant_scope
from tests.api_keys.conftest import Made

pytestmark = pytest.mark.django_db
MakeKey = Callable[..., Made]
Call = Callable[..., Any]


def test_a_key_may_ask_about_itself(make_key: MakeKey, call: Call, acme: TenantKey) -> None:
    row, key = make_key(acme, name="Shop", scopes=["forecasts:run", "usage:read"])
    answer = call(key)
    body = answer.json()
    assert answer.status_code == 200
    assert body["id"].startswith("key_")
    assert (body["name"], body["mode"], body["scopes"]) == ("Shop", "live", ["forecasts:run", "usage:read"])
    assert body["tenant"]["slug"] == "acme"
    assert body["limits"]["forecast_points_per_month"] == 10_000
    assert key not in answer.content.decode()
    assert row.digest not in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_schemes_name_counts_in_any_capitals(
    make_key: MakeKey, call: Call, acme: TenantKey, scheme: str
) -> None:
    _, key = make_key(acme)
    assert call(Authorization=f"{scheme} {key}").status_code == 200


def test_the_header_x_api_key_will_do(make_key: MakeKey, call: Call, acme: TenantKey) -> None:
    _, key = make_key(acme)
    assert call(**{"X-API-Key": key}).status_code == 200
    assert call(key, **{"X-API-Key": key}).status_code == 200


def test_two_different_keys_in_one_call_are_refused(
    make_key: MakeKey, call: Call, acme: TenantKey, globex: TenantKey
) -> None:
    answer = call(make_key(acme)[1], **{"X-API-Key": make_key(globex)[1]})
    _is_problem(answer, 400, "api_keys_contradict")


def test_no_key_is_answered_with_how_to_send_one(call: Call) -> None:
    answer = call()
    _is_problem(answer, 401, "api_key_missing")
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Basic dXNlcjpwYXNz", "Bearer", "Bearer  ", "alm_live_x"])
def test_another_way_to_log_in_counts_as_no_key(call: Call, header: str) -> None:
    _is_problem(call(Authorization=header), 401, "api_key_missing")


@pytest.mark.parametrize("position", [0, 5, 10, 17, 18, 30, 44, 45, 50])
def test_one_changed_character_is_refused_without_a_look_up(
    make_key: MakeKey, call: Call, acme: TenantKey, position: int
) -> None:
    _, key = make_key(acme)
    other = "x" if key[position] != "x" else "y"
    with CaptureQueriesContext(connection) as queries:
        answer = call(key[:position] + other + key[position + 1 :])
    _is_problem(answer, 401, "api_key_malformed")
    assert len(queries) == 0


def test_a_whole_key_of_elsewhere_is_refused(call: Call) -> None:
    _is_problem(call(text.generate().whole), 401, "api_key_unknown")


def test_a_known_public_id_with_another_secret_is_refused(
    make_key: MakeKey, call: Call, acme: TenantKey
) -> None:
    row, _ = make_key(acme)
    body = f"alm_rk_live_{row.public_id}_{'a' * text.SECRET_LENGTH}"
    _is_problem(call(body + text.checksum(body)), 401, "api_key_unknown")


def test_a_revoked_key_is_refused_from_the_next_call_on(
    make_key: MakeKey, call: Call, acme: TenantKey
) -> None:
    row, key = make_key(acme)
    assert call(key).status_code == 200
    with tenant_scope(acme):
        services.revoke(key_id=row.id)
    _is_problem(call(key), 401, "api_key_revoked")


def test_an_expired_key_is_refused(
    make_key: MakeKey, call: Call, acme: TenantKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(services.timezone, "now", lambda: datetime(2020, 1, 1, tzinfo=UTC))
        _, key = make_key(acme, expires_at=datetime(2020, 2, 1, tzinfo=UTC))
    answer = call(key)
    _is_problem(answer, 401, "api_key_expired")
    assert "2020-02-01" in answer.json()["detail"]


def test_a_key_that_expires_tomorrow_is_good(make_key: MakeKey, call: Call, acme: TenantKey) -> None:
    _, key = make_key(acme, expires_at=timezone.now() + timedelta(days=1))
    assert call(key).status_code == 200


def test_a_suspended_tenants_key_is_told_so(make_key: MakeKey, call: Call, acme: TenantKey) -> None:
    _, key = make_key(acme)
    with system_scope("operator"):
        tenants.suspend(tenant_id=acme.id, reason="unpaid")
    _is_problem(call(key), 403, "tenant_suspended")
    _is_problem(call(key, host="acme.localhost"), 403, "tenant_suspended")


def test_a_key_opens_its_own_tenants_host_and_no_other(
    make_key: MakeKey, call: Call, acme: TenantKey, globex: TenantKey
) -> None:
    _, key = make_key(acme)
    assert call(key, host="acme.localhost").status_code == 200
    foreign = call(key, host="globex.localhost")
    absent = call(key, path="/v1/no-such-thing", host="acme.localhost")
    assert (foreign.status_code, absent.status_code) == (404, 404)
    assert _without_id(foreign) == _without_id(absent)


@pytest.mark.parametrize("parameter", ["api_key", "key", "access_token", "anything"])
def test_a_key_in_the_address_is_refused_even_beside_a_good_one(
    make_key: MakeKey, call: Call, acme: TenantKey, parameter: str
) -> None:
    _, key = make_key(acme)
    answer = call(key, path=f"/v1/key?{parameter}={key}")
    _is_problem(answer, 400, "api_key_in_query")
    assert "revoke this key" in answer.json()["detail"]
    assert key not in answer.content.decode()
    assert call(path=f"/v1/openapi.json?{parameter}={key}").status_code == 400


def test_a_missing_scope_is_named(make_key: MakeKey, call: Call, acme: TenantKey) -> None:
    _, key = make_key(acme, scopes=["forecasts:run"])
    answer = call(key, path="/v1/usage")
    _is_problem(answer, 403, "scope_missing")
    assert "'usage:read'" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "scopes", "status"),
    [
        ("head", ["usage:read"], 200),
        ("head", ["forecasts:run"], 403),
        ("options", ["forecasts:run"], 200),
        ("delete", ["forecasts:run"], 405),
        ("post", ["usage:read"], 405),
    ],
)
def test_other_methods_are_refused_or_answered_as_for_get(
    make_key: MakeKey, acme: TenantKey, method: str, scopes: list[str], status: int
) -> None:
    _, key = make_key(acme, scopes=scopes)
    client = Client(headers={"host": "localhost", "Authorization": f"Bearer {key}"})
    assert getattr(client, method)("/v1/usage").status_code == status


def test_an_endpoint_that_states_no_scope_lets_nobody_in(make_key: MakeKey, acme: TenantKey) -> None:
    _, key = make_key(acme)
    request = Request(APIRequestFactory().get("/"))
    request.auth = access.authenticate(given=key)
    with pytest.raises(ImproperlyConfigured, match="UsageView states no scope for GET"):
        HasScope().has_permission(request, type("UsageView", (APIView,), {"get": None})())


def test_the_check_is_one_statement(make_key: MakeKey, call: Call, acme: TenantKey) -> None:
    _, key = make_key(acme)
    call(key)
    with CaptureQueriesContext(connection) as queries:
        assert call(key, path="/v1/nothing").status_code == 404
    assert len(queries) == 1


def test_last_use_is_written_at_most_once_a_minute(make_key: MakeKey, call: Call, acme: TenantKey) -> None:
    row, key = make_key(acme)
    with CaptureQueriesContext(connection) as queries:
        for _ in range(5):
            call(key)
    assert sum("UPDATE api_keys_apikey" in query["sql"] for query in queries) == 1
    row.refresh_from_db()
    assert row.last_used_at is not None
    assert row.last_used_ip == "127.0.0.1"
    before = row.last_used_at
    last_used.note(row.id, "192.0.2.1")
    last_used.write()
    row.refresh_from_db()
    assert (row.last_used_at, row.last_used_ip) == (before, "127.0.0.1")


def test_the_edge_may_change_nothing_of_a_key_but_its_last_use(make_key: MakeKey, acme: TenantKey) -> None:
    row, _ = make_key(acme)
    for column, value in (
        ("revoked_at", None),
        ("scopes", ["audit:read"]),
        ("tenant_id", acme.id),
        ("digest", "0" * 64),
    ):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            ApiKey.objects.filter(id=row.id).update(**{column: value})


def _is_problem(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer["X-Request-ID"]


def _without_id(answer: Any) -> str:
    return re.sub(r"req_\w+", "", answer.content.decode())
