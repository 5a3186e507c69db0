"""One's own account: log-ins listed and ended, passwords changed and replaced, companies left, the switcher."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.db import connection, connections
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts import browsers, errors, queries
from apps.accounts.models import LogIn, Membership, PasswordReset, User
from apps.accounts.permissions import Role
from apps.accounts.services import passwords
from apps.core.ids import public_id
from apps.core.tenancy import TenantKey
from apps.events.models import Event
from tenants.context import system_scope
from tests.accounts.browser import BARE, Browser
from tests.accounts.conftest import PASSWORD

ACME, GLOBEX = "http://acme.localhost", "http://globex.localhost"
NEW = "another-long-sentence-42"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def logged_in(email: str, password: str = PASSWORD) -> Browser:
    browser = Browser()
    browser.log_in(email, password)
    return browser


def is_in(browser: Browser, url: str = f"{ACME}/members/") -> bool:
    browser.visit(url)
    return browser.trail[-1] == url


def told(kind: str) -> list[Event]:
    with system_scope("courier"):
        return list(Event.objects.filter(type=kind).order_by("id"))


@pytest.mark.django_db
class TestLogIns:
    """Each log-in can be seen and ended."""

    def test_are_listed_with_browser_and_address_this_one_marked(self, alice: User) -> None:
        other = Browser()
        other.client(BARE).defaults["HTTP_USER_AGENT"] = FIREFOX
        other.log_in(alice.email, PASSWORD)
        here = logged_in(alice.email)
        page = here.visit(f"{BARE}/account/")
        rows = page.context["log_ins"]
        assert sorted((row["browser"], row["this"]) for row in rows) == [
            ("An unknown browser", True),
            ("Firefox on Linux", False),
        ]
        assert {row["log_in"].ip for row in rows} == {"127.0.0.1"}

    def test_one_can_be_ended_and_its_pages_on_tenants_hosts_end_at_once(self, alice: User) -> None:
        here, there = logged_in(alice.email), logged_in(alice.email)
        assert is_in(there)
        (row,) = [row for row in here.visit(f"{BARE}/account/").context["log_ins"] if not row["this"]]
        here.submit(f"{BARE}/account/sessions/{row['id']}/end/", {})
        assert (is_in(here), is_in(there)) == (True, False)
        assert there.trail[-1].startswith(f"{BARE}/login/")

    def test_all_others_can_be_ended(self, alice: User) -> None:
        here, there, elsewhere = (logged_in(alice.email) for _ in range(3))
        page = here.submit(f"{BARE}/account/sessions/end-others/", {}).content.decode()
        assert "2 other log-ins have ended" in page
        assert [is_in(each) for each in (here, there, elsewhere)] == [True, False, False]

    def test_to_end_ones_own_is_to_log_out(self, alice: User) -> None:
        here = logged_in(alice.email)
        (row,) = here.visit(f"{BARE}/account/").context["log_ins"]
        here.submit(f"{BARE}/account/sessions/{row['id']}/end/", {})
        assert here.trail[-1] == f"{BARE}/login/"
        assert not is_in(here)

    def test_other_peoples_are_not_found(self, alice: User, mallory: User) -> None:
        logged_in(alice.email)
        theirs = public_id("ses", LogIn.objects.get(user=alice).id)
        answer = logged_in(mallory.email).submit(f"{BARE}/account/sessions/{theirs}/end/", {})
        assert answer.status_code == 404
        assert LogIn.objects.filter(user=alice).exists()

    def test_a_log_out_takes_the_row_away_and_a_session_that_ran_out_is_not_shown(self, alice: User) -> None:
        logged_in(alice.email).submit(f"{BARE}/logout/", {})
        assert not LogIn.objects.exists()
        logged_in(alice.email)
        Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
        assert not queries.list_log_ins(user_id=alice.id).exists()
        logged_in(alice.email)
        assert LogIn.objects.count() == 1

    def test_last_seen_is_written_at_most_once_a_minute(self, alice: User) -> None:
        here = logged_in(alice.email)
        here.visit(f"{ACME}/members/")
        with CaptureQueriesContext(connection) as quiet:
            here.visit(f"{ACME}/members/")
        long_ago = timezone.now() - timedelta(minutes=5)
        LogIn.objects.update(seen_at=long_ago)
        with CaptureQueriesContext(connection) as noting:
            here.visit(f"{ACME}/members/")
        writes = [["UPDATE accounts_login" in query["sql"] for query in each] for each in (quiet, noting)]
        assert [any(each) for each in writes] == [False, True]
        assert LogIn.objects.get().seen_at > long_ago

    @pytest.mark.parametrize(
        ("user_agent", "words"),
        [
            (FIREFOX, "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/142.0 Safari/537.36 Edg/142.0",
                "Edge on Windows",
            ),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/142.0 Safari/537.36", "Chrome on Windows"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
                "Safari on iPhone",
            ),
            ("Mozilla/5.0 (Linux; Android 15) Chrome/142.0 Mobile Safari/537.36", "Chrome on Android"),
            ("curl/8.9", "curl"),
            ("", "An unknown browser"),
            ("<script>", "An unknown browser"),
        ],
    )
    def test_a_browser_is_named_in_words(self, user_agent: str, words: str) -> None:
        assert browsers.in_words(user_agent) == words


@pytest.mark.django_db
class TestThePassword:
    """Changed by whoever knows the old one."""

    def change(self, browser: Browser, old: str = PASSWORD, new: str = NEW) -> Any:
        return browser.submit(f"{BARE}/account/password/", {"old": old, "new": new})

    def test_a_change_ends_all_other_log_ins_and_keeps_this_one(self, alice: User) -> None:
        here, there = logged_in(alice.email), logged_in(alice.email)
        assert "Your password is changed" in self.change(here).content.decode()
        assert (is_in(here), is_in(there)) == (True, False)
        (row,) = here.visit(f"{BARE}/account/").context["log_ins"]
        assert row["this"]
        assert (is_in(logged_in(alice.email)), is_in(logged_in(alice.email, NEW))) == (False, True)

    def test_is_told_by_mail_and_in_the_log(self, alice: User) -> None:
        self.change(logged_in(alice.email))
        (event,) = told("password.changed")
        assert event.data["to"] == [alice.email]
        assert "/password/forgotten/" in render_to_string("mail/accounts/password_changed.txt", event.data)

    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ("wrong-password", NEW, "That is not your password."),
            (PASSWORD, "short", "too short"),
            (PASSWORD, "alice@acme.example", "too similar"),
            (PASSWORD, "", "required"),
        ],
    )
    def test_is_refused_at_the_field_and_shows_no_password(
        self, alice: User, old: str, new: str, words: str
    ) -> None:
        answer = self.change(logged_in(alice.email), old, new)
        assert (answer.status_code, words in answer.content.decode()) == (422, True)
        assert old not in answer.content.decode()
        assert User.objects.get(id=alice.id).check_password(PASSWORD)

    def test_five_wrong_ones_then_the_right_one_must_wait(self, alice: User) -> None:
        browser = logged_in(alice.email)
        for _ in range(5):
            assert self.change(browser, "wrong-password").status_code == 422
        answer = self.change(browser)
        assert (answer.status_code, int(answer["Retry-After"]) > 0) == (429, True)

    def test_strangers_are_sent_to_log_in(self, browser: Browser, db: None) -> None:
        self.change(browser)
        assert browser.trail[-1] == f"{BARE}/login/?next=/account/"


@pytest.mark.django_db
class TestAForgottenPassword:
    """Replaced by a link that comes by mail."""

    def link(self) -> str:
        text = render_to_string("mail/accounts/password_reset.txt", told("password_reset.requested")[-1].data)
        found = re.search(r"/password/reset/\S+/", text)
        assert found is not None
        assert f"{django_settings.PUBLIC_URL}{found[0]}" in text
        return f"{BARE}{found[0]}"

    def ask(self, browser: Browser, email: str) -> Any:
        return browser.submit(f"{BARE}/password/forgotten/", {"email": email})

    def test_the_answer_is_the_same_whether_there_is_an_account(
        self, browser: Browser, alice: User, person: Callable[..., User]
    ) -> None:
        person("blocked@acme.example", is_active=False)
        emails = (alice.email, "nobody@acme.example", "blocked@acme.example")
        answers = [self.ask(browser, email) for email in emails]
        token = r'"X-CSRFToken": "\w+"'
        assert {answer.status_code for answer in answers} == {200}
        assert len({re.sub(token, "", answer.content.decode()) for answer in answers}) == 1
        assert [event.data["to"] for event in told("password_reset.requested")] == [[alice.email]]

    def test_the_link_sets_a_new_password_and_ends_all_log_ins(self, browser: Browser, alice: User) -> None:
        there = logged_in(alice.email)
        self.ask(browser, f" {alice.email.upper()}")
        url = self.link()
        page = browser.visit(url)
        assert (page.status_code, alice.email in page.content.decode()) == (200, True)
        assert page["Referrer-Policy"] == "no-referrer"
        browser.submit(url, {"new": NEW})
        assert browser.trail[-1] == f"{BARE}/login/"
        assert not is_in(there)
        assert is_in(logged_in(alice.email, NEW))

    def test_the_link_works_once_and_ends_the_others(self, browser: Browser, alice: User) -> None:
        self.ask(browser, alice.email)
        earlier = self.link()
        self.ask(browser, alice.email)
        url = self.link()
        browser.submit(url, {"new": NEW})
        for used in (url, earlier):
            answer = browser.submit(used, {"new": "yet-another-sentence"})
            assert (answer.status_code, "Ask for a new link" in answer.content.decode()) == (404, True)
        assert User.objects.get(id=alice.id).check_password(NEW)

    def test_the_link_works_for_an_hour(self, browser: Browser, alice: User) -> None:
        self.ask(browser, alice.email)
        left = PasswordReset.objects.get().expires_at - timezone.now()
        assert timedelta(minutes=59) < left <= timedelta(hours=1)
        with system_scope("edge"):
            PasswordReset.objects.all().delete()
            late = PasswordReset.objects.create(user=alice, expires_at=timezone.now() - timedelta(seconds=1))
        token = passwords.reset_token_of(reset_id=late.id)
        assert browser.visit(f"{BARE}/password/reset/{token}/").status_code == 404

    def test_a_changed_password_ends_the_link(self, browser: Browser, alice: User) -> None:
        self.ask(browser, alice.email)
        logged_in(alice.email).submit(f"{BARE}/account/password/", {"old": PASSWORD, "new": NEW})
        assert browser.visit(self.link()).status_code == 404

    @pytest.mark.parametrize("token", ["nonsense", "01a208b0-1f4c-2314-5c30-be7295aac864.x", "a.b.c"])
    def test_a_link_that_is_not_ours_is_refused(self, browser: Browser, db: None, token: str) -> None:
        assert browser.visit(f"{BARE}/password/reset/{token}/").status_code == 404

    def test_three_requests_an_hour_for_one_address_known_or_not(self, browser: Browser, alice: User) -> None:
        for email in (alice.email, "nobody@acme.example"):
            assert [self.ask(browser, email).status_code for _ in range(4)] == [200, 200, 200, 429]

    def test_neither_row_nor_event_opens_anything(self, browser: Browser, alice: User) -> None:
        self.ask(browser, alice.email)
        secret = self.link().rstrip("/").rpartition(".")[2]
        rows = f"{PasswordReset.objects.values().get()} {told('password_reset.requested')[0].data}"
        assert secret not in rows


@pytest.mark.usefixtures("committed")
def test_a_reset_link_used_twice_at_the_same_moment_sets_one_password() -> None:
    user = User.objects.create(email="alice@acme.example")
    reset = PasswordReset.objects.create(user=user, expires_at=timezone.now() + timedelta(hours=1))
    token, start, outcomes = passwords.reset_token_of(reset_id=reset.id), threading.Barrier(2), []

    def run(new: str) -> None:
        start.wait()
        try:
            passwords.reset_password(token=token, new=new)
            outcomes.append(new)
        except errors.ResetLinkInvalid:
            outcomes.append("")
        finally:
            connections["default"].close()

    threads = [threading.Thread(target=run, args=(f"a-long-sentence-{n}",)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (won,) = [each for each in outcomes if each]
    assert User.objects.get(id=user.id).check_password(won)


@pytest.mark.django_db
class TestCompanies:
    """Several at a time."""

    def test_the_switcher_lists_all_with_roles_and_marks_this_one(
        self, alice: User, acme: TenantKey, globex: TenantKey
    ) -> None:
        Membership.objects.create(tenant_id=globex.id, user=alice, role=Role.VIEWER)
        here = logged_in(alice.email)
        page = here.visit(f"{ACME}/members/")
        rows = [(row["name"], row["role"], row["here"]) for row in page.context["shell"]["tenants"]]
        assert rows == [("Acme", "owner", True), ("Globex", "viewer", False)]
        here.visit(page.context["shell"]["tenants"][1]["url"])
        assert here.trail[-1] == f"{GLOBEX}/"

    def test_with_one_company_there_is_nothing_to_switch(self, alice: User) -> None:
        assert "switch company" not in logged_in(alice.email).visit(f"{ACME}/members/").content.decode()

    def test_can_be_left_from_the_account(
        self, alice: User, mallory: User, acme: TenantKey, globex: TenantKey
    ) -> None:
        Membership.objects.create(tenant_id=globex.id, user=alice, role=Role.VIEWER)
        here = logged_in(alice.email)
        assert "You have left Globex" in here.submit(f"{BARE}/account/leave/globex/", {}).content.decode()
        assert here.submit(f"{BARE}/account/leave/acme/", {}).status_code == 409
        assert here.submit(f"{BARE}/account/leave/globex/", {}).status_code == 404
        assert list(Membership.objects.filter(user=alice).values_list("tenant_id", flat=True)) == [acme.id]

    def test_a_name_is_saved_and_a_long_one_stays_typed(self, alice: User) -> None:
        here = logged_in(alice.email)
        here.submit(f"{BARE}/account/name/", {"name": "  Alice \u202e Archer "})
        assert User.objects.get(id=alice.id).name == "Alice Archer"
        answer = here.submit(f"{BARE}/account/name/", {"name": "x" * 121})
        assert (answer.status_code, "x" * 121 in answer.content.decode()) == (422, True)


@pytest.mark.django_db
def test_the_answer_takes_as_long_for_an_unknown_address(alice: User) -> None:
    took = []
    for email in (alice.email, "nobody@acme.example"):
        began = time.monotonic()
        passwords.ask_for_reset(email=email)
        took.append(time.monotonic() - began)
    assert min(took) >= passwords.ANSWER_SECONDS
