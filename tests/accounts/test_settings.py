"""Company settings: renamed, handed over, deleted with a grace, kept after all; by owners alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts import queries
from apps.accounts.models import Membership, User
from apps.accounts.permissions import Role
from apps.core.ids import public_id
from apps.core.tenancy import TenantKey
from tenants import queries as tenants
from tests.accounts.browser import BARE, Browser
from tests.accounts.conftest import PASSWORD

pytestmark = pytest.mark.django_db
ACME = "http://acme.localhost"


@pytest.fixture
def owner(browser: Browser, alice: User) -> Browser:
    """Alice's browser."""
    browser.log_in(alice.email, PASSWORD)
    return browser


def delete(browser: Browser, typed: str = "acme", password: str = PASSWORD) -> Any:
    return browser.submit(f"{ACME}/settings/delete/", {"typed": typed, "password": password})


class TestRenaming:
    """Name and address."""

    def test_the_new_address_works_and_the_old_one_leads_there(self, owner: Browser) -> None:
        owner.submit(f"{ACME}/settings/rename/", {"company": "Acme & Sons", "address": "acme-sons"})
        assert owner.trail[-1] == "http://acme-sons.localhost/settings/"
        tenant = tenants.find_by_slug(slug="acme-sons")
        assert tenant is not None
        assert tenant.name == "Acme & Sons"
        owner.visit(f"{ACME}/members/?page=1")
        assert owner.trail[-1] == "http://acme-sons.localhost/members/?page=1"
        answer = owner.client(ACME).post("/members/invite/", {"emails": "x@example.com"})
        assert answer["Location"] == "http://acme-sons.localhost/"

    def test_strangers_are_led_to_the_new_address_through_the_log_in(
        self, owner: Browser, alice: User
    ) -> None:
        owner.submit(f"{ACME}/settings/rename/", {"company": "Acme", "address": "acme-sons"})
        other = Browser()
        response = other.visit(f"{ACME}/usage/")
        assert other.trail[1] == "http://acme-sons.localhost/usage/"
        going_to = response.context["form"].initial["next"]
        other.submit(f"{BARE}/login/", {"email": alice.email, "password": PASSWORD, "next": going_to})
        assert other.trail[-1] == "http://acme-sons.localhost/usage/"

    def test_the_name_alone_can_change(self, owner: Browser) -> None:
        page = owner.submit(f"{ACME}/settings/rename/", {"company": "Acme GmbH", "address": "acme"})
        assert owner.trail[-1] == f"{ACME}/settings/"
        assert 'value="Acme GmbH"' in page.content.decode()

    @pytest.mark.usefixtures("globex")
    @pytest.mark.parametrize(
        ("company", "address", "answer"),
        [
            ("Acme", "globex", (409, "is taken")),
            ("Acme", "admin", (422, "is reserved")),
            ("Acme", "pg_x", (422, "cannot be a web address")),
            ("Acme", "xn--80ak6aa92e", (422, "cannot be a web address")),
            ("Acme", "аcme", (422, "cannot be a web address")),
            ("x" * 300, "acme", (422, "300 characters")),
            ("Аcme", "acme", (422, "two alphabets")),
            ("", "acme", (422, "required")),
        ],
    )
    def test_what_cannot_be_used_is_refused_and_stays_typed(
        self, owner: Browser, company: str, address: str, answer: tuple[int, str]
    ) -> None:
        page = owner.submit(f"{ACME}/settings/rename/", {"company": company, "address": address})
        text = page.content.decode()
        assert (page.status_code, answer[1] in text) == (answer[0], True)
        assert f'value="{address}"' in text
        assert tenants.find_by_slug(slug="acme") is not None


class TestHandingOver:
    """The next owner, by the password of the present one."""

    def submit(self, owner: Browser, heir: User, **more: str) -> Any:
        member = public_id("mem", Membership.objects.get(user=heir).id)
        return owner.submit(f"{ACME}/settings/hand-over/", {"member": member, "password": PASSWORD, **more})

    def test_makes_an_owner_and_an_admin(
        self, owner: Browser, alice: User, person: Callable[..., User], acme: TenantKey
    ) -> None:
        bob = person("bob@acme.example", acme, Role.VIEWER)
        page = self.submit(owner, bob).content.decode()
        assert "bob@acme.example is an owner now. You are an admin." in page
        assert dict(Membership.objects.values_list("user__email", "role")) == {
            "bob@acme.example": "owner",
            alice.email: "admin",
        }

    def test_wants_the_right_password_and_keeps_what_was_chosen(
        self, owner: Browser, alice: User, person: Callable[..., User], acme: TenantKey
    ) -> None:
        person("anna@acme.example", acme, Role.VIEWER)
        bob = person("bob@acme.example", acme, Role.VIEWER)
        answer = self.submit(owner, bob, password="wrong-password", stay="on")
        page = answer.content.decode()
        assert (answer.status_code, "That is not your password." in page) == (422, True)
        assert f'{public_id("mem", Membership.objects.get(user=bob).id)}" selected' in page
        assert "checked" in page
        assert "wrong-password" not in page
        assert Membership.objects.get(user=alice).role == "owner"


