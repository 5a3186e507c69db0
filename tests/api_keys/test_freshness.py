"""What is remembered of keys: nothing asked while it is true, nothing believed when it may not be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import Membership, User
from apps.accounts.permissions import Role
from apps.api_keys import ceilings, freshness, last_used, queries, services
from apps.api_keys.freshness import Entry, Memory
from apps.api_keys.models import ApiKey
from apps.api_keys.principal import Principal
from apps.core.tenancy import TenantKey
from tenants import services as tenants
from tenants.context import system_scope, tenant_scope
from tests import factories
from tests.api_keys.conftest import Made, program
from tests.tenants.database import pgbouncer
from tests.tenants.database.conftest import pooler

__all__ = ["pooler"]

pytestmark = pytest.mark.usefixtures("committed")
NOWHERE = "/v1/nothing"  # answered by the middleware and the URLconf alone


@pytest.fixture
def acme(committed: None) -> TenantKey:
    return factories.tenant("acme").key


@pytest.fixture
def key(acme: TenantKey) -> Made:
    with tenant_scope(acme):
        return services.create(name="Test", scopes=["usage:read"])


@pytest.fixture(autouse=True)
def _from_the_beginning() -> Iterator[None]:
    """No test finds what another one's watcher knew."""
    freshness.memory.forget()
    yield
    freshness.memory.forget()


