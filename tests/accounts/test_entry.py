"""From the bare host to a tenant's host: codes are used once, soon, on one host, in one browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.test import RequestFactory

from apps.accounts import errors, services
from apps.accounts.middleware import STATE_COOKIE, SessionScopeMiddleware
from apps.accounts.models import Membership, User
from apps.accounts.permissions import Role
from apps.audit.models import AuditEvent
from apps.core import redis, scope
from apps.core.scope import NoTenantScope
from apps.core.tenancy import TenantKey
from tenants import services as tenants
from tenants.context import system_scope, tenant_scope
from tenants.models import Tenant, TenantState
from tests.accounts.browser import BARE, Browser
from tests.accounts.conftest import PASSWORD

pytestmark = pytest.mark.django_db
ACME, GLOBEX = "http://acme.localhost", "http://globex.localhost"


def _code(user: User, host: str = "acme.localhost", state: str = "s") -> str:
    return services.issue_host_code(user=user, host=host, log_in_session="key", state=state)


class TestHostCodes:
    """What a code is worth."""

    def test_a_code_is_good_once(self, alice: User) -> None:
        code = _code(alice)
        assert services.redeem_host_code(code=code, host="acme.localhost", state="s").user == alice
        with pytest.raises(errors.HostCodeInvalid):
            services.redeem_host_code(code=code, host="acme.localhost", state="s")

    @pytest.mark.parametrize(
        ("host", "state"), [("globex.localhost", "s"), ("acme.localhost", "other"), ("acme.localhost", "")]
    )
    def test_a_code_is_worth_nothing_on_another_host_or_browser_and_is_used_up(
        self, alice: User, host: str, state: str
    ) -> None:
        code = _code(alice)
        with pytest.raises(errors.HostCodeInvalid):
            services.redeem_host_code(code=code, host=host, state=state)
        with pytest.raises(errors.HostCodeInvalid):
            services.redeem_host_code(code=code, host="acme.localhost", state="s")

    def test_a_code_ends_after_thirty_seconds(self, alice: User) -> None:
        _code(alice)
        (key,) = redis.client().keys("almanac:shared:host-code:*")
        assert 28 <= redis.client().ttl(key) <= 30

    def test_redis_does_not_hold_the_code_itself(self, alice: User) -> None:
        code = _code(alice)
        (key,) = redis.client().keys("*host-code*")
        assert code not in key
        assert code not in str(redis.client().get(key))

    def test_a_made_up_code_is_refused(self) -> None:
        with pytest.raises(errors.HostCodeInvalid):
            services.redeem_host_code(code="x" * 43, host="acme.localhost", state="s")

    def test_a_blocked_person_cannot_use_a_code(self, alice: User) -> None:
        code = _code(alice)
        with system_scope("operator"):
            User.objects.filter(id=alice.id).update(is_active=False)
        with pytest.raises(errors.HostCodeInvalid):
            services.redeem_host_code(code=code, host="acme.localhost", state="s")


class TestTheWay:
    """Redirects from page to log-in and back."""

    def test_a_stranger_who_asks_for_a_page_lands_there_after_log_in(
        self, browser: Browser, alice: User
    ) -> None:
        response = browser.visit(f"{ACME}/usage/?month=1")
        assert browser.trail[-1].startswith(f"{BARE}/login/?next=")
        going_to = response.context["form"].initial["next"]
        response = browser.submit(
            f"{BARE}/login/", {"email": alice.email, "password": PASSWORD, "next": going_to}
        )
        assert browser.trail[-1] == f"{ACME}/usage/?month=1"
        assert response.status_code == 200

    def test_works_from_the_bare_hosts_other_name(self, browser: Browser, alice: User) -> None:
        browser.log_in(alice.email, PASSWORD, base="http://127.0.0.1")
        assert browser.trail[-1] == f"{ACME}/"
        assert not any("/login/" in url for url in browser.trail[1:])

    def test_the_ports_stay(self, browser: Browser, alice: User) -> None:
        browser.log_in(alice.email, PASSWORD, base="http://127.0.0.1:8123")
        assert browser.trail[-1] == "http://acme.localhost:8123/"

    def test_the_way_in_is_in_the_tenants_audit_log(
        self, browser: Browser, alice: User, acme: TenantKey
    ) -> None:
        browser.log_in(alice.email, PASSWORD)
        with tenant_scope(acme):
            event = AuditEvent.objects.get(action="user.logged_in")
            assert event.actor_label == alice.email

    def test_a_link_with_a_strangers_code_does_not_open_a_session(
        self, browser: Browser, mallory: User, globex: TenantKey
    ) -> None:
        code = _code(mallory, "globex.localhost", state="mallorys-own")
        response = browser.visit(f"{GLOBEX}/session/{code}/")
        assert response.status_code == 403
        assert STATE_COOKIE not in browser.client(GLOBEX).cookies
        assert Session.objects.count() == 0

    def test_a_bare_hosts_session_opens_no_tenants_host(self, browser: Browser, alice: User) -> None:
        browser.log_in(alice.email, PASSWORD)
        thief = Browser()
        thief.client(ACME).cookies["sessionid"] = browser.client(BARE).cookies["sessionid"].value
        thief.visit(f"{ACME}/usage/")
        assert thief.trail[-1].startswith(f"{BARE}/login/")

    def test_a_foreign_bare_host_in_the_link_is_not_gone_to(self, browser: Browser) -> None:
        response = browser.step(f"{ACME}/session/start/?bare=evil.example")
        assert response["Location"].startswith(f"{BARE}/enter/acme/?")

    def test_an_htmx_request_without_session_loads_the_whole_page(
        self, browser: Browser, acme: TenantKey
    ) -> None:
        response = browser.visit(f"{ACME}/usage/", **{"HX-Request": "true"})
        assert (response.status_code, response["HX-Redirect"]) == (401, "/")

    def test_a_post_without_session_does_not_come_back_as_a_page(
        self, browser: Browser, acme: TenantKey
    ) -> None:
        response = browser.client(ACME).post("/api-keys/create/", {})
        assert "next=%2F&" in response["Location"] + "&"


class TestMembership:
    """Who may stand on a tenant's host."""

    def test_another_tenants_host_looks_as_if_it_did_not_exist(
        self, browser: Browser, alice: User, mallory: User
    ) -> None:
        browser.log_in(mallory.email, PASSWORD)
        own = browser.step(f"{BARE}/enter/acme/")
        absent = browser.step(f"{BARE}/enter/no-such-company/")
        assert (own.status_code, absent.status_code) == (404, 404)
        assert own.content.replace(b"acme", b"") == absent.content.replace(b"no-such-company", b"")

    def test_somebody_who_is_no_member_finds_nothing_even_with_a_session(
        self, browser: Browser, alice: User, mallory: User
    ) -> None:
        browser.log_in(mallory.email, PASSWORD)
        browser.client(ACME).cookies["sessionid"] = browser.client(GLOBEX).cookies["sessionid"].value
        assert browser.visit(f"{ACME}/usage/").status_code == 404

    def test_the_choice_shows_ones_own_tenants_with_roles(
        self, browser: Browser, alice: User, person: Callable[..., User], globex: TenantKey
    ) -> None:
        Membership.objects.create(tenant_id=globex.id, user=alice, role=Role.VIEWER)
        response = browser.log_in(alice.email, PASSWORD)
        assert browser.trail[-1] == f"{BARE}/tenants/"
        assert [(row["tenant"].slug, row["role"]) for row in response.context["rows"]] == [
            ("acme", "owner"),
            ("globex", "viewer"),
        ]

    def test_the_page_runs_in_the_tenants_scope_and_leaves_it(self, browser: Browser, alice: User) -> None:
        browser.log_in(alice.email, PASSWORD)
        assert browser.visit(f"{ACME}/usage/").status_code == 200
        with pytest.raises(NoTenantScope):
            scope.current_tenant()

    def test_pages_of_members_are_not_kept_by_shared_caches(self, browser: Browser, alice: User) -> None:
        browser.log_in(alice.email, PASSWORD)
        assert "private" in browser.visit(f"{ACME}/usage/")["Cache-Control"]


