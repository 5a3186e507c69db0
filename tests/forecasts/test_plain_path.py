"""The usual POST goes past DRF; what an unusual one gets through DRF must be the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.views import APIView

from apps.core.tenancy import TenantKey
from apps.registry.models import ModelVersion
from tests.forecasts.conftest import ask

Program = Callable[..., Client]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sales")]
UNUSUAL = {"accept": "application/json;q=0.9"}
OF_EACH_CALL = ("id", "receipt_id", "request_id")


@pytest.fixture
def through_drf(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The methods of the calls that DRF has dispatched."""
    seen: list[str] = []
    dispatch = APIView.dispatch

    def watched(view: APIView, request: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(request.method)
        return dispatch(view, request, *args, **kwargs)

    monkeypatch.setattr(APIView, "dispatch", watched)
    return seen


def content(response: Any) -> dict[str, Any]:
    """The answer without what differs from call to call."""
    body = {name: value for name, value in response.json().items() if name not in OF_EACH_CALL}
    if "meta" in body:
        body["meta"].pop("receipt_id")
    return body


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"levels": []},
        {"series": ["series-1"], "levels": [50, 99]},
        {"model": "absent"},
        {"horizon": 0, "levels": [0]},
        {"horizon": 7},
        {"series": ["nobody"]},
        {"unknown": 1},
    ],
)
def test_both_paths_give_the_same_answer(
    acme: TenantKey, program: Program, through_drf: list[str], fields: dict[str, Any]
) -> None:
    plain = ask(program(acme), **fields)
    assert through_drf == []
    unusual = ask(program(acme, **UNUSUAL), **fields)
    assert through_drf == ["POST"]
    assert plain.status_code == unusual.status_code
    assert content(plain) == content(unusual)
    for name in ("Content-Type", "X-Model-Version"):
        assert plain.headers.get(name) == unusual.headers.get(name)


def test_a_missing_scope_is_told_alike_on_both_paths(
    acme: TenantKey, program: Program, through_drf: list[str]
) -> None:
    plain = ask(program(acme, "forecasts:read"))
    unusual = ask(program(acme, "forecasts:read", **UNUSUAL))
    assert (plain.status_code, unusual.status_code, through_drf) == (403, 403, ["POST"])
    assert content(plain) == content(unusual)


def test_a_forecast_is_the_same_bytes_on_both_paths_but_for_its_receipt(
    acme: TenantKey, program: Program, sales: ModelVersion
) -> None:
    plain, unusual = ask(program(acme)), ask(program(acme, **UNUSUAL))
    first, second = plain.json()["id"].encode(), unusual.json()["id"].encode()
    assert plain.content.replace(first, second) == unusual.content
