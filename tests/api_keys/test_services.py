"""Making and revoking keys, and the page that does it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.permissions import ROLE_PERMISSIONS, Role
from apps.api_keys import ceilings, errors, queries, services
from apps.api_keys.models import ApiKey
from apps.api_keys.scopes import SCOPES
from apps.audit.models import AuditEvent
from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.core.tenancy import TenantKey
from tenants.context import tenant_scope
from tests.accounts.browser import Browser
from tests.accounts.conftest import PASSWORD
from tests.api_keys.conftest import Made

pytestmark = pytest.mark.django_db
ACME = "http://acme.localhost"
FORM = {"name": "Shop", "scopes": ["forecasts:run"], "expires": "90"}


class TestMaking:
    """``services.create``."""

    def test_keeps_what_the_page_shows_and_writes_the_audit_log(self, acme: TenantKey) -> None:
        with tenant_scope(acme):
            row, text = services.create(
                name="  The   shop ", scopes=["usage:read", "forecasts:run", "usage:read"]
            )
            event = AuditEvent.objects.get(action="api_key.created")
        assert (row.name, row.scopes) == ("The shop", ["forecasts:run", "usage:read"])
        assert (row.tenant_id, row.last4) == (acme.id, text[-4:])
        assert row.masked == f"alm_rk_live_{row.public_id}_…{text[-4:]}"
        assert event.target_id == public_id("key", row.id)
        assert text not in str(event.changes)

    @pytest.mark.parametrize(
        ("change", "refusal"),
        [
            ({"name": "   "}, errors.KeyNameRefused),
            ({"name": "x" * 81}, errors.KeyNameRefused),
            ({"name": "a\x00b"}, errors.KeyNameRefused),
            ({"scopes": []}, errors.ScopesMissing),
            ({"scopes": ["everything"]}, errors.ScopeUnknown),
            ({"expires_at": timezone.now() - timedelta(seconds=1)}, errors.ExpiryPast),
        ],
    )
    def test_refuses_with_the_field_to_change(
        self, acme: TenantKey, change: dict[str, object], refusal: type[errors.KeyNotMade]
    ) -> None:
        with tenant_scope(acme), pytest.raises(refusal) as caught:
            services.create(**{"name": "Shop", "scopes": ["usage:read"], **change})  # type: ignore[arg-type]
        assert caught.value.field in {*FORM, "expires_at"}
        with tenant_scope(acme):
            assert not queries.list_keys().exists()

    def test_nobody_hands_on_more_than_they_have(self, acme: TenantKey) -> None:
        ceiling = ceilings.of_person(ROLE_PERMISSIONS[Role.DEVELOPER], person_id=uuid.uuid4())
        with tenant_scope(acme), pytest.raises(errors.ScopeNotYours, match="'audit:read'"):
            services.create(name="Shop", scopes=["usage:read", "audit:read"], ceiling=ceiling)

    def test_there_is_a_cap_on_valid_keys(self, acme: TenantKey, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(services, "VALID_KEYS", 2)
        with tenant_scope(acme):
            first, _ = services.create(name="1", scopes=["usage:read"])
            services.create(name="2", scopes=["usage:read"])
            with pytest.raises(errors.TooManyKeys, match="2 valid keys"):
                services.create(name="3", scopes=["usage:read"])
            services.revoke(key_id=first.id)
            services.create(name="3", scopes=["usage:read"])

    def test_every_scope_is_a_permission_with_words(self) -> None:
        assert SCOPES.keys() <= ROLE_PERMISSIONS[Role.OWNER]
        assert all(SCOPES.values())


class TestRevoking:
    """``services.revoke``."""

    def test_a_second_time_changes_nothing(self, acme: TenantKey) -> None:
        with tenant_scope(acme):
            row, _ = services.create(name="Shop", scopes=["usage:read"])
            first = services.revoke(key_id=row.id).revoked_at
            assert services.revoke(key_id=row.id).revoked_at == first
            assert AuditEvent.objects.filter(action="api_key.revoked").count() == 1

    def test_another_tenants_key_is_not_there(self, acme: TenantKey, globex: TenantKey) -> None:
        with tenant_scope(acme):
            row, _ = services.create(name="Shop", scopes=["usage:read"])
        with tenant_scope(globex), pytest.raises(NotFound):
            services.revoke(key_id=row.id)
        row.refresh_from_db()
        assert row.revoked_at is None


class TestThePage:
    """/api-keys/"""

    def test_shows_the_key_once_with_a_command_that_works(self, browser: Browser, alice: User) -> None:
        browser.log_in(alice.email, PASSWORD)
        created = browser.submit(f"{ACME}/api-keys/create/", FORM)
        text = created.context["text"]
        page = created.content.decode()
        assert (created.status_code, text in page) == (201, True)
        assert "no-store" in created["Cache-Control"]
        assert text not in browser.visit(f"{ACME}/api-keys/").content.decode()
        command = re.fullmatch(
            r'curl http://localhost(/\S+) -H "Authorization: (Bearer \S+)"', created.context["curl"]
        )
        assert command is not None
        answer = Client(headers={"host": "localhost", "Authorization": command[2]}).get(command[1])
        assert answer.status_code == 200
        assert answer.json()["name"] == "Shop"

    def test_lists_names_makers_and_states(self, browser: Browser, alice: User) -> None:
        browser.log_in(alice.email, PASSWORD)
        browser.submit(f"{ACME}/api-keys/create/", FORM)
        response = browser.visit(f"{ACME}/api-keys/")
        (row,) = response.context["rows"]
        assert (row["key"].name, row["created_by"], row["key"].state) == ("Shop", alice.email, "active")
        assert "Shop" in response.content.decode()

    def test_revokes(self, browser: Browser, alice: User, acme: TenantKey) -> None:
        browser.log_in(alice.email, PASSWORD)
        browser.submit(f"{ACME}/api-keys/create/", FORM)
        (row,) = browser.visit(f"{ACME}/api-keys/").context["rows"]
        response = browser.submit(f"{ACME}/api-keys/{row['id']}/revoke/", {})
        assert "is revoked" in response.content.decode()
        assert response.context["rows"][0]["key"].state == "revoked"

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"name": ""}, "required"),
            ({"scopes": [], "access": "restricted"}, "at least one scope"),
            ({"scopes": ["nonsense"]}, "nonsense"),
            ({"networks": "10.0.0.0/8\n10.0.0.300"}, "&#x27;10.0.0.300&#x27;: not an IP address"),
            ({"requests_per_minute": "0"}, "from 1 to"),
            ({"points_per_month": "many"}, "whole number"),
        ],
    )
    def test_says_at_the_field_what_to_change(
        self, browser: Browser, alice: User, change: dict[str, object], words: str
    ) -> None:
        browser.log_in(alice.email, PASSWORD)
        response = browser.submit(f"{ACME}/api-keys/create/", {**FORM, **change})
        assert response.status_code == 422
        assert words in response.content.decode()

    def test_offers_a_developer_no_scope_beyond_the_role(
        self, browser: Browser, person: Callable[..., User], acme: TenantKey
    ) -> None:
        dev = person("dev@acme.example", acme, Role.DEVELOPER)
        browser.log_in(dev.email, PASSWORD)
        response = browser.submit(f"{ACME}/api-keys/create/", {**FORM, "scopes": ["audit:read"]})
        assert response.status_code == 422
        with tenant_scope(acme):
            assert not ApiKey.objects.exists()

    def test_is_closed_to_roles_without_the_permission(
        self, browser: Browser, person: Callable[..., User], acme: TenantKey
    ) -> None:
        analyst = person("ana@acme.example", acme, Role.ANALYST)
        browser.log_in(analyst.email, PASSWORD)
        assert browser.visit(f"{ACME}/api-keys/").status_code == 403
        assert browser.submit(f"{ACME}/api-keys/create/", FORM).status_code == 403

    def test_another_tenants_key_and_an_absent_one_answer_alike(
        self, browser: Browser, alice: User, make_key: Callable[..., Made], globex: TenantKey
    ) -> None:
        row, _ = make_key(globex)
        browser.log_in(alice.email, PASSWORD)
        foreign = browser.submit(f"{ACME}/api-keys/{public_id('key', row.id)}/revoke/", {})
        assert foreign.status_code == 404
        row.refresh_from_db()
        assert row.revoked_at is None
        assert browser.submit(f"{ACME}/api-keys/nonsense/revoke/", {}).status_code == 404
