"""A stranger signs up: what is made, what is refused, and how clearly."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connections

from apps.accounts import errors, services
from apps.accounts.models import Membership, User
from apps.audit.models import AuditEvent
from apps.core import request_context
from apps.core.request_context import RequestContext
from tenants import queries as tenants
from tenants.context import system_scope, tenant_scope
from tenants.errors import NoSchemaReady
from tests.accounts.browser import BARE, Browser

FORM = {
    "company": "Initech",
    "email": "Peter@Initech.Example ",
    "password": "a-long-sentence-42",
    "address": "",
}


@pytest.mark.usefixtures("warm_pool", "db")
class TestSignUp:
    """One transaction makes person, tenant and membership."""

    def test_makes_a_tenant_that_the_person_owns(self) -> None:
        user, tenant = services.sign_up(**FORM)
        assert (user.email, tenant.slug, tenant.name, tenant.state) == (
            "peter@initech.example",
            "initech",
            "Initech",
            "active",
        )
        membership = Membership.objects.get(user=user)
        assert (membership.tenant_id, membership.role) == (tenant.id, "owner")
        assert user.check_password(FORM["password"])

    def test_is_written_to_the_tenants_audit_log(self) -> None:
        user, tenant = services.sign_up(**FORM)
        with tenant_scope(tenant.key):
            actions = set(AuditEvent.objects.values_list("action", "personal__data__actor_label"))
        assert ("user.signed_up", user.email) in actions
        assert ("tenant.created", user.email) in actions

    def test_takes_another_address_than_the_companys_name(self) -> None:
        _, tenant = services.sign_up(**{**FORM, "company": "株式会社", "address": "Kabushiki"})
        assert (tenant.slug, tenant.name) == ("kabushiki", "株式会社")

    @pytest.mark.parametrize(
        ("change", "refusal"),
        [
            ({"company": "Public"}, errors.AddressReserved),
            ({"company": "www"}, errors.AddressReserved),
            ({"company": "pg_catalog"}, errors.AddressReserved),
            ({"company": "🚀"}, errors.AddressUnclear),
            ({"company": "Асme"}, errors.CompanyNameMixedScripts),
            ({"company": "a" * 300}, errors.CompanyNameTooLong),
            ({"company": "Acme"}, errors.AddressTaken),
            ({"email": "peter"}, errors.EmailMalformed),
            ({"email": "pétèr@initech.example"}, errors.EmailMalformed),
            ({"password": "short"}, errors.PasswordRefused),
            ({"password": "password123"}, errors.PasswordRefused),
            ({"password": "peter@initech.example"}, errors.PasswordRefused),
        ],
    )
    def test_refuses_what_cannot_be_used_and_makes_nothing(
        self, change: dict[str, str], refusal: type[errors.SignUpRefused]
    ) -> None:
        with pytest.raises(refusal) as caught:
            services.sign_up(**{**FORM, **change})
        assert caught.value.field in FORM
        assert not User.objects.exists()

    def test_a_known_e_mail_is_refused_in_any_capitals(self) -> None:
        services.sign_up(**FORM)
        with pytest.raises(errors.EmailTaken, match=r"peter@initech\.example already"):
            services.sign_up(**{**FORM, "company": "Initrode", "email": "PETER@initech.example"})
        assert tenants.find_by_slug(slug="initrode") is None

    def test_a_taken_address_names_another_one(self) -> None:
        services.sign_up(**FORM)
        with pytest.raises(errors.AddressTaken, match="'initech-2'"):
            services.sign_up(**{**FORM, "email": "other@initech.example"})


@pytest.mark.usefixtures("warm_pool", "db")
class TestTheDoor:
    """``SIGNUP`` decides who may sign up; the throttle how often."""

    def test_closed_refuses_everybody(self, settings: Any) -> None:
        settings.SIGNUP = "closed"
        with pytest.raises(errors.SignUpClosed):
            services.sign_up(**FORM, invitation=services.invite_to_sign_up(email=FORM["email"]))

    def test_invite_takes_the_invited_address_alone(self, settings: Any) -> None:
        settings.SIGNUP = "invite"
        invitation = services.invite_to_sign_up(email="peter@initech.example")
        with pytest.raises(errors.InvitationNeeded, match="another e-mail address"):
            services.sign_up(**{**FORM, "email": "mallory@initech.example"}, invitation=invitation)
        user, _ = services.sign_up(**FORM, invitation=invitation)
        assert user.email == "peter@initech.example"

    @pytest.mark.parametrize("invitation", ["", "nonsense", "a:b:c"])
    def test_invite_refuses_what_is_no_invitation(self, settings: Any, invitation: str) -> None:
        settings.SIGNUP = "invite"
        with pytest.raises(errors.InvitationNeeded):
            services.sign_up(**FORM, invitation=invitation)

    def test_an_invitation_ends_after_seven_days(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.SIGNUP = "invite"
        invitation = services.invite_to_sign_up(email=FORM["email"])
        monkeypatch.setattr(services.signing_up, "INVITATION_DAYS", -1)
        with pytest.raises(errors.InvitationNeeded, match="older than"):
            services.sign_up(**FORM, invitation=invitation)

    def test_one_network_may_try_ten_times_an_hour(self) -> None:
        services.sign_up(**FORM)
        with request_context.bind(RequestContext(ip="203.0.113.7")):
            for number in range(10):
                with pytest.raises(errors.AddressTaken):
                    services.sign_up(**{**FORM, "email": f"p{number}@initech.example"})
            with pytest.raises(errors.TooManyAttempts, match="6 minutes") as refusal:
                services.sign_up(**{**FORM, "email": "p11@initech.example"})
        assert 300 < (refusal.value.retry_after_seconds or 0) <= 361
        with request_context.bind(RequestContext(ip="203.0.113.8")), pytest.raises(errors.AddressTaken):
            services.sign_up(**{**FORM, "email": "p11@initech.example"})


@pytest.mark.parametrize("same", ["email", "address"])
@pytest.mark.usefixtures("warm_pool", "committed")
def test_twice_at_the_same_moment_makes_one_and_refuses_one_clearly(same: str) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def run(number: int) -> None:
        mine = {**FORM, "email": f"p{number}@initech.example", "address": f"initech-{number}"}
        start.wait()
        try:
            services.sign_up(**{**mine, same: FORM[same] or "initech"})
            outcomes.append("made")
        except errors.SignUpRefused as refusal:
            outcomes.append(refusal.code)
        finally:
            connections["default"].close()

    threads = [threading.Thread(target=run, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == sorted(["made", f"{same}_taken"])
    assert User.objects.count() == 1
    assert Membership.objects.count() == 1


@pytest.mark.usefixtures("warm_pool")
class TestThePage:
    """What the browser shows."""

    def test_leads_into_the_new_tenants_own_host(self, browser: Browser) -> None:
        browser.submit(f"{BARE}/signup/", FORM)
        assert browser.trail[-1] == "http://initech.localhost/"
        keys = browser.visit("http://initech.localhost/api-keys/")
        assert (keys.status_code, browser.trail) == (200, ["http://initech.localhost/api-keys/"])

    @pytest.mark.parametrize(
        ("change", "status", "words"),
        [
            ({"company": ""}, 422, "required"),
            ({"company": "admin"}, 422, "is reserved"),
            ({"company": "acme"}, 409, "is taken"),
            ({"email": "nobody"}, 422, "is not an e-mail address"),
            ({"password": "short"}, 422, "too short"),
            ({"company": "a\x00b"}, 422, "Null characters"),
        ],
    )
    def test_says_at_the_field_what_to_change(
        self, browser: Browser, change: dict[str, str], status: int, words: str
    ) -> None:
        response = browser.submit(f"{BARE}/signup/", {**FORM, **change})
        assert response.status_code == status
        assert words in response.content.decode()

    def test_never_shows_the_password_again(self, browser: Browser) -> None:
        response = browser.submit(f"{BARE}/signup/", {**FORM, "company": ""})
        assert FORM["password"] not in response.content.decode()

    def test_asks_for_patience_while_no_schema_is_ready(
        self, browser: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def none_ready(**_wishes: str) -> None:
            raise NoSchemaReady

        monkeypatch.setattr(services.signing_up.tenants, "claim", none_ready)
        response = browser.submit(f"{BARE}/signup/", FORM)
        assert response.status_code == 503
        assert "Try again in a few seconds" in response.content.decode()
        assert not User.objects.exists()

    def test_answers_403_where_sign_up_is_closed(self, browser: Browser, settings: Any) -> None:
        settings.SIGNUP = "closed"
        assert browser.submit(f"{BARE}/signup/", FORM).status_code == 403
        assert not User.objects.exists()


@pytest.mark.django_db
def test_an_operator_belongs_to_no_tenant_and_may_use_the_console() -> None:
    user = services.create_operator(email="Op@example.com", password="x")
    assert (user.email, user.is_staff, user.has_perm("anything")) == ("op@example.com", True, True)
    with system_scope("operator"):
        assert AuditEvent.objects.filter(action="operator.created", target_id=str(user.id)).count() == 1
    with pytest.raises(errors.EmailTaken):
        services.create_operator(email="op@example.com", password="x")
