"""``/v1/webhooks`` and its pages: set up, changed, switched off, tried, looked into, deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.accounts.permissions import Role
from apps.audit.models import AuditEvent
from apps.core.tenancy import TenantKey
from apps.webhooks import services
from apps.webhooks.models import Endpoint
from tenants.context import tenant_scope
from tests.accounts.browser import Browser
from tests.core.test_egress import HOSTILE
from tests.dashboard.conftest import ACME, member
from tests.forecasts.conftest import program

__all__ = ["member", "program"]
URL = "https://93.184.216.34/hook"
JSON = {"content_type": "application/json"}


@pytest.fixture
def client(acme: TenantKey, program: Callable[..., Client]) -> Client:
    return program(acme, "webhooks:manage")


@pytest.fixture
def made(client: Client) -> dict[str, Any]:
    answer = client.post("/v1/webhooks", {"url": URL, "types": ["job.failed"], "description": "Shop"}, **JSON)
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_webhook_is_set_up_and_its_secret_shown_once(client: Client, made: dict[str, Any]) -> None:
    assert made["secret"].startswith("whsec_")
    assert (made["enabled"], made["types"]) == (True, ["job.failed"])
    shown = client.get(f"/v1/webhooks/{made['id']}").json()
    assert "secret" not in shown
    assert shown["url"] == URL
    assert [each["id"] for each in client.get("/v1/webhooks").json()["data"]] == [made["id"]]


def test_the_secret_is_sealed_where_it_is_kept(acme: TenantKey, made: dict[str, Any]) -> None:
    import base64

    with tenant_scope(acme):
        kept = bytes(Endpoint.objects.get().secret)
    assert base64.b64decode(made["secret"].removeprefix("whsec_")) not in kept


@pytest.mark.parametrize("url", HOSTILE)
def test_an_address_inside_is_refused_when_it_is_named(client: Client, url: str) -> None:
    answer = client.post("/v1/webhooks", {"url": url}, **JSON)
    assert answer.status_code in (400, 422)
    assert answer.json()["errors"][0]["pointer"] == "/url"
    assert client.get("/v1/webhooks").json()["data"] == []


def test_an_event_that_does_not_exist_is_refused_and_the_others_are_named(client: Client) -> None:
    answer = client.post("/v1/webhooks", {"url": URL, "types": ["job.done"]}, **JSON).json()
    assert (answer["code"], answer["errors"][0]["pointer"]) == ("webhook_invalid", "/types")
    assert "job.succeeded" in answer["detail"]


def test_there_is_an_end_to_how_many(client: Client, monkeypatch: pytest.MonkeyPatch, made: Any) -> None:
    monkeypatch.setattr(services, "MOST", 1)
    answer = client.post("/v1/webhooks", {"url": URL}, **JSON)
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_webhooks")


def test_a_webhook_is_changed_switched_off_and_on_and_deleted(
    client: Client, made: dict[str, Any], acme: TenantKey
) -> None:
    path = f"/v1/webhooks/{made['id']}"
    changed = client.patch(path, {"types": [], "enabled": False}, **JSON).json()
    assert (changed["types"], changed["enabled"]) == ([], False)
    assert client.post(f"{path}/test").json()["code"] == "webhook_disabled"
    assert client.patch(path, {"enabled": True}, **JSON).json()["enabled"] is True
    assert client.patch(path, {"secret": "mine"}, **JSON).status_code == 400
    test = client.post(f"{path}/test")
    assert (test.status_code, test.json()["type"]) == (202, "webhook.test")
    delivery = client.get(test.headers["Location"]).json()
    assert (delivery["state"], delivery["log"], delivery["body"]["type"]) == ("pending", [], "webhook.test")
    assert len(client.get(f"{path}/deliveries").json()["data"]) == 1
    assert client.get(f"{path}/deliveries", {"state": "failed"}).json()["data"] == []
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    with tenant_scope(acme):
        actions = list(AuditEvent.objects.order_by("occurred_at", "id").values_list("action", flat=True))
    assert [each for each in actions if each.startswith("webhook.")] == [
        "webhook.created", "webhook.changed", "webhook.disabled", "webhook.changed", "webhook.enabled",
        "webhook.tested", "webhook.deleted",
    ]  # fmt: skip


def test_the_types_are_listed_with_examples(client: Client) -> None:
    types = {each["type"]: each for each in client.get("/v1/webhooks/event-types").json()["data"]}
    assert {"job.failed", "training.succeeded", "dataset.version_created", "api_key.revoked"} <= types.keys()
    assert all(each["description"] and each["example"] for each in types.values())


def test_the_pages_lead_from_none_to_one_and_back(acme: TenantKey, member: Callable[..., Browser]) -> None:
    developer = member(Role.DEVELOPER)

    def said(path: str, form: dict[str, Any] | None = None) -> tuple[int, str]:
        answer = developer.visit(path) if form is None else developer.submit(path, form)
        return answer.status_code, answer.content.decode()

    assert "Nobody listens yet" in said(f"{ACME}/webhooks/")[1]
    status, page = said(f"{ACME}/webhooks/new/", {"url": "https://10.0.0.1/x"})
    assert (status, "private or reserved" in page) == (422, True)
    status, page = said(f"{ACME}/webhooks/new/", {"url": URL, "types": ["job.failed"]})
    assert (status, "whsec_" in page) == (201, True)
    with tenant_scope(acme):
        endpoint = Endpoint.objects.get()
    path = f"{ACME}/webhooks/{endpoint.public_id}"
    assert URL in said(f"{ACME}/webhooks/")[1]
    page = said(f"{path}/")[1]
    assert "Nothing was sent yet" in page
    assert "whsec_" not in page
    assert "A test is on its way" in said(f"{path}/test/", {})[1]
    assert "webhook.test" in said(f"{path}/log/")[1]
    assert "signed with the old secret as well" in said(f"{path}/rotate/", {})[1]
    assert said(f"{path}/change/", {"url": "https://127.0.0.1/"})[0] == 422
    assert "switched off by hand" in said(f"{path}/switch/", {"to": "off"})[1]
    assert "Nobody listens yet" in said(f"{path}/delete/", {})[1]


def test_an_analyst_sets_up_no_webhooks(member: Callable[..., Browser]) -> None:
    assert member(Role.ANALYST).visit(f"{ACME}/webhooks/").status_code == 403
