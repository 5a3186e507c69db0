"""Who may do what: the table, checked cell by cell, and the decorator that keeps to it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.http import Http404, HttpRequest, HttpResponse
from django.test import RequestFactory

from apps.accounts.permissions import PERMISSIONS, ROLE_PERMISSIONS, Role, allows, require
from apps.core.errors import Forbidden

OWN, ADM, DEV, ANA, VIE, BIL = "owner", "admin", "developer", "analyst", "viewer", "billing"
MATRIX = {
    "tenant:read": {OWN, ADM, DEV, ANA, VIE, BIL},
    "tenant:manage": {OWN},
    "members:read": {OWN, ADM, DEV, ANA, VIE, BIL},
    "members:manage": {OWN, ADM},
    "datasets:read": {OWN, ADM, DEV, ANA, VIE},
    "datasets:write": {OWN, ADM, DEV, ANA},
    "models:read": {OWN, ADM, DEV, ANA, VIE},
    "models:train": {OWN, ADM, DEV, ANA},
    "models:deploy": {OWN, ADM, DEV},
    "models:override": {OWN},
    "forecasts:run": {OWN, ADM, DEV, ANA},
    "forecasts:read": {OWN, ADM, DEV, ANA, VIE},
    "explain:run": {OWN, ADM, DEV, ANA},
    "jobs:read": {OWN, ADM, DEV, ANA, VIE},
    "jobs:manage": {OWN, ADM, DEV, ANA},
    "keys:manage": {OWN, ADM, DEV},
    "webhooks:manage": {OWN, ADM, DEV},
    "usage:read": {OWN, ADM, DEV, ANA, VIE, BIL},
    "billing:read": {OWN, ADM, BIL},
    "billing:manage": {OWN, ADM, BIL},
    "audit:read": {OWN, ADM},
}


def test_the_matrix_names_every_permission_and_role() -> None:
    assert MATRIX.keys() == PERMISSIONS.keys()
    assert ROLE_PERMISSIONS.keys() == set(Role)


@pytest.mark.parametrize("permission", MATRIX)
@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_what_the_matrix_says(role: Role, permission: str) -> None:
    assert allows(role, permission) is (role in MATRIX[permission])


@pytest.mark.parametrize("role", list(Role))
def test_a_page_lets_in_exactly_the_roles_of_its_permission(role: Role) -> None:
    request = _request(role)
    if role in MATRIX["keys:manage"]:
        assert _page(request).status_code == 200
    else:
        with pytest.raises(Forbidden, match="'keys:manage'"):
            _page(request)


def test_a_page_of_a_tenants_host_does_not_exist_elsewhere() -> None:
    with pytest.raises(Http404):
        _page(RequestFactory().get("/"))


def test_a_page_states_its_permission_for_those_who_walk_all_pages() -> None:
    assert _page.required_permission == "keys:manage"  # type: ignore[attr-defined]


def test_a_misspelled_permission_fails_when_the_module_is_read() -> None:
    with pytest.raises(ValueError, match="unknown permission 'key:manage'"):
        require("key:manage")


def test_an_unknown_role_or_permission_opens_nothing() -> None:
    with pytest.raises(ValueError, match="root"):
        allows("root", "tenant:read")
    with pytest.raises(ValueError, match="unknown permission"):
        allows(Role.OWNER, "everything")


@require("keys:manage")
def _page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


def _request(role: Role) -> HttpRequest:
    request = RequestFactory().get("/")
    request.membership = SimpleNamespace(role=role.value)  # type: ignore[attr-defined]
    return request