def until(true: Callable[[], bool], seconds: float = 5.0) -> float:
    """Seconds until it held."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, "it never came true"
        time.sleep(0.005)
    return time.monotonic() - began


def is_fresh() -> bool:
    return freshness.memory.state.fresh_until > time.monotonic()


def warm(text: str) -> None:
    """Have the key remembered, and proved to be true."""
    until(lambda: program(text).get(NOWHERE).status_code == 404 and is_fresh())
    assert program(text).get(NOWHERE).status_code == 404


def statements(text: str, calls: int = 1) -> int:
    with CaptureQueriesContext(connection) as seen:
        for _ in range(calls):
            assert program(text).get(NOWHERE).status_code == 404
    return len(seen)


def statements_when_warm(text: str, calls: int = 1) -> int:
    """The fewest of three tries: on a busy machine the watcher may come too late for one."""
    found = []
    for _ in range(3):
        warm(text)
        found.append(statements(text, calls))
    return min(found)


class TestMemory:
    """The memory by itself."""

    @staticmethod
    def entry() -> Entry:
        nobody: Any = object()
        principal: Principal = nobody
        return Entry(principal, float("inf"), 0.0)

    def test_counts_only_while_it_was_proved_less_than_a_second_ago(self) -> None:
        memory, now = Memory(), time.monotonic()
        memory.keep(memory.state, b"k", self.entry())
        assert memory.find(b"k") is None, "nobody has asked yet"
        memory.renew(7, now)
        memory.keep(memory.state, b"k", self.entry())
        assert memory.find(b"k") is not None
        memory.renew(7, now - freshness.FRESH_SECONDS)
        assert memory.find(b"k") is None
        memory.renew(7, now)
        assert memory.find(b"k") is not None, "nothing had changed"

    def test_what_was_looked_up_before_a_change_does_not_survive_it(self) -> None:
        memory = Memory()
        memory.renew(7, time.monotonic())
        before = memory.state
        memory.renew(8, time.monotonic())
        memory.keep(before, b"k", self.entry())
        assert memory.find(b"k") is None
        before = memory.state
        memory.forget()
        memory.keep(before, b"k", self.entry())
        assert memory.find(b"k") is None

    def test_forgets_the_least_recently_used_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(freshness, "CAPACITY", 3)
        memory = Memory()
        memory.renew(7, time.monotonic())
        for name in (b"a", b"b", b"c"):
            memory.keep(memory.state, name, self.entry())
        memory.find(b"a")
        memory.keep(memory.state, b"d", self.entry())
        assert [memory.find(name) is not None for name in (b"a", b"b", b"c", b"d")] == [
            True,
            False,
            True,
            True,
        ]

    def test_a_fork_begins_anew(self) -> None:
        freshness.memory.renew(7, time.monotonic())
        freshness.memory.keep(freshness.memory.state, b"k", self.entry())
        child = os.fork()
        if child == 0:
            anew = freshness.memory.state.version is None and freshness.watcher._thread is None
            os._exit(0 if anew and not freshness.memory.state.entries else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class TestInOneProcess:
    """With a watcher that asks the database."""

    def test_a_warm_check_sends_nothing(self, key: Made) -> None:
        assert statements(key[1]) == 1
        assert statements_when_warm(key[1], calls=50) == 0

    def test_a_change_of_its_own_counts_from_the_next_call_on(self, key: Made, acme: TenantKey) -> None:
        warm(key[1])
        with tenant_scope(acme):
            services.revoke(key_id=key[0].id)
        assert program(key[1]).get(NOWHERE).status_code == 401

    def test_expiry_networks_and_host_are_looked_at_with_each_call(self, acme: TenantKey, key: Made) -> None:
        with tenant_scope(acme):
            _, short = services.create(name="Short", expires_at=timezone.now() + timedelta(seconds=1.2))
            _, here = services.create(name="Here", networks=["127.0.0.1"])
        warm(short)
        until(lambda: program(short).get(NOWHERE).status_code == 401)
        warm(here)
        assert program(here, host="globex.localhost").get(NOWHERE).status_code == 404
        elsewhere = program(here).get(NOWHERE, REMOTE_ADDR="192.0.2.1")
        assert (elsewhere.status_code, elsewhere.json()["code"]) == (403, "network_not_allowed")

    def test_while_the_database_cannot_be_asked_every_call_looks_up(
        self, key: Made, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        warm(key[1])

        def fail() -> int:
            raise psycopg.OperationalError("gone")

        with monkeypatch.context() as patch:
            patch.setattr(queries, "get_version", fail)
            until(lambda: not is_fresh(), seconds=2)
            assert statements(key[1], calls=3) == 3
        assert until(is_fresh) < 2
        assert statements_when_warm(key[1]) == 0

    def test_the_watcher_survives_the_loss_of_its_connection(
        self, key: Made, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        used: list[Any] = []
        ask = queries.get_version

        def watched() -> int:
            version = ask()
            used.append(connections["default"].connection)
            return version

        with monkeypatch.context() as patch:
            patch.setattr(queries, "get_version", watched)
            warm(key[1])
            until(lambda: len(used) > 1)
            first = used[-1]
            first.pgconn.finish()  # as if the server had gone: the next statement finds no connection
            program(key[1]).get(NOWHERE)
            until(lambda: used[-1] is not first)
        assert until(is_fresh) < 2
        assert statements_when_warm(key[1]) == 0

    def test_the_watcher_goes_when_nobody_asks_and_comes_back(
        self, key: Made, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(freshness, "IDLE_SECONDS", 0.3)
        warm(key[1])
        until(lambda: not any(thread.name == "key-watcher" for thread in threading.enumerate()))
        until(lambda: not is_fresh())
        assert statements(key[1]) == 1
        assert statements_when_warm(key[1]) == 0

    def test_what_a_transaction_sees_is_not_remembered(self, key: Made) -> None:
        warm(key[1])
        with transaction.atomic():
            assert statements(key[1]) >= 1


class TestLastUse:
    """Written by the watcher, at most once a minute, and not in the request's way."""

    def used(self, row: ApiKey) -> Any:
        row.refresh_from_db()
        return row.last_used_at

    def test_comes_soon_and_once(self, key: Made) -> None:
        warm(key[1])
        until(lambda: self.used(key[0]) is not None)
        first = self.used(key[0])
        for _ in range(3):
            program(key[1]).get(NOWHERE)
            freshness.memory.forget()
        last_used.write()
        assert self.used(key[0]) == first
        assert key[0].last_used_ip == "127.0.0.1"

    def test_a_row_that_somebody_holds_is_left_out(self, key: Made, acme: TenantKey) -> None:
        with tenant_scope(acme):
            other, _ = services.create(name="Other")
        done = threading.Event()

        def hold() -> None:
            with transaction.atomic():
                ApiKey.objects.select_for_update().get(id=key[0].id)
                held.set()
                done.wait(5)
            connections["default"].close()

        held = threading.Event()
        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(5)
        last_used.note(key[0].id, "192.0.2.1")
        last_used.note(other.id, "192.0.2.2")
        last_used.write()
        done.set()
        holder.join()
        assert (self.used(key[0]), self.used(other) is None) == (None, False)

    def test_what_could_not_be_written_is_written_later(
        self, key: Made, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        last_used.note(key[0].id, "192.0.2.1")
        with monkeypatch.context() as patch:
            patch.setattr(last_used, "_WRITE", "SELECT nonsense, %s, %s, %s")
            with pytest.raises(Exception, match="nonsense"):
                last_used.write()
        last_used.write()
        assert self.used(key[0]) is not None


class TestVersion:
    """Which changes raise the number, and when."""

    @pytest.fixture
    def alice(self, acme: TenantKey) -> User:
        user = User(email="alice@acme.example")
        user.set_password("correct-horse-battery")
        user.save()
        Membership.objects.create(tenant_id=acme.id, user=user, role=Role.OWNER)
        return user

    def test_every_change_that_a_check_depends_on(self, key: Made, acme: TenantKey, alice: User) -> None:
        ceiling = ceilings.of_person(["usage:read"], person_id=alice.id)
        limits = tenants.FREE

        def as_tenant(change: Callable[[], object]) -> Callable[[], object]:
            def run() -> None:
                with tenant_scope(acme):
                    change()

            return run

        def as_operator(change: Callable[[], object]) -> Callable[[], object]:
            def run() -> None:
                with system_scope("operator"):
                    change()

            return run

        seats = Membership.objects.filter(user=alice)
        for name, change in {
            "changed": as_tenant(lambda: services.change(key_id=key[0].id, ceiling=ceiling, name="B")),
            "rotated": as_tenant(lambda: services.rotate(key_id=key[0].id, ceiling=ceiling)),
            "revoked": as_tenant(lambda: services.revoke(key_id=key[0].id)),
            "suspended": as_operator(lambda: tenants.suspend(tenant_id=acme.id, reason="x")),
            "reactivated": as_operator(lambda: tenants.reactivate(tenant_id=acme.id)),
            "renamed": as_operator(lambda: tenants.rename(tenant_id=acme.id, slug="acme", name="Acme Ltd")),
            "renamed back": as_operator(lambda: tenants.rename(tenant_id=acme.id, slug="acme", name="Acme")),
            "limits": as_operator(
                lambda: tenants.set_limits(
                    tenant_id=acme.id, limits=limits.__class__("x", 1, 1, 1, 1), reason="x"
                )
            ),
            "limits back": as_operator(
                lambda: tenants.set_limits(tenant_id=acme.id, limits=limits, reason="x")
            ),
            "role": as_tenant(lambda: seats.update(role=Role.VIEWER)),
            "blocked": as_operator(lambda: User.objects.filter(id=alice.id).update(is_active=False)),
            "removed": as_tenant(seats.delete),
        }.items():
            before = queries.get_version()
            change()
            assert queries.get_version() > before, name

    def test_no_other(self, key: Made, acme: TenantKey, alice: User) -> None:
        before = queries.get_version()
        last_used.note(key[0].id, "192.0.2.1")
        last_used.write()
        Membership.objects.filter(user=alice).update(seen_at=None)
        with tenant_scope(acme):
            services.create(name="New")
            ApiKey.objects.filter(id=key[0].id).update(expiry_notice=30)
        assert queries.get_version() == before

    def test_changes_hold_each_other_up_only_while_they_commit(self, key: Made, acme: TenantKey) -> None:
        with tenant_scope(acme):
            other, _ = services.create(name="Other")

        def revoke_other() -> None:
            with tenant_scope(acme):
                services.revoke(key_id=other.id)
            connections["default"].close()

        with tenant_scope(acme), transaction.atomic():
            ApiKey.objects.filter(id=key[0].id).update(name="Held")
            thread = threading.Thread(target=revoke_other)
            thread.start()
            thread.join(5)
            assert not thread.is_alive()
        other.refresh_from_db()
        assert other.revoked_at is not None

    def test_it_grows_even_after_it_was_emptied(self, key: Made, acme: TenantKey) -> None:
        with tenant_scope(acme):
            services.revoke(key_id=key[0].id)
        before = queries.get_version()
        with connections["owner"].cursor() as cursor:
            cursor.execute("TRUNCATE api_keys_accessversion")
        assert queries.get_version() == 0
        with tenant_scope(acme):
            made, _ = services.create(name="New")
            services.revoke(key_id=made.id)
        assert queries.get_version() > before


CALLER = """
import io, json, sys, time
import django
django.setup()
from django.test import Client
from django.test.utils import setup_test_environment
from django.db import connection
setup_test_environment()

client = Client(headers={"host": "localhost", "Authorization": "Bearer " + sys.argv[1]})
def ask():
    return client.get("/v1/nothing").status_code
began = time.time()
warm = 0
told = False
connection.force_debug_cursor = True
while time.time() - began < 20:
    connection.queries_log.clear()
    status = ask()
    warm += status == 404 and len(connection.queries_log) == 0
    if warm > 20 and not told:
        told = True
        print("warm", flush=True)
    if status != 404:
        print(json.dumps({"refused_at": time.time(), "status": status, "warm": warm}), flush=True)
        break
    time.sleep(0.004)
"""


@pytest.mark.parametrize(("change", "status"), [("revoked", 401), ("suspended", 403), ("removed", 401)])
def test_takes_effect_within_a_second_in_every_process(
    acme: TenantKey, request: pytest.FixtureRequest, change: str, status: int
) -> None:
    user = User.objects.create(email=f"{uuid.uuid4().hex}@acme.example", password="!")
    seat = Membership.objects.create(tenant_id=acme.id, user=user, role=Role.OWNER)
    ceiling = ceilings.of_person(["usage:read"], person_id=user.id, membership_id=seat.id)
    with tenant_scope(acme):
        row, text = services.create(
            name="Test", scopes=["usage:read"], personal=change == "removed", ceiling=ceiling
        )
    processes = {way: _caller(text, variables) for way, variables in _ways(request).items()}
    try:
        for way, process in processes.items():
            assert process.stdout is not None
            assert process.stdout.readline() == "warm\n", way
        changed_at = _change(change, acme, row, seat)
        told = {way: json.loads(process.communicate(timeout=30)[0]) for way, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    late = {way: round(each["refused_at"] - changed_at, 3) for way, each in told.items()}
    print(f"{change}: seconds until it took effect: {late}")  # noqa: T201 - shown with -s
    assert {each["status"] for each in told.values()} == {status}
    assert max(late.values()) < 1.0


def _ways(request: pytest.FixtureRequest) -> dict[str, dict[str, str]]:
    """How processes reach the database: straight, by the driver's pool, and through pgbouncer where there is one."""
    dev = {"DJANGO_SETTINGS_MODULE": "config.settings.dev"}
    ways = {"direct": {**dev, "ALMANAC_POOL": "0"}, "pool": {**dev, "ALMANAC_POOL": "1"}}
    if pgbouncer.BINARY is not None:
        folder = request.getfixturevalue("pooler")
        dsn = psycopg.conninfo.make_conninfo(
            os.environ["ALMANAC_APP_DSN"], host=str(folder), port=pgbouncer.PORT
        )
        ways["pgbouncer"] = {**dev, "ALMANAC_POOL": "0", "ALMANAC_APP_DSN": dsn}
    return ways


def _caller(text: str, variables: dict[str, str]) -> subprocess.Popen[str]:
    """A web process of its own that calls without a pause."""
    return subprocess.Popen(
        [sys.executable, "-c", CALLER, text],
        cwd=settings.BASE_DIR,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        text=True,
    )


def _change(change: str, acme: TenantKey, row: ApiKey, seat: Membership) -> float:
    """When it was committed."""
    if change == "suspended":
        with system_scope("operator"):
            tenants.suspend(tenant_id=acme.id, reason="test")
        return time.time()
    with tenant_scope(acme):
        if change == "removed":
            Membership.objects.filter(id=seat.id).delete()
        else:
            services.revoke(key_id=row.id)
    return time.time()
