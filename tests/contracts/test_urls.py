"""The table of addresses and the URLconfs agree, and every page and endpoint states what it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.permissions import AllowAny

from apps.accounts.permissions import PERMISSIONS
from apps.api_keys.permissions import HasKey
from apps.api_keys.scopes import SCOPES, known
from tests.contracts.lines import KEY, OPEN, PUBLIC, TENANT, Line
from tests.contracts.urls import TABLE

METHODS = ("get", "post", "put", "patch", "delete")


def patterns(urlconf: str) -> dict[str, Any]:
    """Each pattern of a URLconf, with everything in front of it, and its view."""

    def walk(found: list[Any], before: str) -> Iterator[tuple[str, Any]]:
        for each in found:
            pattern = before + str(each.pattern)
            if isinstance(each, URLResolver):
                yield from walk(each.url_patterns, pattern)
            else:
                assert isinstance(each, URLPattern)
                yield known_by(pattern), each.callback

    return dict(walk(get_resolver(urlconf).url_patterns, ""))


def lines(urlconf: str) -> dict[str, list[Line]]:
    """The table's lines of a URLconf, by pattern."""
    found: dict[str, list[Line]] = {}
    for line in TABLE:
        if urlconf in line.urlconfs:
            found.setdefault(known_by(line.pattern), []).append(line)
    return found


def known_by(pattern: str) -> str:
    """The pattern, but for the console's own list of apps, whose order is that of registration."""
    return re.sub(r"\(\?P<app_label>[^)]*\)", "(?P<app_label>…)", pattern)


@pytest.mark.parametrize("urlconf", [PUBLIC, TENANT])
def test_every_address_has_a_line(urlconf: str) -> None:
    missing = sorted(patterns(urlconf).keys() - lines(urlconf).keys())
    assert missing == [], (
        f"{urlconf} has addresses that tests/contracts/urls.py does not know: for each add a line with its method, its"
        " pattern as written here, the scope or permission it needs, and an example that succeeds"
    )


@pytest.mark.parametrize("urlconf", [PUBLIC, TENANT])
def test_every_line_has_an_address(urlconf: str) -> None:
    left_over = sorted(lines(urlconf).keys() - patterns(urlconf).keys())
    assert left_over == [], f"tests/contracts/urls.py has lines of addresses that {urlconf} no longer has"


def test_no_method_of_an_address_stands_in_two_lines() -> None:
    said = [(line.urlconf, line.pattern, method) for line in TABLE for method in line.methods]
    assert len(said) == len(set(said))


def test_the_table_names_permissions_and_scopes_that_exist() -> None:
    unknown = [
        str(line)
        for line in TABLE
        if (line.needs.kind == "permission" and line.needs.name not in PERMISSIONS)
        or (line.needs.kind == "scope" and line.needs.name not in SCOPES)
    ]
    assert unknown == []


def test_every_place_in_a_pattern_is_filled() -> None:
    for line in TABLE:
        assert "<" not in line.fill(dict.fromkeys(line.of, "x")), line


def test_every_page_states_the_permission_that_the_table_says() -> None:
    stated = {
        pattern: getattr(view, "required_permission", None) for pattern, view in patterns(TENANT).items()
    }
    differing = {
        str(line): stated[line.pattern]
        for line in TABLE
        if line.urlconf == TENANT and stated[line.pattern] != (line.needs.name or None)
    }
    assert differing == {}, "the view's @require says otherwise"


def test_every_endpoint_states_the_scope_that_the_table_says() -> None:
    views = patterns(PUBLIC)
    for line in (line for line in TABLE if line.is_api):
        view = views[line.pattern].view_class
        for method in line.methods:
            if line.needs in (KEY, OPEN):
                assert [HasKey if line.needs == KEY else AllowAny] == view.permission_classes, line
                continue
            stated = view.required_scope
            scope = stated[method] if isinstance(stated, dict) else stated
            assert known(scope) == line.needs.name, line


def test_the_table_names_every_method_of_an_endpoint() -> None:
    for pattern, view in patterns(PUBLIC).items():
        if not hasattr(view, "view_class"):
            continue
        named = {method for line in lines(PUBLIC).get(pattern, []) for method in line.methods}
        answered = {method.upper() for method in METHODS if hasattr(view.view_class, method)}
        assert answered == named, f"{pattern}: give each method a line in tests/contracts/urls.py"


def test_the_api_is_the_same_on_every_host() -> None:
    public, tenant = (
        {pattern for pattern in patterns(urlconf) if pattern.startswith("v1/")}
        for urlconf in (PUBLIC, TENANT)
    )
    assert public == tenant
