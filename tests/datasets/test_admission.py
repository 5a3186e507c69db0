"""The question that the server's entry asks before it reads an upload, as the application answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from apps.accounts.permissions import Role
from apps.api_keys import services as api_keys
from apps.core import admission
from apps.core.tenancy import TenantKey
from apps.datasets.models import Dataset, DatasetVersion, Origin, Upload
from config.rsgi import ADMITTED, LIMIT, QUESTION
from config.rsgi_request import Limits
from tenants.context import system_scope, tenant_scope
from tenants.models import TenantLimits, TenantState
from tests.accounts.browser import Browser

FORM = "multipart/form-data; boundary=x"
HOST = "http://acme.localhost"
MIB = 1024 * 1024


@pytest.fixture
def client(acme: TenantKey) -> Callable[..., Client]:
    """A program with a key of acme that has this scope."""

    def make(scope: str = "datasets:write", **settings: Any) -> Client:
        with tenant_scope(acme):
            _, text = api_keys.create(name="test", scopes=[scope], **settings)
        return Client(headers={"host": "localhost", "authorization": f"Bearer {text}"})

    return make


def ask(
    client: Client,
    path: str = "/v1/datasets",
    *,
    length: int | None = 5 * MIB,
    method: str = "POST",
    media_type: str = FORM,
    headers: dict[str, str] | None = None,
) -> Any:
    environ: dict[str, Any] = {"CONTENT_TYPE": media_type, QUESTION: length}
    return client.generic(method, path, headers=headers, **environ)


def refused(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def limits(acme: TenantKey, **values: int) -> None:
    with system_scope("operator"):
        TenantLimits.objects.filter(tenant_id=acme.id).update(**values)


def test_the_entry_and_the_application_call_the_question_by_the_same_names() -> None:
    assert (QUESTION, ADMITTED, LIMIT) == (admission.QUESTION, admission.ADMITTED, admission.LIMIT)


def test_who_has_room_may_send_and_nothing_is_made_by_asking(
    client: Callable[..., Client], acme: TenantKey
) -> None:
    response = ask(client())
    assert (response.status_code, response.content) == (204, b"")
    assert response.wsgi_request.META[LIMIT] == settings.MAX_UPLOAD_BYTES + MIB
    with tenant_scope(acme):
        assert (Upload.objects.count(), Dataset.objects.count()) == (0, 0)


def test_who_has_no_key_or_not_the_scope_is_told_so(client: Callable[..., Client], db: None) -> None:
    assert refused(ask(Client(headers={"host": "localhost"}))) == (401, "api_key_missing")
    assert refused(ask(client("datasets:read"))) == (403, "scope_missing")


def test_what_is_not_there_or_takes_no_body_is_refused_as_ever(client: Callable[..., Client]) -> None:
    assert refused(ask(client(), "/v1/datasets/a/b/c")) == (404, "not_found")
    assert refused(ask(client(), method="PUT")) == (405, "method_not_allowed")
    assert refused(ask(client(), media_type="image/png")) == (415, "unsupported_media_type")


def test_a_file_above_the_limit_is_refused_by_what_was_declared(client: Callable[..., Client]) -> None:
    largest = settings.MAX_UPLOAD_BYTES + MIB  # with what a form wraps around it
    assert ask(client(), length=largest).status_code == 204
    response = ask(client(), length=largest + 1)
    assert refused(response) == (413, "file_too_large")
    assert str(settings.MAX_UPLOAD_BYTES) in response.json()["detail"]


def test_a_length_that_is_not_known_is_bounded_while_it_comes(client: Callable[..., Client]) -> None:
    response = ask(client(), length=None)
    assert response.status_code == 204
    assert response.wsgi_request.META[LIMIT] == settings.MAX_UPLOAD_BYTES + MIB


def test_a_plan_without_room_for_data_sets_or_rows_pays_first(
    client: Callable[..., Client], acme: TenantKey
) -> None:
    limits(acme, datasets=0)
    assert refused(ask(client())) == (402, "too_many_datasets")
    limits(acme, datasets=2, rows=40)
    with tenant_scope(acme):
        dataset = Dataset.objects.create(name="A", slug="a", origin=Origin.UPLOAD)
        given: dict[str, Any] = {
            "columns": {},
            "findings": [],
            "samples": [],
            "first_ds": "1",
            "last_ds": "2",
        }
        DatasetVersion.objects.create(dataset=dataset, number=1, sha256="0", rows=40, series_count=1, **given)
    response = ask(client())
    assert refused(response) == (402, "too_many_rows")
    assert response.json()["detail"].startswith("The plan includes 40 rows, and 40 are stored")


def test_the_question_costs_one_call_of_the_rate_and_the_upload_after_it_none(
    client: Callable[..., Client],
) -> None:
    program = client(requests_per_minute=2)
    assert ask(program)["RateLimit"].startswith('"key";r=1;')
    admitted = program.post("/v1/datasets", {"name": "x"}, **{ADMITTED: "1"})
    assert admitted.json()["code"] == "file_missing"
    assert ask(program)["RateLimit"].startswith('"key";r=0;')
    assert refused(ask(program)) == (429, "api_key_rate_limited")


def test_an_address_that_takes_no_files_takes_no_large_bodies(
    client: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.datasets.api.datasets import Datasets

    monkeypatch.setattr(Datasets, "takes_uploads", {})
    admission._asking.cache_clear()
    try:
        assert ask(client(), length=settings.DATA_UPLOAD_MAX_MEMORY_SIZE).status_code == 204
        unknown = ask(client(), length=None)
        assert unknown.wsgi_request.META[LIMIT] == settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        assert refused(ask(client(), length=settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)) == (413, "too_large")
    finally:
        admission._asking.cache_clear()


def page(browser: Browser, path: str = "/datasets/new/", **more: Any) -> Any:
    browser.visit(f"{HOST}/datasets/")
    return ask(browser.client(HOST), path, **more)


def test_a_member_may_send_a_form_whose_token_comes_with_its_body(
    member: Callable[[Role], Browser],
) -> None:
    assert page(member(Role.ANALYST)).status_code == 204


def test_a_page_refuses_whoever_may_not_write(member: Callable[[Role], Browser], acme: TenantKey) -> None:
    response = page(member(Role.VIEWER))
    assert (response.status_code, response["Content-Type"]) == (403, "text/html; charset=utf-8")
    assert "datasets:write" in response.content.decode()


def test_a_stranger_on_a_page_is_sent_to_log_in(acme: TenantKey) -> None:
    response = ask(Client(), "/datasets/new/", headers={"host": "acme.localhost"})
    assert response.status_code == 302
    assert ask(Client(), "/datasets/new/", headers={"host": "localhost"}).status_code == 404


def test_a_page_over_quota_says_so(member: Callable[[Role], Browser], acme: TenantKey) -> None:
    limits(acme, datasets=0)
    response = page(member(Role.ANALYST))
    assert response.status_code == 402
    assert "The plan includes 0 data sets" in response.content.decode()


def test_a_page_takes_files_only_by_the_methods_it_states(member: Callable[[Role], Browser]) -> None:
    response = page(member(Role.ANALYST), method="PUT")
    assert (response.status_code, response["Allow"]) == (405, "POST")


def test_the_form_itself_still_needs_its_token(
    member: Callable[[Role], Browser],
) -> None:
    browser = member(Role.ANALYST)
    strict = Client(enforce_csrf_checks=True)
    browser.visit(f"{HOST}/datasets/")
    strict.cookies = browser.client(HOST).cookies
    response = strict.post("/datasets/new/", {}, headers={"host": "acme.localhost"})
    assert response.status_code == 403


def test_a_suspended_tenant_sends_nothing(client: Callable[..., Client], acme: TenantKey) -> None:
    from tenants.models import Tenant

    program = client()
    Tenant.objects.filter(id=acme.id).update(state=TenantState.SUSPENDED)
    assert refused(ask(program)) == (403, "tenant_suspended")


@pytest.mark.parametrize("urlconf", [settings.PUBLIC_URLCONF, settings.TENANT_URLCONF])
def test_every_address_whose_view_takes_files_is_one_that_the_entry_asks_about(urlconf: str) -> None:
    places = [path for path, view in _walk(get_resolver(urlconf)) if _stated(view)]
    assert "v1/datasets" in places
    assert [path for path in places if not Limits().is_upload("POST", f"/{path}")] == []


def _stated(view: Any) -> dict[str, Any]:
    stated: dict[str, Any] = getattr(getattr(view, "cls", view), "takes_uploads", {})
    return stated


def _walk(resolver: URLResolver, prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for each in resolver.url_patterns:
        path = prefix + str(each.pattern)
        found += [(path, each.callback)] if isinstance(each, URLPattern) else _walk(each, path)
    return found