class TestTheTenantsState:
    """Suspended, being made, unknown."""

    def test_a_suspended_tenant_shows_a_kind_page_and_comes_back(
        self, browser: Browser, alice: User, acme: TenantKey
    ) -> None:
        browser.log_in(alice.email, PASSWORD)
        with system_scope("operator"):
            tenants.suspend(tenant_id=acme.id, reason="unpaid")
        response = browser.visit(f"{ACME}/usage/")
        assert response.status_code == 403
        assert "suspended" in response.content.decode()
        with system_scope("operator"):
            tenants.reactivate(tenant_id=acme.id)
        assert browser.visit(f"{ACME}/usage/").status_code == 200

    def test_one_can_log_out_of_a_suspended_tenant(
        self, browser: Browser, alice: User, acme: TenantKey
    ) -> None:
        browser.log_in(alice.email, PASSWORD)
        with system_scope("operator"):
            tenants.suspend(tenant_id=acme.id, reason="unpaid")
        browser.submit(f"{ACME}/logout/", {})
        assert browser.trail[-1] == f"{BARE}/"

    def test_an_unknown_host_is_not_found(self, browser: Browser) -> None:
        assert browser.visit("http://nobody.localhost/").status_code == 404

    def test_a_tenant_that_is_being_made_asks_for_a_moment(self) -> None:
        response = _answer(TenantState.CREATING)
        assert (response.status_code, response["Retry-After"]) == (503, "3")
        assert "Initech is being prepared" in response.content.decode()

    @pytest.mark.parametrize("state", [TenantState.READY, TenantState.GONE])
    @pytest.mark.parametrize("path", ["/", "/usage/", "/session/start/", "/logout/"])
    def test_a_tenant_that_is_no_more_is_not_found_at_any_door(self, state: TenantState, path: str) -> None:
        assert _answer(state, path).status_code == 404


def _answer(state: TenantState, path: str = "/") -> HttpResponseBase:
    request = RequestFactory().get(path, headers={"host": "initech.localhost"})
    request.tenant = Tenant(slug="initech", name="Initech", state=state)  # type: ignore[attr-defined]
    return SessionScopeMiddleware(lambda _request: HttpResponse("a page"))(request)
