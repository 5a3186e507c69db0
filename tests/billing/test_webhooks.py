"""Stripe's events change the plan once, in whatever order and number they come; forged ones do nothing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe as sdk
from django.db import connection

from apps.audit.models import AuditEvent
from apps.billing import plans, services, stripe_api
from apps.billing.models import StripeCustomer, StripeEvent, StripeSubscription
from apps.billing.stripe_api import Subscription
from apps.core.tenancy import TenantKey
from deploy.stripe_sim.webhooks import signature_header
from tenants.context import system_scope, tenant_scope
from tests import factories
from tests.billing.conftest import WEBHOOK, Stripe, deliver, open_checkout, plan_of
from tests.billing.serving import serving
from tests.stripe_sim.running import SECRET, free_port, simulator


def changes_of_limits(key: TenantKey) -> int:
    with tenant_scope(key):
        return AuditEvent.objects.filter(action="tenant.limits_changed").count()


def recorded_events() -> int:
    with system_scope("billing"):
        return StripeEvent.objects.count()


def signed(event: dict[str, Any], *, secret: str = SECRET, age_seconds: int = 0) -> tuple[bytes, str]:
    payload = json.dumps(event).encode()
    return payload, signature_header(payload, (secret,), int(time.time()) - age_seconds)


def subscription_event(customer: str, event_id: str = "evt_1Forged") -> dict[str, Any]:
    return {
        "id": event_id,
        "object": "event",
        "created": int(time.time()),
        "type": "customer.subscription.updated",
        "data": {"object": {"id": "sub_1", "object": "subscription", "customer": customer}},
    }


def customer_of(key: TenantKey) -> str:
    with tenant_scope(key):
        found = StripeCustomer.objects.get(tenant_id=key.id).customer_id
    assert found is not None
    return found


def test_paying_gives_the_plan_and_its_quota_to_that_tenant_only(
    stripe: Stripe, acme: TenantKey, globex: TenantKey
) -> None:
    deliveries = stripe.buy(acme, "team")
    assert plan_of(acme) == "free"
    outcomes = [deliver(delivery).json()["outcome"] for delivery in deliveries]
    assert set(outcomes) == {"applied", "ignored"}
    assert (plan_of(acme), plan_of(globex)) == ("team", "free")
    with tenant_scope(acme):
        limits = services.queries.get_limits()
        mirrored = StripeSubscription.objects.get()
        audit = AuditEvent.objects.select_related("personal").get(action="tenant.limits_changed")
    assert limits.forecast_points_per_month == plans.TEAM.limits.forecast_points_per_month
    assert (mirrored.status, mirrored.plan, mirrored.tenant_id) == ("active", "team", acme.id)
    assert mirrored.current_period_end is not None
    assert mirrored.current_period_end > datetime.now(UTC)
    assert (audit.actor_label, audit.changes["after"]["plan"]) == ("Stripe", "team")


@pytest.mark.parametrize(
    "fault", ["another secret", "changed body", "no signature", "ten minutes old", "no timestamp"]
)
def test_a_forged_or_stale_event_is_refused_and_changes_nothing(
    stripe: Stripe, acme: TenantKey, fault: str
) -> None:
    stripe.buy(acme, "team")
    event = subscription_event(customer_of(acme))
    payload, signature = signed(event)
    forged = {
        "another secret": signed(event, secret="whsec_guessed"),
        "changed body": (payload.replace(b"evt_1Forged", b"evt_1Fakery"), signature),
        "no signature": (payload, ""),
        "ten minutes old": signed(event, age_seconds=600),
        "no timestamp": (payload, signature.partition(",")[2]),
    }[fault]
    answer = deliver(forged)
    assert answer.status_code == 400, answer.content
    assert answer.json()["code"] == "stripe_signature_refused"
    assert (plan_of(acme), recorded_events()) == ("free", 0)
    assert deliver((payload, signature)).json() == {"outcome": "applied"}, (
        "the same event, rightly signed, is taken"
    )


def test_an_unset_secret_verifies_nothing(stripe: Stripe, acme: TenantKey, settings: Any) -> None:
    stripe.buy(acme, "team")
    settings.STRIPE_WEBHOOK_SECRET = ""
    assert deliver(signed(subscription_event(customer_of(acme)), secret="")).status_code >= 400
    assert plan_of(acme) == "free"


def test_two_secrets_hold_while_one_is_being_changed(stripe: Stripe, acme: TenantKey, settings: Any) -> None:
    stripe.buy(acme, "team")
    settings.STRIPE_WEBHOOK_SECRET = f"whsec_new,{SECRET}"
    assert deliver(signed(subscription_event(customer_of(acme)))).status_code == 200


def test_a_body_that_is_no_event_is_refused(stripe: Stripe, db: None) -> None:
    for payload in (b"", b"[]", b"{", b"\xff\xfe", b'{"object": "event"}'):
        answer = deliver((payload, signature_header(payload, (SECRET,), int(time.time()))))
        assert answer.status_code == 400, (payload, answer.content)


def test_a_repeated_event_is_taken_once(stripe: Stripe, acme: TenantKey) -> None:
    deliveries = stripe.buy(acme, "team")
    for delivery in deliveries:
        deliver(delivery)
    recorded = recorded_events()
    assert {deliver(delivery).json()["outcome"] for delivery in deliveries} == {"duplicate", "ignored"}
    assert (recorded_events(), changes_of_limits(acme)) == (recorded, 1)


def test_events_in_the_wrong_order_end_where_stripe_is(stripe: Stripe, acme: TenantKey) -> None:
    bought = stripe.buy(acme, "team")
    for delivery in bought[:-1]:
        deliver(delivery)
    cancelled = stripe.portal(acme, "cancel-now", "customer.subscription.deleted")
    for delivery in [*reversed(cancelled), *reversed(bought)]:
        assert deliver(delivery).status_code == 200
    assert plan_of(acme) == "free"


def test_a_change_in_the_portal_changes_the_plan_and_a_cancellation_ends_it_later(
    stripe: Stripe, acme: TenantKey
) -> None:
    prices = stripe_api.ensure_catalogue()
    for delivery in stripe.buy(acme, "team"):
        deliver(delivery)
    for delivery in stripe.portal(acme, "plan", "invoice.payment_succeeded", price=prices["business"]):
        deliver(delivery)
    assert plan_of(acme) == "business"
    for delivery in stripe.portal(acme, "cancel", "customer.subscription.updated"):
        deliver(delivery)
    with tenant_scope(acme):
        assert StripeSubscription.objects.get().cancel_at_period_end
    assert plan_of(acme) == "business"


def test_an_event_about_somebody_elses_customer_is_taken_and_ignored(stripe: Stripe, acme: TenantKey) -> None:
    assert deliver(signed(subscription_event("cus_of_another_product"))).json() == {"outcome": "ignored"}
    assert recorded_events() == 0


def test_an_event_that_cannot_be_worked_on_is_asked_for_again_and_leaves_nothing(
    stripe: Stripe, acme: TenantKey, no_answer: Callable[[], None]
) -> None:
    deliveries = stripe.buy(acme, "team")
    no_answer()
    completed = deliveries[-1]
    assert deliver(completed).status_code == 503
    assert (recorded_events(), plan_of(acme)) == (0, "free")


@pytest.mark.parametrize(
    ("status", "plan"),
    [
        ("active", "team"),
        ("trialing", "team"),
        ("past_due", "team"),
        ("incomplete", "free"),
        ("incomplete_expired", "free"),
        ("unpaid", "free"),
        ("canceled", "free"),
        ("paused", "free"),
        ("a status of next year", "free"),
    ],
)
def test_a_late_payment_keeps_the_plan_and_an_unpaid_one_does_not(
    stripe: Stripe, acme: TenantKey, monkeypatch: pytest.MonkeyPatch, status: str, plan: str
) -> None:
    for delivery in stripe.buy(acme, "team"):
        deliver(delivery)
    now = datetime.now(UTC)
    told = Subscription("sub_1", customer_of(acme), status, plans.TEAM.product_id, "price_1", now, False, now)
    monkeypatch.setattr(stripe_api, "list_subscriptions", lambda _: [told])
    assert deliver(signed(subscription_event(customer_of(acme)))).status_code == 200
    assert plan_of(acme) == plan


def test_the_highest_of_two_running_plans_holds(
    stripe: Stripe, acme: TenantKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    stripe.buy(acme, "team")
    now = datetime.now(UTC)
    told = [
        Subscription(
            f"sub_{plan.code}", customer_of(acme), "active", plan.product_id, "price_1", now, False, now
        )
        for plan in (plans.BUSINESS, plans.TEAM)
    ]
    monkeypatch.setattr(stripe_api, "list_subscriptions", lambda _: told)
    deliver(signed(subscription_event(customer_of(acme))))
    assert plan_of(acme) == "business"


def test_limits_that_an_operator_gave_to_a_tenant_that_never_paid_are_left_alone(
    stripe: Stripe, acme: TenantKey
) -> None:
    open_checkout(acme, "team")
    with system_scope("billing"):
        services.tenants_services.set_limits(
            tenant_id=acme.id, limits=plans.BUSINESS.limits, reason="a friend"
        )
    deliver(signed(subscription_event(customer_of(acme))))
    assert plan_of(acme) == "business"


def test_what_fails_once_is_sent_again_and_then_holds(
    committed: None, stripe: Stripe, settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, port = factories.tenant("acme").key, free_port()
    failures: list[int] = []
    right = services.tenants_services.set_limits

    def fails_twice(**arguments: Any) -> Any:
        if len(failures) < 2:
            failures.append(recorded_events_of_other_connection())
            raise RuntimeError("the power went out")
        return right(**arguments)

    def recorded_events_of_other_connection() -> int:
        seen: list[int] = []

        def look() -> None:
            seen.append(recorded_events())
            connection.close()

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        return seen[0]

    monkeypatch.setattr(services.tenants_services, "set_limits", fails_twice)
    url = f"http://127.0.0.1:{port}{WEBHOOK}"
    with serving(port), simulator(tmp_path / "other.sqlite3", webhook_url=url) as sim:
        settings.STRIPE_API_BASE = sim.origin
        sim.web.post(open_checkout(key, "team"), data={"card": "pm_card_visa"})
        deadline = time.monotonic() + 20
        while plan_of(key) != "team":
            assert time.monotonic() < deadline, "the plan never came"
            time.sleep(0.05)
    assert failures == [0, 0], "a failed attempt must leave no trace that would turn the next one away"
    assert changes_of_limits(key) == 1


def test_many_events_at_the_same_moment_change_the_plan_once(committed: None, stripe: Stripe) -> None:
    key = factories.tenant("acme").key
    deliveries = stripe.buy(key, "team")
    statuses: list[int] = []

    def send(delivery: tuple[bytes, str]) -> None:
        statuses.append(deliver(delivery).status_code)
        connection.close()

    threads = [threading.Thread(target=send, args=(delivery,)) for delivery in deliveries * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}
    assert (plan_of(key), changes_of_limits(key)) == ("team", 1)
    with tenant_scope(key):
        assert StripeSubscription.objects.count() == 1


def test_an_answer_that_was_read_earlier_never_overwrites_a_later_one(
    committed: None, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = factories.tenant("acme").key
    for delivery in stripe.buy(key, "team"):
        deliver(delivery)
    customer, now = customer_of(key), datetime.now(UTC)
    reading, second_is_done = threading.Event(), threading.Event()

    def told(status: str) -> list[Subscription]:
        return [Subscription("sub_1", customer, status, plans.TEAM.product_id, "price_1", now, False, now)]

    def read(_: str) -> list[Subscription]:
        if reading.is_set():
            return told("canceled")
        reading.set()
        second_is_done.wait(timeout=1.5)  # nobody can finish meanwhile, unless the lock is missing
        return told("active")

    def send(number: int) -> None:
        deliver(signed(subscription_event(customer, f"evt_1Number{number}")))
        connection.close()

    monkeypatch.setattr(stripe_api, "list_subscriptions", read)
    first, second = (threading.Thread(target=send, args=(number,)) for number in (1, 2))
    first.start()
    assert reading.wait(timeout=10)
    second.start()
    second.join(timeout=1)
    if not second.is_alive():
        second_is_done.set()
    first.join()
    second.join()
    assert plan_of(key) == "free"


def test_the_sdks_own_verification_agrees(db: None) -> None:
    payload, signature = signed(subscription_event("cus_1"))
    assert sdk.Webhook.construct_event(payload, signature, SECRET, api_key="x").id == "evt_1Forged"