class TestDeleting:
    """Closed at once, erased after the grace, kept on an owner's word."""

    def test_every_page_then_says_when_it_goes_and_owners_can_undo_it(
        self, owner: Browser, acme: TenantKey
    ) -> None:
        answer = delete(owner)
        tenant = tenants.get_tenant(tenant_id=acme.id)
        assert tenant.state == "deleting"
        assert tenant.erase_after is not None
        assert tenant.deletion_notify == ["alice@acme.example"]
        for page in (answer, owner.visit(f"{ACME}/"), owner.visit(f"{ACME}/datasets/")):
            text = page.content.decode()
            assert page.status_code == 403
            assert f"will be deleted on {tenant.erase_after:%-d %B %Y}" in text
            assert "Undo and keep the company" in text
        owner.submit(f"{ACME}/settings/keep/", {})
        assert owner.trail[-1] == f"{ACME}/"
        assert tenants.get_tenant(tenant_id=acme.id).state == "active"

    @pytest.mark.parametrize("role", [role for role in Role if role != Role.OWNER])
    def test_others_see_the_date_and_cannot_undo_it(
        self, owner: Browser, person: Callable[..., User], acme: TenantKey, role: Role
    ) -> None:
        bob, of_bob = person("bob@acme.example", acme, role), Browser()
        delete(owner)
        of_bob.log_in(bob.email, PASSWORD)
        text = of_bob.visit(f"{ACME}/members/").content.decode()
        assert "will be deleted on" in text
        assert "Undo" not in text
        assert of_bob.submit(f"{ACME}/settings/keep/", {}).status_code == 403
        assert tenants.get_tenant(tenant_id=acme.id).state == "deleting"

    def test_it_is_marked_in_the_choice_of_companies_and_strangers_find_nothing(
        self, owner: Browser, mallory: User
    ) -> None:
        delete(owner)
        assert "Will be deleted on" in owner.visit(f"{BARE}/tenants/?all=1").content.decode()
        other = Browser()
        other.log_in(mallory.email, PASSWORD)
        other.client(ACME).cookies["sessionid"] = (
            other.client("http://globex.localhost").cookies["sessionid"].value
        )
        assert other.visit(f"{ACME}/").status_code == 404

    @pytest.mark.parametrize(
        ("typed", "password", "words"),
        [
            ("Acme Inc", PASSWORD, "Please type &#x27;acme&#x27;"),
            ("acme", "wrong-password", "That is not your password."),
            ("", PASSWORD, "required"),
        ],
    )
    def test_wants_the_address_typed_and_the_password(
        self, owner: Browser, acme: TenantKey, typed: str, password: str, words: str
    ) -> None:
        answer = delete(owner, typed, password)
        page = answer.content.decode()
        assert (answer.status_code, words in page) == (422, True)
        assert f'name="typed" value="{typed}"' in page or not typed
        assert password not in page
        assert tenants.get_tenant(tenant_id=acme.id).state == "active"

    def test_nothing_to_keep_is_said(self, owner: Browser) -> None:
        assert owner.submit(f"{ACME}/settings/keep/", {}).status_code == 409


@pytest.mark.parametrize("role", [role for role in Role if role != Role.OWNER])
def test_the_settings_are_for_owners_alone(
    browser: Browser, person: Callable[..., User], acme: TenantKey, role: Role
) -> None:
    bob = person("bob@acme.example", acme, role)
    browser.log_in(bob.email, PASSWORD)
    assert browser.visit(f"{ACME}/settings/").status_code == 403
    for path in ("rename", "hand-over", "delete", "keep"):
        assert browser.submit(f"{ACME}/settings/{path}/", {}).status_code == 403
    assert "/settings/" not in browser.visit(f"{ACME}/members/").content.decode()


def test_the_owners_addresses_are_known_to_those_who_tell_them(
    alice: User, mallory: User, person: Callable[..., User], acme: TenantKey
) -> None:
    person("bob@acme.example", acme, Role.OWNER)
    person("carol@acme.example", acme, Role.ADMIN)
    person("dave@acme.example", acme, Role.OWNER, is_active=False)
    assert queries.list_owner_emails(tenant_id=acme.id) == ["alice@acme.example", "bob@acme.example"]
