"""A real simulator process for each test, a mailbox for its webhooks, and logged-in members of acme."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import Membership, User
from apps.accounts.permissions import Role
from apps.billing import services
from apps.core.tenancy import TenantKey
from tenants import queries as tenants
from tenants.context import tenant_scope
from tests.accounts.browser import Browser
from tests.stripe_sim.running import API_KEY, SECRET, Receiver, Simulator, free_port, receiver, simulator

PASSWORD = "correct-horse-battery"
ACME = "http://acme.localhost"
WEBHOOK = "/billing/stripe/webhook/"
Delivery = tuple[bytes, str]


def deliver(delivery: Delivery) -> Any:
    """Hand a webhook to the program as Stripe would: raw body and signature, to the bare host."""
    payload, signature = delivery
    headers = {"host": "127.0.0.1", "stripe-signature": signature}
    return Client().post(WEBHOOK, payload, content_type="application/json", headers=headers)


@dataclass
class Stripe:
    """The simulator, what it sent, and the ways in which a person uses it."""

    sim: Simulator
    mailbox: Receiver

    def events(self, last: str) -> list[Delivery]:
        """Everything sent so far, as soon as an event of type ``last`` is among it."""
        count = 0
        while True:
            count += 1
            deliveries = self.mailbox.wait_for(count)
            if self.type_of(deliveries[count - 1]) == last:
                return deliveries[:count]

    def type_of(self, delivery: Delivery) -> str:
        return str(json.loads(delivery[0])["type"])

    def buy(self, key: TenantKey, plan: str) -> list[Delivery]:
        """Check out and pay; the answer is the webhooks that this caused, not yet delivered."""
        self.mailbox.received.clear()
        self.pay(open_checkout(key, plan))
        return self.events("checkout.session.completed")

    def pay(self, url: str, card: str = "pm_card_visa") -> Any:
        return self.sim.web.post(url, data={"card": card})

    def portal(self, key: TenantKey, action: str, last: str, **form: str) -> list[Delivery]:
        """Do something in the customer portal; the answer is the webhooks that this caused."""
        self.mailbox.received.clear()
        with tenant_scope(key):
            url = services.open_portal(return_url=f"{ACME}/plan/")
        done = self.sim.web.post(f"{url}/{action}", data=form)
        assert done.status_code == 303, done.text
        return self.events(last)


def open_checkout(key: TenantKey, plan: str) -> str:
    """The address of a checkout for the tenant."""
    with tenant_scope(key):
        return services.start_checkout(
            plan=plan,
            email="alice@acme.example",
            success_url=f"{ACME}/plan/return/?session_id={{CHECKOUT_SESSION_ID}}",
            cancel_url=f"{ACME}/plan/",
        )


def plan_of(key: TenantKey) -> str:
    """The plan that the tenant's limits stand for."""
    with tenant_scope(key):
        return tenants.get_limits(tenant_id=key.id).plan


@dataclass
class Shared:
    """The simulator process that all tests of this folder share, and the file that keeps its state."""

    sim: Simulator
    mailbox: Receiver
    state: Path

    def start_over(self) -> None:
        """Wait for the webhooks under way, then forget everything."""
        deadline = time.monotonic() + 20
        with contextlib.closing(sqlite3.connect(self.state, timeout=20, isolation_level=None)) as file:
            while file.execute("SELECT count(*) FROM deliveries").fetchone()[0]:
                assert time.monotonic() < deadline, "webhooks are still under way"
                time.sleep(0.02)
            for table in ("objects", "idempotency"):
                file.execute(f"DELETE FROM {table}")
        self.mailbox.received.clear()


@pytest.fixture(scope="package")
def shared_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """One process, as starting one takes most of a second."""
    state = tmp_path_factory.mktemp("stripe") / "state.sqlite3"
    with receiver() as mailbox, simulator(state, webhook_url=mailbox.url) as sim:
        yield Shared(sim, mailbox, state)


@pytest.fixture
def stripe(shared_simulator: Shared, settings: Any) -> Iterator[Stripe]:
    """An empty simulator, which the program is told to use."""
    settings.STRIPE_API_KEY = API_KEY
    settings.STRIPE_API_BASE = shared_simulator.sim.origin
    settings.STRIPE_WEBHOOK_SECRET = SECRET
    settings.STRIPE_SIMULATED = True
    yield Stripe(shared_simulator.sim, shared_simulator.mailbox)
    shared_simulator.start_over()


@pytest.fixture
def no_answer(stripe: Stripe, settings: Any) -> Callable[[], None]:
    """Makes Stripe unreachable from then on."""

    def vanish() -> None:
        settings.STRIPE_API_BASE = f"http://127.0.0.1:{free_port()}"

    return vanish


@pytest.fixture
def member(acme: TenantKey) -> Callable[[Role], Browser]:
    """A browser in which a member of acme with that role is logged in."""

    def log_in(role: Role) -> Browser:
        user = User(email=f"{role}@acme.example")
        user.set_password(PASSWORD)
        user.save()
        Membership.objects.create(tenant_id=acme.id, user=user, role=role)
        browser = Browser()
        browser.log_in(user.email, PASSWORD)
        return browser

    return log_in
