"""Every address of both URLconfs, walked by a stranger: nothing crashes, and no door stands open by oversight."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

PUBLIC, TENANT = "config.urls_public", "config.urls_tenant"
HOSTS = {PUBLIC: "localhost", TENANT: "acme.localhost"}
# What a converter or a pattern's group is filled with.
SAMPLES = {
    "slug": "sales",
    "str": "fc_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "uuid": "01a208b0-1f4c-2314-5c30-be7295aac864",
    "int": "1",
    "path": "1",
}
# Pages of a tenant's host that need no permission: the way in and out, the probes, the list of errors.
OPEN_ON_A_TENANTS_HOST = {
    "livez",
    "readyz",
    "session/start/",
    "session/<str:code>/",
    "logout/",
    "docs/problems",
}
# Pages of the bare host that answer a stranger with 200.
OPEN_ON_THE_BARE_HOST = {"", "livez", "readyz", "login/", "signup/", "logout/", "docs/problems"}


@dataclass(frozen=True)
class Address:
    """One pattern of a URLconf with everything in front of it."""

    urlconf: str
    pattern: str
    callback: Any

    @property
    def path(self) -> str:
        """An address that the pattern fits."""
        filled = re.sub(r"<(?:(\w+):)?\w+>", lambda found: SAMPLES[found[1] or "str"], self.pattern)
        filled = re.sub(r"\(\?P<\w+>[^)]*\)", "x", filled)  # the admin site writes some as expressions
        return "/" + filled.replace("^", "").replace("$", "").replace("\\Z", "")

    @property
    def is_api(self) -> bool:
        return self.path.startswith("/v1/")


def addresses(urlconf: str) -> list[Address]:
    def walk(patterns: list[Any], before: str) -> Iterator[Address]:
        for each in patterns:
            pattern = before + str(each.pattern)
            if isinstance(each, URLResolver):
                yield from walk(each.url_patterns, pattern)
            else:
                assert isinstance(each, URLPattern)
                yield Address(urlconf, pattern, each.callback)

    return list(walk(get_resolver(urlconf).url_patterns, ""))


ALL = [*addresses(PUBLIC), *addresses(TENANT)]
METHODS = ("get", "post", "put", "patch", "delete")


def ask(address: Address, method: str, **headers: str) -> Any:
    client = Client(raise_request_exception=False, headers={"host": HOSTS[address.urlconf], **headers})
    return getattr(client, method)(address.path)


def test_there_are_addresses_to_walk() -> None:
    assert len(ALL) > 80
    assert {address.is_api for address in ALL} == {True, False}


@pytest.mark.parametrize(
    "address", [each for each in ALL if each.is_api], ids=lambda each: f"{each.urlconf[12:]}:{each.pattern}"
)
def test_the_api_asks_every_stranger_for_a_key(db: None, acme: Any, address: Address) -> None:
    for method in METHODS:
        answer = ask(address, method)
        assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json"), method
        assert answer.json()["request_id"] == answer["X-Request-ID"]
        assert answer["WWW-Authenticate"] == "Bearer"
    expired = ask(address, "get", authorization="Bearer alm_live_abcdefgh_" + "0" * 34)
    assert (expired.status_code, expired["Content-Type"]) == (401, "application/problem+json")


@pytest.mark.parametrize(
    "address",
    [each for each in ALL if not each.is_api],
    ids=lambda each: f"{each.urlconf[12:]}:{each.pattern}",
)
def test_pages_send_strangers_away_and_never_crash(db: None, acme: Any, address: Address) -> None:
    opened = OPEN_ON_A_TENANTS_HOST if address.urlconf == TENANT else OPEN_ON_THE_BARE_HOST
    for method in METHODS:
        answer = ask(address, method)
        assert answer.status_code < 500, method
        if method == "get" and address.pattern not in opened:
            assert answer.status_code in (301, 302, 404, 405), answer.status_code
        if answer.status_code in (301, 302):
            assert re.match(r"(http://localhost(:\d+)?)?/|https://", answer["Location"]), answer["Location"]


def test_every_page_of_a_tenants_host_states_a_permission_that_exists() -> None:
    from apps.accounts.permissions import PERMISSIONS

    pages = [
        each for each in addresses(TENANT) if not each.is_api and each.pattern not in OPEN_ON_A_TENANTS_HOST
    ]
    assert len(pages) > 25
    without = [
        each.pattern
        for each in pages
        if getattr(each.callback, "required_permission", None) not in PERMISSIONS
    ]
    assert without == []


def test_the_list_of_open_pages_names_only_pages_that_exist() -> None:
    assert {each.pattern for each in addresses(TENANT)} >= OPEN_ON_A_TENANTS_HOST
    assert {each.pattern for each in addresses(PUBLIC)} >= OPEN_ON_THE_BARE_HOST


def test_every_endpoint_states_a_scope_for_each_method() -> None:
    from apps.api_keys.permissions import HasKey
    from apps.api_keys.scopes import known

    for address in addresses(PUBLIC):
        view = getattr(address.callback, "view_class", None)
        if not address.is_api or view is None or HasKey in view.permission_classes:
            continue
        for method in METHODS:
            if hasattr(view, method):
                stated = view.required_scope
                scope = stated[method.upper()] if isinstance(stated, dict) else stated
                assert known(scope) == scope, address.pattern


def test_the_api_is_the_same_on_every_host() -> None:
    public, tenant = (
        {each.pattern for each in addresses(urlconf) if each.is_api} for urlconf in (PUBLIC, TENANT)
    )
    assert public == tenant
