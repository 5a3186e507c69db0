"""The pages of a model's versions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from apps.accounts.permissions import Role
from apps.core.tenancy import TenantKey
from apps.registry import queries
from apps.registry.models import ModelVersion
from tenants.context import tenant_scope
from tests.accounts.browser import Browser
from tests.dashboard.conftest import ACME
from tests.registry.conftest import first, mirror
from tests.registry.publishing import Mirror, publish

__all__ = ["first", "mirror"]
Member = Callable[[Role], Browser]
PAGE = f"{ACME}/models/sales"


@pytest.fixture
def developer(acme: TenantKey, first: ModelVersion, mirror: Mirror, member: Member) -> Browser:
    """A developer, the champion 1.0.0 and a challenger 1.1.0."""
    with tenant_scope(acme):
        publish(first, "challenger", metrics={"mase": 0.5})
    return member(Role.DEVELOPER)


def champion(acme: TenantKey) -> int:
    with tenant_scope(acme):
        return queries.get_champion(name="sales").number


def test_versions_stand_with_what_they_are_called(developer: Browser) -> None:
    page = developer.visit(f"{PAGE}/versions/").content.decode()
    for words in ("1.0.0", "1.1.0", ">champion<", ">challenger<", "Promote this version?", "Answers now"):
        assert words in page
    assert "Roll back?" not in page, "nothing answered before"
    assert "All 2 versions" in developer.visit(f"{PAGE}/").content.decode()


def test_promoting_and_rolling_back_by_hand(acme: TenantKey, developer: Browser) -> None:
    page = developer.submit(f"{PAGE}/versions/1.1.0/promote/", {"expected_champion": "1"}).content.decode()
    assert "Version 1.1.0 answers from now on." in page
    assert "Roll back?" in page
    late = developer.submit(f"{PAGE}/rollback/", {"expected_champion": "1"})
    assert (late.status_code, champion(acme)) == (409, 2)
    assert "The champion of &#x27;sales&#x27; is version 1.1.0" in late.content.decode()
    page = developer.submit(f"{PAGE}/rollback/", {"expected_champion": "2"}).content.decode()
    assert "Version 1.0.0 answers again." in page


def test_the_archive_is_left_again(developer: Browser) -> None:
    assert ">archived<" in developer.submit(f"{PAGE}/versions/1.1.0/archive/", {}).content.decode()
    assert ">archived<" not in developer.submit(f"{PAGE}/versions/1.1.0/unarchive/", {}).content.decode()
    assert developer.submit(f"{PAGE}/versions/1.0.0/archive/", {}).status_code == 409


def test_a_version_is_deleted_after_a_look_at_what_hangs_on_it(developer: Browser) -> None:
    assert "Nothing hangs on it" in developer.visit(f"{PAGE}/versions/1.1.0/delete/").content.decode()
    assert (
        "Version 1.1.0 is deleted." in developer.submit(f"{PAGE}/versions/1.1.0/delete/", {}).content.decode()
    )
    assert developer.submit(f"{PAGE}/versions/1.0.0/delete/", {}).status_code == 409


def test_a_model_goes_only_once_its_name_is_typed(developer: Browser) -> None:
    assert "Nothing was deleted" in developer.submit(f"{PAGE}/delete/", {"typed": "sale"}).content.decode()
    assert (
        "is deleted with all its versions"
        in developer.submit(f"{PAGE}/delete/", {"typed": "sales"}).content.decode()
    )
    assert developer.visit(f"{PAGE}/").status_code == 404


def test_two_versions_stand_side_by_side(developer: Browser) -> None:
    page = developer.visit(f"{PAGE}/compare/").content.decode()
    for words in ("1.0.0 and 1.1.0", "MASE", "0.500", "Neither version kept the forecasts"):
        assert words in page
    assert developer.visit(f"{PAGE}/compare/?a=9").status_code == 404


def test_an_analyst_looks_and_does_not_choose(developer: Browser, member: Member) -> None:
    analyst = member(Role.ANALYST)
    page = analyst.visit(f"{PAGE}/versions/").content.decode()
    assert "Promote" not in page
    assert analyst.submit(f"{PAGE}/versions/1.1.0/promote/", {}).status_code == 403
