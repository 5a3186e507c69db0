"""The pages of keys: list with its filters, a key of each kind, its settings, rotation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.permissions import Role
from apps.api_keys import services
from apps.api_keys.models import ApiKey
from apps.core.ids import public_id
from apps.core.tenancy import TenantKey
from tenants.context import tenant_scope
from tests.accounts.browser import Browser
from tests.accounts.conftest import PASSWORD
from tests.api_keys.conftest import Made, program
from tests.api_keys.test_limits import of_person

pytestmark = pytest.mark.django_db
KEYS = "http://acme.localhost/api-keys/"
MakeKey = Callable[..., Made]
FORM = {"name": "Till", "mode": "live", "access": "standard", "expires": "365", "owner": "organisation"}


@pytest.fixture
def page(browser: Browser, alice: User) -> Browser:
    browser.log_in(alice.email, PASSWORD)
    return browser


def create(page: Browser, **fields: Any) -> Any:
    return page.submit(f"{KEYS}create/", {**FORM, **fields})


def address(key: ApiKey, end: str = "") -> str:
    return f"{KEYS}{public_id('key', key.id)}/{end}"


@pytest.mark.parametrize(
    ("fields", "prefix", "scopes"),
    [
        ({}, "alm_live_", 11),
        ({"scopes": ["usage:read"]}, "alm_live_", 11),
        ({"mode": "test"}, "alm_test_", 11),
        ({"access": "restricted", "scopes": ["usage:read"]}, "alm_rk_live_", 1),
        ({"access": "restricted", "scopes": ["usage:read"], "mode": "test"}, "alm_rk_test_", 1),
        ({"access": "", "scopes": ["usage:read"]}, "alm_rk_live_", 1),
    ],
)
def test_the_form_makes_each_kind(page: Browser, fields: dict[str, Any], prefix: str, scopes: int) -> None:
    made = create(page, **fields)
    text = made.context["text"]
    assert (made.status_code, text.startswith(prefix)) == (201, True)
    assert len(made.context["key"].scopes) == scopes
    assert program(text).get("/v1/key").status_code == 200


def test_a_key_lasts_a_year_unless_told_and_the_page_says_so(page: Browser) -> None:
    key = create(page).context["key"]
    assert abs(key.expires_at - timezone.now() - timedelta(days=365)) < timedelta(minutes=1)
    assert f"Ends {key.expires_at:%-d %b %Y}" in page.visit(KEYS).content.decode()
    assert create(page, expires="never").context["key"].expires_at is None


def test_the_form_takes_networks_limits_and_an_owner(page: Browser, alice: User) -> None:
    key = create(
        page,
        networks="203.0.113.0/24, 2001:db8::/32\n127.0.0.1",
        requests_per_minute="60",
        points_per_month="500",
        owner="me",
    ).context["key"]
    assert key.networks == ["203.0.113.0/24", "2001:db8::/32", "127.0.0.1/32"]
    assert (key.requests_per_minute, key.points_per_month, key.owner_id) == (60, 500, alice.id)
    shown = page.visit(address(key)).content.decode()
    assert all(words in shown for words in ("203.0.113.0/24", "0 of 500", alice.email, "60"))


def test_what_is_wrong_among_the_further_settings_is_not_hidden(page: Browser) -> None:
    answer = create(page, networks="10.0.0.0/8 nowhere")
    assert answer.status_code == 422
    shown = answer.content.decode()
    assert "<details open>" in shown
    assert "&#x27;nowhere&#x27;: not an IP address" in shown


def test_settings_are_changed_on_the_keys_page(page: Browser, make_key: MakeKey, acme: TenantKey) -> None:
    row, text = make_key(acme)
    answer = page.submit(address(row, "change/"), {"name": "Shop", "networks": "192.0.2.1"})
    assert "takes effect within a second" in answer.content.decode()
    assert program(text).get("/v1/key").json()["code"] == "network_not_allowed"
    refused = page.submit(address(row, "change/"), {"name": "Shop", "networks": "192.0.2.300"})
    assert (refused.status_code, "192.0.2.300" in refused.content.decode()) == (422, True)


def test_rotation_shows_the_new_text_once_and_both_keys_their_state(
    page: Browser, make_key: MakeKey, acme: TenantKey
) -> None:
    row, old = make_key(acme, name="Till")
    made = page.submit(address(row, "rotate/"), {"overlap": "24"})
    text = made.context["text"]
    assert (made.status_code, "no-store" in made["Cache-Control"]) == (201, True)
    assert {program(each).get("/v1/key").status_code for each in (old, text)} == {200}
    states = [(each["key"].name, each["key"].state) for each in page.visit(KEYS).context["rows"]]
    assert states == [("Till", "active"), ("Till", "rotating")]
    shown = page.visit(address(row)).content.decode()
    assert "The new key" in shown
    assert text not in shown
    again = page.submit(address(row, "rotate/"), {"overlap": "24"})
    assert "can no longer be changed or rotated" in again.content.decode()
    assert page.submit(address(row, "rotate/"), {"overlap": "9999"}).status_code == 422


def test_the_list_is_narrowed_by_state_and_search(page: Browser, make_key: MakeKey, acme: TenantKey) -> None:
    (old, _), _ = make_key(acme, name="Old till"), make_key(acme, name="Kiosk")
    with tenant_scope(acme):
        services.revoke(key_id=old.id)

    def names(query: str) -> list[str]:
        return [each["key"].name for each in page.visit(KEYS + query).context["rows"]]

    assert names("") == ["Kiosk", "Old till"]
    assert names("?state=active") == ["Kiosk"]
    assert names("?state=ended") == ["Old till"]
    assert names("?search=TILL") == ["Old till"]
    assert names(f"?search={old.public_id}") == ["Old till"]
    assert names("?search=%00") == ["Kiosk", "Old till"]
    assert "None found" in page.visit(f"{KEYS}?search=nobody").content.decode()


def test_what_ends_soon_or_is_not_used_is_marked(page: Browser, acme: TenantKey, make_key: MakeKey) -> None:
    row, _ = make_key(acme, name="Soon", expires_at=timezone.now() + timedelta(days=29))
    with tenant_scope(acme):
        row.id, row.public_id, row.name, row.expires_at = None, "Unused00", "Unused", None
        row.created_at = timezone.now() - timedelta(days=91)
        row.id = ApiKey().id
        row.save(force_insert=True)
    shown = page.visit(KEYS).content.decode()
    assert "Expires soon" in shown
    assert "Unused for 90 days" in shown


def test_somebody_elses_personal_key_can_only_be_revoked(
    page: Browser, acme: TenantKey, person: Callable[..., User]
) -> None:
    ann = person("ann@acme.example", acme, Role.ADMIN)
    with tenant_scope(acme):
        row, _ = services.create(name="Mine", personal=True, ceiling=of_person(ann, acme, Role.ADMIN))
    shown = page.visit(address(row))
    assert shown.context["form"] is None
    assert "Rotate" not in shown.content.decode()
    assert "only its owner" in page.submit(address(row, "rotate/"), {"overlap": "0"}).content.decode()
    assert page.submit(address(row, "change/"), {"name": "Theirs"}).status_code == 403
    assert "is revoked" in page.submit(address(row, "revoke/"), {}).content.decode()


def test_another_tenants_key_and_none_are_answered_alike(
    page: Browser, make_key: MakeKey, globex: TenantKey
) -> None:
    row, _ = make_key(globex)
    for end, data in (("", None), ("change/", {"name": "x"}), ("rotate/", {"overlap": "0"}), ("revoke/", {})):
        for path in (address(row, end), f"{KEYS}key_00000000000000000000000000/{end}"):
            answer = page.visit(path) if data is None else page.submit(path, data)
            assert answer.status_code == 404, path
    row.refresh_from_db()
    assert (row.name, row.replaced_by, row.revoked_at) == ("Test", None, None)
