"""Log-in on the bare host: one answer for all failures, a brake on guessing, a fresh session."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
import redis as package
from django.contrib.auth.hashers import get_hasher
from django.contrib.sessions.models import Session

from apps.accounts import services
from apps.accounts.models import User
from apps.core import redis
from config.settings import base
from tenants.context import system_scope
from tests.accounts.browser import BARE, Browser
from tests.accounts.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def test_unknown_person_wrong_password_and_blocked_account_get_the_same_answer(
    browser: Browser, alice: User, person: Callable[..., User]
) -> None:
    person("blocked@acme.example", is_active=False)
    answers = [
        browser.log_in("nobody@acme.example", PASSWORD),
        browser.log_in(alice.email, "wrong-password"),
        browser.log_in("blocked@acme.example", PASSWORD),
    ]
    bodies = {_without_tokens(answer) for answer in answers}
    assert {answer.status_code for answer in answers} == {401}
    assert len(bodies) == 1
    assert "The e-mail address or the password is wrong." in bodies.pop()


def _without_tokens(response: Any) -> str:
    changing = r'name="csrfmiddlewaretoken" value="\w+"|"X-CSRFToken": "\w+"|value="[^"]*@[^"]*"'
    return re.sub(changing, "", response.content.decode())


def test_an_unknown_person_costs_one_hash_as_a_known_one_does(
    browser: Browser, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    hasher = type(get_hasher())
    encode = hasher.encode

    def counting(self: Any, password: str, salt: str, *rest: Any) -> str:
        hashed.append(password)
        return encode(self, password, salt, *rest)

    monkeypatch.setattr(hasher, "encode", counting)
    browser.log_in("nobody@acme.example", "first-guess")
    browser.log_in(alice.email, "second-guess")
    assert hashed == ["first-guess", "second-guess"]


def test_the_e_mail_address_counts_in_any_capitals(browser: Browser, alice: User) -> None:
    browser.log_in(f"  {alice.email.upper()} ", PASSWORD)
    assert browser.trail[-1].startswith("http://acme.localhost/")


def test_five_wrong_passwords_then_even_the_right_one_must_wait(browser: Browser, alice: User) -> None:
    for _ in range(5):
        assert browser.log_in(alice.email, "wrong-password").status_code == 401
    response = browser.log_in(alice.email, PASSWORD)
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 61
    assert "Too many attempts to log in. Please try again in" in response.content.decode()


def test_another_account_from_the_same_network_is_not_held_up(
    browser: Browser, alice: User, person: Callable[..., User]
) -> None:
    person("bob@acme.example")
    for _ in range(6):
        browser.log_in(alice.email, "wrong-password")
    assert browser.log_in("bob@acme.example", PASSWORD).status_code == 200


def test_the_right_password_gives_the_allowance_back(browser: Browser, alice: User) -> None:
    for _ in range(3):
        for _ in range(4):
            browser.log_in(alice.email, "wrong-password")
        browser.log_in(alice.email, PASSWORD)
        assert browser.trail[-1].startswith("http://acme.localhost/")


def test_one_network_may_try_sixty_accounts_at_once(browser: Browser) -> None:
    statuses = [browser.log_in(f"p{number}@acme.example", "guess").status_code for number in range(61)]
    assert statuses == [401] * 60 + [429]


def test_a_log_in_gets_a_session_key_that_nobody_knew_before(browser: Browser, alice: User) -> None:
    client = browser.client(BARE)
    session = client.session
    session["planted"] = "by mallory"
    session.save()
    client.cookies["sessionid"] = planted = session.session_key
    browser.log_in(alice.email, PASSWORD)
    assert client.cookies["sessionid"].value not in ("", planted)
    assert "planted" not in client.session
    assert not Session.objects.filter(session_key=planted).exists()


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/%0d%0a//evil.example\r\nX: y",
        "javascript:alert(1)",
        "http:evil.example",
        "http://acme.localhost/",
        "http://globex.localhost/datasets/",
        "evil.example",
        " //evil.example",
        "/" * 3000,
    ],
)
@pytest.mark.parametrize("parameter", ["post", "get", "enter", "redeem"])
def test_nobody_is_sent_to_another_host_by_a_links_next(
    browser: Browser, alice: User, parameter: str, target: str
) -> None:
    if parameter == "post":
        browser.submit(f"{BARE}/login/", {"email": alice.email, "password": PASSWORD, "next": target})
    elif parameter == "get":
        browser.log_in(alice.email, PASSWORD)
        browser.visit(f"{BARE}/login/?next={quote(target)}")
    else:
        browser.log_in(alice.email, PASSWORD)
        start = f"{BARE}/enter/acme/" if parameter == "enter" else "http://acme.localhost/session/start/"
        browser.visit(f"{start}?next={quote(target)}")
    assert browser.trail[-1] == "http://acme.localhost/"


def test_a_next_on_the_same_host_is_kept(browser: Browser, alice: User) -> None:
    browser.submit(f"{BARE}/login/", {"email": alice.email, "password": PASSWORD, "next": "/tenants/?all=1"})
    assert browser.trail[-1] == f"{BARE}/tenants/?all=1"


def test_log_out_wants_a_post(browser: Browser, alice: User) -> None:
    browser.log_in(alice.email, PASSWORD)
    assert browser.step(f"{BARE}/logout/").status_code == 405
    assert browser.visit(f"{BARE}/tenants/?all=1").status_code == 200


def test_log_out_on_the_bare_host_ends_the_sessions_on_all_tenants_hosts(
    browser: Browser, alice: User
) -> None:
    browser.log_in(alice.email, PASSWORD)
    browser.submit(f"{BARE}/logout/", {})
    browser.visit("http://acme.localhost/usage/")
    assert browser.trail[-1].startswith(f"{BARE}/login/")


def test_log_out_on_a_tenants_host_ends_the_log_in_behind_it(browser: Browser, alice: User) -> None:
    browser.log_in(alice.email, PASSWORD)
    browser.submit("http://acme.localhost/logout/", {})
    assert browser.trail[-1] == f"{BARE}/"
    browser.visit(f"{BARE}/tenants/")
    assert browser.trail[-1].startswith(f"{BARE}/login/")
    assert Session.objects.count() == 0


def test_a_blocked_account_is_out_at_once(browser: Browser, alice: User) -> None:
    browser.log_in(alice.email, PASSWORD)
    with system_scope("operator"):
        User.objects.filter(id=alice.id).update(is_active=False)
    browser.visit("http://acme.localhost/usage/")
    assert browser.trail[-1].startswith(f"{BARE}/login/")


def test_passwords_are_kept_as_argon2(settings: Any) -> None:
    settings.PASSWORD_HASHERS = base.PASSWORD_HASHERS
    user = services.create_operator(email="op@example.com", password=PASSWORD)
    assert user.password.startswith("argon2$argon2id$")


def test_with_redis_away_log_in_says_so_and_guessing_is_still_braked(
    browser: Browser, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = package.Redis(unix_socket_path="/nonexistent/valkey.sock", retry=None)
    with monkeypatch.context() as patch:
        patch.setattr(redis, "client", lambda: away)
        assert browser.log_in(alice.email, PASSWORD).status_code == 503
        statuses = [browser.log_in("victim@acme.example", "guess").status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]
