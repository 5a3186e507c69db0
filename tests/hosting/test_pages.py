"""The pages under /models/hosted/."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.accounts.permissions import Role
from apps.core.tenancy import TenantKey
from apps.hosting import queries
from tenants.context import tenant_scope
from tests import brought
from tests.accounts.browser import Browser

ACME = "http://acme.localhost/models/hosted"


@pytest.fixture
def browser(member: Callable[[Role], Browser]) -> Browser:
    return member(Role.OWNER)


def text(answer: object) -> str:
    return str(answer.content.decode())  # type: ignore[attr-defined]


def bring(browser: Browser, data: str = brought.TREE) -> object:
    form = {
        "file": SimpleUploadedFile("m.txt", data.encode()),
        "name": "shop",
        "signature": brought.SIGNATURE_TEXT,
    }
    return browser.submit(f"{ACME}/new/", form)


def test_the_list_of_models_leads_to_those_that_were_brought(browser: Browser) -> None:
    assert "/models/hosted/" in text(browser.visit("http://acme.localhost/models/"))
    assert "No model of your own yet" in text(browser.visit(f"{ACME}/"))


def test_a_model_is_brought_tried_promoted_and_deleted(browser: Browser, acme: TenantKey) -> None:
    assert "passed the sandbox" in text(bring(browser))
    bring(browser, brought.TREE.replace("leaf_value=1 3", "leaf_value=10 30"))
    tried = browser.submit(f"{ACME}/of/shop/try/", {"instances": "[[1, 2]]"})
    assert "&quot;version&quot;: 1" in text(tried)
    browser.submit(f"{ACME}/of/shop/versions/2/promote/", {})
    assert "Version 2 answers." in text(browser.visit(f"{ACME}/of/shop/"))
    assert browser.submit(f"{ACME}/of/shop/versions/2/delete/", {}).status_code == 409
    browser.submit(f"{ACME}/of/shop/versions/1/delete/", {})
    browser.submit(f"{ACME}/of/shop/delete/", {"typed": "other"})
    with tenant_scope(acme):
        assert [each.number for each in queries.list_versions(model=queries.get_model(name="shop"))] == [2]
    browser.submit(f"{ACME}/of/shop/delete/", {"typed": "shop"})
    assert browser.visit(f"{ACME}/of/shop/").status_code == 404


def test_a_file_that_does_not_do_is_told_why_on_the_form(browser: Browser) -> None:
    answer = bring(browser, "\x80pickle")
    assert answer.status_code == 422  # type: ignore[attr-defined]
    assert "no model that is known here" in text(answer) or "pickle" in text(answer)


def test_rows_that_do_not_fit_are_told_at_the_field(browser: Browser) -> None:
    bring(browser)
    answer = browser.submit(f"{ACME}/of/shop/try/", {"instances": "[[1]]"})
    assert answer.status_code == 422
    assert "A row is a list of 2 numbers" in text(answer)


def test_who_may_not_deploy_sees_no_buttons(browser: Browser, member: Callable[[Role], Browser]) -> None:
    bring(browser)
    viewer = member(Role.VIEWER)
    page = text(viewer.visit(f"{ACME}/of/shop/"))
    assert "Delete the model" not in page
    assert viewer.visit(f"{ACME}/new/").status_code == 403
