"""Time alone renews, ends and expires, on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.stripe_sim import cycle
from deploy.stripe_sim.params import decode
from deploy.stripe_sim.periods import add_intervals, end_of_period
from deploy.stripe_sim.resources import customers, invoices, prices, subscriptions
from deploy.stripe_sim.routing import Call
from deploy.stripe_sim.store import Resource, Store
from deploy.stripe_sim.world import World

START = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp())
DAY = 86_400


@dataclass
class SetClock:
    moment: int = START

    def now(self) -> int:
        return self.moment


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store(tmp_path / "state.sqlite3")
    yield World(store, SetClock(), "http://127.0.0.1:1")
    store.close()


def advance(world: World, days: int) -> None:
    assert isinstance(world.clock, SetClock)
    world.clock.moment += days * DAY
    cycle.advance(world)


def call(params: dict[str, Any]) -> Call:
    return Call(params, {}, "/v1/x")


def subscribed(world: World, **params: Any) -> Resource:
    price = prices.create(
        world,
        call(
            {
                "currency": "usd",
                "unit_amount": "4900",
                "recurring": {"interval": "month"},
                "product_data": {"name": "Team"},
            }
        ),
    )
    customer = customers.create(world, call({}))
    given = {
        "customer": customer["id"],
        "items": [{"price": price["id"]}],
        "default_payment_method": "pm_card_visa",
    }
    return subscriptions.create(world, call(given | params))


def end_date(subscription: Resource) -> str:
    return datetime.fromtimestamp(subscriptions.period_end(subscription), UTC).date().isoformat()


def test_a_month_from_the_31st_ends_on_the_last_day_and_returns_to_the_31st(world: World) -> None:
    subscription = subscribed(world)
    assert end_date(subscription) == "2026-02-28"
    advance(world, 28)
    renewed = world.get("subscription", subscription["id"])
    assert (renewed["status"], end_date(renewed)) == ("active", "2026-03-31")
    reasons = [item["billing_reason"] for item in world.store.select("invoice")]
    assert reasons == ["subscription_cycle", "subscription_create"]


def test_months_missed_while_the_simulator_was_off_are_billed_one_by_one(world: World) -> None:
    subscribed(world)
    advance(world, 100)
    assert len(world.store.select("invoice", status="paid")) == 4


def test_a_refused_renewal_is_past_due_until_the_invoice_is_paid(world: World) -> None:
    subscription = subscribed(world)
    subscriptions.change(world, subscription, {"default_payment_method": invoices.DECLINING_CARD})
    advance(world, 28)
    late = world.get("subscription", subscription["id"])
    assert late["status"] == "past_due"
    invoices.charge(world, world.get("invoice", late["latest_invoice"]), card="pm_card_visa")
    assert world.get("subscription", subscription["id"])["status"] == "active"


def test_a_cancellation_at_the_periods_end_happens_then(world: World) -> None:
    subscription = subscribed(world, cancel_at_period_end="true")
    advance(world, 27)
    assert world.get("subscription", subscription["id"])["status"] == "active"
    advance(world, 1)
    assert world.get("subscription", subscription["id"])["status"] == "canceled"
    assert world.store.select("event", type="customer.subscription.deleted")


def test_a_first_payment_that_never_came_expires_after_23_hours(world: World) -> None:
    subscription = subscribed(world, default_payment_method=invoices.DECLINING_CARD)
    advance(world, 1)
    expired = world.get("subscription", subscription["id"])
    assert expired["status"] == "incomplete_expired"
    assert world.get("invoice", expired["latest_invoice"])["status"] == "void"


def test_a_trial_costs_nothing_and_then_the_price(world: World) -> None:
    subscription = subscribed(world, trial_period_days="14")
    assert subscription["status"] == "trialing"
    advance(world, 14)
    assert world.get("subscription", subscription["id"])["status"] == "active"
    assert [item["amount_paid"] for item in world.store.select("invoice")] == [4900, 0]


def test_half_a_period_of_a_dearer_plan_costs_half_the_difference_on_the_next_invoice(world: World) -> None:
    subscription = subscribed(world)
    dearer = prices.create(
        world,
        call(
            {
                "currency": "usd",
                "unit_amount": "9900",
                "recurring": {"interval": "month"},
                "product_data": {"name": "Business"},
            }
        ),
    )
    advance(world, 14)
    item = subscription["items"]["data"][0]
    subscriptions.change(world, subscription, {"items": [{"id": item["id"], "price": dearer["id"]}]})
    advance(world, 14)
    assert world.store.select("invoice")[0]["total"] == -2450 + 4950 + 9900


def test_leap_years_and_weeks_are_calendar_true() -> None:
    leap = int(datetime(2028, 2, 29, tzinfo=UTC).timestamp())
    assert datetime.fromtimestamp(add_intervals(leap, "year", 1), UTC).date().isoformat() == "2029-02-28"
    assert end_of_period(leap, leap, "week", 2) == leap + 14 * DAY


@pytest.mark.parametrize(
    ("encoded", "tree"),
    [
        ("items[0][price]=p&items[1][price]=q", {"items": [{"price": "p"}, {"price": "q"}]}),
        ("expand[]=a&expand[]=b", {"expand": ["a", "b"]}),
        ("metadata[a%20b]=c%26d&name=", {"metadata": {"a b": "c&d"}, "name": ""}),
        ("items[1][x]=late&items[0][x]=early", {"items": [{"x": "early"}, {"x": "late"}]}),
    ],
)
def test_nested_form_parameters_are_read_as_stripe_reads_them(encoded: str, tree: dict[str, Any]) -> None:
    assert decode(encoded) == tree
