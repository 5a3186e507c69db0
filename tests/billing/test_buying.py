"""Checkout and portal, and what happens when Stripe and we disagree."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import ProgrammingError, transaction

from apps.audit.models import AuditEvent
from apps.billing import errors, plans, queries, services, stripe_api
from apps.billing.models import StripeCustomer, StripeSubscription
from apps.core.tenancy import TenantKey
from tenants.context import tenant_scope
from tests.billing.conftest import Stripe, deliver, open_checkout, plan_of
from tests.stripe_sim.running import simulator


def session_of(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]


def test_products_and_prices_are_made_once(stripe: Stripe) -> None:
    first = stripe_api.ensure_catalogue()
    assert set(first) == {"team", "business"}
    assert stripe_api.ensure_catalogue() == first
    assert len(stripe.sim.client.v1.products.list().data) == len(first)


def test_a_changed_price_is_made_anew_and_the_plan_of_old_payers_is_still_known(stripe: Stripe) -> None:
    old = stripe_api.ensure_catalogue()["team"]
    new = stripe_api.ensure_catalogue([dataclasses.replace(plans.TEAM, amount=5_900)])["team"]
    assert new != old
    assert stripe.sim.client.v1.prices.retrieve(old).product == plans.TEAM.product_id
    assert stripe.sim.client.v1.prices.retrieve(new).unit_amount == 5_900


def test_the_tenants_account_at_stripe_is_opened_once_and_carries_its_name(
    stripe: Stripe, acme: TenantKey
) -> None:
    open_checkout(acme, "team")
    open_checkout(acme, "business")
    customers = stripe.sim.client.v1.customers.list().data
    assert [(item.name, item.email) for item in customers] == [("Acme", "alice@acme.example")]


def test_only_the_last_checkout_can_be_paid(stripe: Stripe, acme: TenantKey) -> None:
    first, second = open_checkout(acme, "team"), open_checkout(acme, "business")
    assert stripe.pay(first).status_code == 410
    assert stripe.pay(second).status_code == 303


def test_who_has_a_subscription_is_not_sold_another(stripe: Stripe, acme: TenantKey) -> None:
    for delivery in stripe.buy(acme, "team"):
        deliver(delivery)
    with pytest.raises(errors.AlreadySubscribed, match="Team"):
        open_checkout(acme, "business")


def test_a_subscription_whose_end_we_have_not_heard_of_does_not_stand_in_the_way(
    stripe: Stripe, acme: TenantKey
) -> None:
    for delivery in stripe.buy(acme, "team"):
        deliver(delivery)
    stripe.portal(acme, "cancel-now", "customer.subscription.deleted")
    assert open_checkout(acme, "business").startswith(stripe.sim.origin)
    assert plan_of(acme) == "free"


def test_another_stripe_account_knows_neither_customer_nor_subscription_and_one_can_buy_again(
    stripe: Stripe, acme: TenantKey, settings: Any, tmp_path: Path
) -> None:
    for delivery in stripe.buy(acme, "team"):
        deliver(delivery)
    with simulator(tmp_path / "another.sqlite3") as another:
        settings.STRIPE_API_BASE = another.origin
        assert open_checkout(acme, "business").startswith(another.origin)
        with tenant_scope(acme):
            assert StripeSubscription.objects.get().status == "canceled"
            customer = queries.find_customer()
        assert customer is not None
        assert another.client.v1.customers.retrieve(str(customer.customer_id)).name == "Acme"


def test_reading_from_stripe_directly_gives_the_plan_when_no_event_comes(
    stripe: Stripe, acme: TenantKey
) -> None:
    stripe.buy(acme, "team")
    with tenant_scope(acme):
        services.refresh()
    assert plan_of(acme) == "team"


def test_a_checkout_of_another_tenant_is_not_there(
    stripe: Stripe, acme: TenantKey, globex: TenantKey
) -> None:
    session = session_of(open_checkout(acme, "team"))
    open_checkout(globex, "team")
    with tenant_scope(acme):
        assert services.find_checkout(session_id=session).plan == "team"
    with tenant_scope(globex):
        for unknown in (session, "cs_test_nothing", "../customers"):
            with pytest.raises(errors.UnknownCheckout):
                services.find_checkout(session_id=unknown)


def test_free_and_unknown_plans_are_not_sold(stripe: Stripe, acme: TenantKey) -> None:
    with pytest.raises(errors.NotForSale):
        open_checkout(acme, "free")
    with pytest.raises(errors.UnknownPlan):
        open_checkout(acme, "platinum")


def test_there_is_no_portal_before_the_first_checkout(stripe: Stripe, acme: TenantKey) -> None:
    with tenant_scope(acme), pytest.raises(errors.NoCustomer):
        services.open_portal(return_url="http://acme.localhost/plan/")


def test_checkout_and_portal_are_noted_in_the_audit_log(stripe: Stripe, acme: TenantKey) -> None:
    open_checkout(acme, "team")
    with tenant_scope(acme):
        services.open_portal(return_url="http://acme.localhost/plan/")
        actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"billing.checkout_opened", "billing.portal_opened"} <= actions


def test_a_stripe_that_is_away_is_said_to_be_away_and_nothing_is_kept(
    no_answer: Callable[[], None], acme: TenantKey
) -> None:
    no_answer()
    with pytest.raises(errors.StripeUnavailable, match="Nothing was changed"):
        open_checkout(acme, "team")
    with tenant_scope(acme):
        assert not AuditEvent.objects.filter(action="billing.checkout_opened").exists()


def test_without_a_stripe_nothing_is_sold(acme: TenantKey, settings: Any) -> None:
    settings.STRIPE_API_KEY = ""
    with pytest.raises(errors.BillingOff):
        open_checkout(acme, "team")
    with tenant_scope(acme), pytest.raises(errors.BillingOff):
        services.open_portal(return_url="http://acme.localhost/plan/")


def test_a_tenant_cannot_write_the_mirror_of_its_payments(acme: TenantKey) -> None:
    with tenant_scope(acme):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            StripeCustomer.objects.create(tenant_id=acme.id, customer_id="cus_1")
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            StripeSubscription.objects.update(plan="business")


def test_every_plan_allows_more_than_the_one_before_it() -> None:
    for lower, higher in zip(plans.PLANS, plans.PLANS[1:], strict=False):
        assert lower.amount < higher.amount
        for name in ("forecast_points_per_month", "running_jobs", "datasets", "rows"):
            assert getattr(lower.limits, name) < getattr(higher.limits, name)
        assert higher.limits.plan == higher.code
