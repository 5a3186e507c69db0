"""Every line of the table, walked by those who may not and by those who may.

Whoever may not gets the same answer whatever is there; another tenant's thing is answered like nothing at all; and
nothing of acme's changes. A right call of each line succeeds, or its refusals would prove nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest
from django.test import Client

from apps.accounts.permissions import ROLE_PERMISSIONS, Role
from apps.core.scope import SystemRole
from tenants import services as tenants
from tenants.context import system_scope
from tests.contracts.asking import HOSTS, Call, code_of, difference, host_of, seen, text_of, wrong
from tests.contracts.lines import KEY, OPEN, OPERATOR, PERSON, Line
from tests.contracts.urls import TABLE
from tests.contracts.world import World, absent, state_of, undone

# Who calls the API with what, and the answer: status and code.
REFUSED_KEYS: Final = {
    "no key": (401, "api_key_missing"),
    "malformed": (401, "api_key_malformed"),
    "unknown": (401, "api_key_unknown"),
    "expired": (401, "api_key_expired"),
    "revoked": (401, "api_key_revoked"),
}
IN_ADDRESS: Final = (400, "api_key_in_query")
WITHOUT_SCOPE: Final = (403, "scope_missing")
OTHER_HOST: Final = (404, "not_found")
SUSPENDED_API: Final = (403, "tenant_suspended")
DELETING_API: Final = (403, "tenant_deleting")
# The same for pages: status alone.
TO_LOG_IN: Final = 302
NOT_A_MEMBER: Final = 404
NO_PERMISSION: Final = 403
NO_TOKEN: Final = 403
SUSPENDED_PAGE: Final = 403
DELETING_PAGE: Final = 403

API: Final = [line for line in TABLE if line.is_api and line.needs != OPEN]
MEMBERS: Final = [line for line in TABLE if line.needs.kind == "permission"]
PEOPLE: Final = [line for line in TABLE if line.needs == PERSON]
OPERATORS: Final = [line for line in TABLE if line.needs == OPERATOR]
NAMING: Final = [line for line in TABLE if line.needs != OPERATOR and any(line.places())]
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
each = pytest.mark.parametrize


def refusal(call: Call, expected: tuple[int, str] | int) -> list[str]:
    """What is wrong with the answer to a call that must be refused as ``expected``."""
    answer = call.ask()
    faults = wrong(answer, call)
    status, code = expected if isinstance(expected, tuple) else (expected, "")
    if answer.status_code != status or (code and code_of(answer) != code):
        faults.append(
            f"{answer.status_code} {code_of(answer)} instead of {status} {code}: {text_of(answer)[:200]}"
        )
    if answer.status_code in (301, 302, 303) and not answer["Location"].startswith(
        ("/login/", "http://localhost/")
    ):
        faults.append(f"leads a stranger to {answer['Location']}")
    return faults


def right(call: Call) -> list[str]:
    """What is wrong with the answer to a call that must succeed; what it did is taken back."""
    with undone():
        answer = call.ask()
    faults = wrong(answer, call)
    if answer.status_code not in call.line.right:
        faults.append(f"{answer.status_code} instead of {call.line.right}: {text_of(answer)[:400]}")
    return faults


def told(faults: dict[str, list[str]]) -> list[str]:
    return [f"{who}: {fault}" for who, found in faults.items() for fault in found]


@each("line", API, ids=str)
def test_the_api_refuses_every_key_but_the_right_one(world: World, line: Line) -> None:
    before, faults = state_of(world.acme.key), {}
    for urlconf in line.urlconfs:
        for method in (*line.methods, "OPTIONS"):
            call = Call(line, world.acme, host_of(urlconf, "acme"), method)
            for kind, expected in REFUSED_KEYS.items():
                faults[f"{method} {call.host} {kind}"] = refusal(
                    replace(call, key=world.acme.keys.get(kind, "")), expected
                )
            key = world.acme.keys["all"]
            in_address = replace(call, key=key, extra_query={"api_key": key})
            faults[f"{method} {call.host} key in the address"] = refusal(in_address, IN_ADDRESS)
            session = replace(call, cookies=world.cookies("owner", HOSTS["acme"]))
            faults[f"{method} {call.host} a session for a key"] = refusal(session, REFUSED_KEYS["no key"])
    assert told(faults) == []
    assert state_of(world.acme.key) == before


@each("line", API, ids=str)
def test_a_key_on_another_tenants_host_finds_nothing_at_all(world: World, line: Line) -> None:
    before, faults = state_of(world.acme.key), {}
    nowhere = Client(headers={"host": HOSTS["globex"], "authorization": f"Bearer {world.globex.keys['all']}"})
    for method in line.methods:
        of_nothing = getattr(nowhere, method.lower())("/v1/nothing-stands-here")
        for caller, visited in ((world.acme, "globex"), (world.globex, "acme")):
            call = Call(line, world.acme, HOSTS[visited], method, key=caller.keys["all"])
            faults[f"{caller.slug} at {visited}"] = refusal(call, OTHER_HOST)
            assert difference(seen(call.ask(), {}), seen(of_nothing, {})) == "", (caller.slug, visited)
    assert told(faults) == []
    assert state_of(world.acme.key) == before


@each("line", [line for line in API if line.needs != KEY], ids=str)
def test_a_key_without_the_scope_is_told_which(world: World, line: Line) -> None:
    before, faults = state_of(world.acme.key), {}
    for urlconf in line.urlconfs:
        for method in line.methods:
            key = world.acme.keys[f"without {line.needs.name}"]
            call = Call(line, world.acme, host_of(urlconf, "acme"), method, key=key)
            faults[call.host] = refusal(call, WITHOUT_SCOPE)
            assert call.ask().json()["scope"] == line.needs.name
    assert told(faults) == []
    assert state_of(world.acme.key) == before


@each("line", MEMBERS, ids=str)
def test_pages_send_strangers_to_log_in_and_others_members_away(world: World, line: Line) -> None:
    before, faults = state_of(world.acme.key), {}
    for method in line.methods:
        call = Call(line, world.acme, HOSTS["acme"], method)
        mallory = world.cookies("mallory", HOSTS["globex"])
        faults["nobody"] = refusal(call, TO_LOG_IN)
        faults["a key for a session"] = refusal(replace(call, key=world.acme.keys["all"]), TO_LOG_IN)
        faults["mallory"] = refusal(replace(call, cookies=mallory), NOT_A_MEMBER)
        bare = world.cookies("owner", HOSTS["bare"])
        faults["the owner's session of the bare host"] = refusal(replace(call, cookies=bare), TO_LOG_IN)
        if method != "GET" and line.token:
            forged = replace(call, cookies=world.cookies("owner", HOSTS["acme"]), check_token=True)
            faults["a form of another site"] = refusal(forged, NO_TOKEN)
    assert told(faults) == []
    assert state_of(world.acme.key) == before


@each("line", MEMBERS, ids=str)
def test_a_page_opens_to_the_roles_that_have_its_permission_and_to_no_other(world: World, line: Line) -> None:
    before, faults, done = state_of(world.acme.key), {}, 0
    for role in Role:
        for method in line.methods:
            cookies = world.cookies(role.value, HOSTS["acme"])
            call = Call(line, world.acme, HOSTS["acme"], method, cookies=cookies)
            if line.needs.name not in ROLE_PERMISSIONS[role]:
                faults[f"{method} as {role}"] = refusal(call, NO_PERMISSION)
            elif line.heavy and done:
                faults[f"{method} as {role}, nothing sent"] = right(replace(call, line=_empty(line)))
            else:
                faults[f"{method} as {role}"], done = right(call), done + 1
    assert told(faults) == []
    assert state_of(world.acme.key) == before


def _empty(line: Line) -> Line:
    """The line with an empty form, which is refused for what is missing."""
    return replace(line, form={}, right=(404, 422))


@each("line", [line for line in TABLE if line.needs.kind not in ("permission", "operator")], ids=str)
def test_a_right_call_is_answered(world: World, line: Line) -> None:
    faults = {}
    for urlconf in line.urlconfs:
        for method in line.methods:
            call = Call(line, world.acme, host_of(urlconf, "acme"), method)
            if line.is_api:
                call = replace(call, key=world.acme.keys["all"])
            elif line.needs == PERSON:
                call = replace(call, cookies=world.cookies(line.person, HOSTS["bare"]))
            faults[f"{method} {call.host}"] = right(call)
    assert told(faults) == []


@each("line", PEOPLE, ids=str)
def test_pages_of_people_send_strangers_to_log_in(world: World, line: Line) -> None:
    before, faults = state_of(world.acme.key), {}
    for method in line.methods:
        call = Call(line, world.acme, HOSTS["bare"], method)
        faults[f"{method} as nobody"] = refusal(call, TO_LOG_IN)
        faults[f"{method} with a key"] = refusal(replace(call, key=world.acme.keys["all"]), TO_LOG_IN)
        if method != "GET":
            forged = replace(call, cookies=world.cookies(line.person, HOSTS["bare"]), check_token=True)
            faults[f"{method} a form of another site"] = refusal(forged, NO_TOKEN)
    assert told(faults) == []
    assert state_of(world.acme.key) == before


@each("line", OPERATORS, ids=str)
def test_the_console_opens_to_the_operator_alone(world: World, line: Line) -> None:
    before, faults = state_of(world.acme.key), {}
    for method in line.methods:
        call = Call(line, world.acme, HOSTS["bare"], method)
        faults[f"{method} as nobody"] = refusal(call, TO_LOG_IN)
        faults[f"{method} with a key"] = refusal(replace(call, key=world.acme.keys["all"]), TO_LOG_IN)
        for person in ("owner", "mallory"):
            customer = replace(call, cookies=world.cookies(person, HOSTS["bare"]))
            faults[f"{method} as {person}"] = refusal(customer, NO_PERMISSION)
        operator = replace(call, cookies=world.cookies("operator", HOSTS["bare"]))
        faults[f"{method} as the operator"] = right(operator)
    assert told(faults) == []
    assert state_of(world.acme.key) == before


@each("line", NAMING, ids=str)
def test_another_tenants_thing_is_answered_like_nothing_at_all(world: World, line: Line) -> None:
    """globex asks with its own key or session, its own ids everywhere, but for one place."""
    before, faults = state_of(world.acme.key), {}
    for call in _of_globex(world, line):
        with undone():
            faults[f"{call.host} its own"] = wrong(call.ask(), call)
        for place, of in line.places():
            theirs, nothing = world.acme.things[of.kind], absent(world.acme.things[of.kind])
            foreign, missing = (replace(call, instead={place: value}).ask() for value in (theirs, nothing))
            faults[f"{call.host} {place}"] = wrong(foreign, call)
            assert foreign.status_code == of.foreign, (place, text_of(foreign)[:400])
            told_apart = difference(seen(foreign, {place: theirs}), seen(missing, {place: nothing}))
            assert told_apart == "", (
                f"{call.host} {place}: another tenant's id is told apart from none: {told_apart}"
            )
            assert state_of(world.acme.key) == before, place
    assert told(faults) == []


def _of_globex(world: World, line: Line) -> Iterator[Call]:
    """The right calls of another tenant, on every host that serves them."""
    for urlconf in line.urlconfs:
        host = host_of(urlconf, "globex")
        for method in line.methods:
            if line.is_api:
                yield Call(line, world.globex, host, method, key=world.globex.keys["all"])
            else:
                yield Call(line, world.globex, host, method, cookies=world.cookies("mallory", host))


@each("line", TABLE, ids=str)
def test_methods_that_the_table_does_not_name_are_refused(world: World, line: Line) -> None:
    named = {
        method
        for other in TABLE
        if (other.urlconf, other.pattern) == (line.urlconf, line.pattern)
        for method in other.methods
    }
    faults = {}
    for urlconf in line.urlconfs:
        host = host_of(urlconf, "acme")
        for method in set(METHODS) - named:
            person = "operator" if line.needs == OPERATOR else "owner"
            call = Call(line, world.acme, host, method, cookies=world.cookies(person, host))
            if line.is_api:
                call = replace(call, key=world.acme.keys["all"])
            answer = call.ask()
            faults[f"{method} {host}"] = wrong(answer, call)
            said = f"{method} is answered with {answer.status_code}: add it to the line in tests/contracts/urls.py"
            assert answer.status_code == 405, said
    assert told(faults) == []


class _Closed:
    """acme's doors, one state of its life at a time."""

    api: tuple[int, str]
    page: int  # for members
    others_page: int

    @staticmethod
    def close(world: World) -> None:
        raise NotImplementedError

    @staticmethod
    def reopen(world: World) -> None:
        raise NotImplementedError

    @pytest.fixture(scope="class", autouse=True)
    def closed(self, world: World) -> Iterator[None]:
        with system_scope(SystemRole.OPERATOR):
            self.close(world)
        time.sleep(1)  # by then no process lets a key in any more (tests/api_keys/test_freshness.py)
        yield
        with system_scope(SystemRole.OPERATOR):
            self.reopen(world)

    @each("line", API, ids=str)
    def test_no_key_opens_anything(self, world: World, line: Line) -> None:
        before, faults = state_of(world.acme.key), {}
        for urlconf in line.urlconfs:
            for method in line.methods:
                call = Call(line, world.acme, host_of(urlconf, "acme"), method, key=world.acme.keys["all"])
                faults[f"{method} {call.host}"] = refusal(call, self.api)
        assert told(faults) == []
        assert state_of(world.acme.key) == before

    @each("line", [line for line in MEMBERS if not line.closing], ids=str)
    def test_no_page_opens_to_anybody(self, world: World, line: Line) -> None:
        before, faults = state_of(world.acme.key), {}
        expected_of = {
            "owner": self.page,
            "viewer": self.page,
            "mallory": self.others_page,
            "nobody": TO_LOG_IN,
        }
        for person, expected in expected_of.items():
            for method in line.methods:
                host = HOSTS["globex" if person == "mallory" else "acme"]
                cookies = world.cookies(person, host) if person != "nobody" else {}
                call = Call(line, world.acme, HOSTS["acme"], method, cookies=cookies)
                faults[f"{method} as {person}"] = refusal(call, expected)
        assert told(faults) == []
        assert state_of(world.acme.key) == before


class TestASuspendedTenant(_Closed):
    """What the operator closed says so, to its own keys and people alone."""

    api, page, others_page = SUSPENDED_API, SUSPENDED_PAGE, NOT_A_MEMBER

    @staticmethod
    def close(world: World) -> None:
        tenants.suspend(tenant_id=world.acme.key.id, reason="A test of closed doors")

    @staticmethod
    def reopen(world: World) -> None:
        tenants.reactivate(tenant_id=world.acme.key.id)


class TestATenantInDeletion(_Closed):
    """What is going to be erased is as if gone, but for its members, who are told when; its owners may keep it."""

    api, page, others_page = DELETING_API, DELETING_PAGE, NOT_A_MEMBER

    @each("line", [line for line in MEMBERS if line.closing], ids=str)
    def test_owners_alone_open_what_undoes_it(self, world: World, line: Line) -> None:
        faults = {}
        for role in Role:
            cookies = world.cookies(role.value, HOSTS["acme"])
            call = Call(line, world.acme, HOSTS["acme"], line.methods[0], cookies=cookies)
            may = line.needs.name in ROLE_PERMISSIONS[role]
            rightly = replace(call, line=replace(line, right=(line.closing,)))
            faults[role.value] = right(rightly) if may else refusal(call, NO_PERMISSION)
        assert told(faults) == []

    @staticmethod
    def close(world: World) -> None:
        tenants.request_deletion(tenant_id=world.acme.key.id, reason="A test of closed doors")

    @staticmethod
    def reopen(world: World) -> None:
        tenants.cancel_deletion(tenant_id=world.acme.key.id)
