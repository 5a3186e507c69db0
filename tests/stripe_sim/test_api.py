"""The official SDK gets from the simulator what it would get from Stripe."""

from __future__ import annotations

import typing
from typing import Any

import httpx
import pytest
import stripe

from tests.stripe_sim.running import API_KEY, Simulator


def subscription_params(customer: stripe.Customer, price: stripe.Price) -> Any:
    return {
        "customer": customer.id,
        "items": [{"price": price.id}],
        "default_payment_method": "pm_card_visa",
    }


def assert_declared(resource: stripe.StripeObject) -> None:
    """Every field that the SDK declares as always there is there, and none that it does not know."""
    declared = type(resource).__annotations__
    given = set(resource.to_dict())
    unknown = given - set(declared) - {"object"}
    assert not unknown, f"{type(resource).__name__} has invented fields {sorted(unknown)}"
    always = {
        name for name, hint in declared.items() if "Optional" not in str(hint) and "None" not in str(hint)
    }
    missing = always - given - {"OBJECT_NAME"}
    assert not missing, f"{type(resource).__name__} lacks {sorted(missing)}"


def test_every_answer_has_the_fields_that_the_sdk_declares(
    sim: Simulator, price: stripe.Price, customer: stripe.Customer
) -> None:
    v1 = sim.client.v1
    subscription = sim.subscribe(price.id, customer.id)
    invoice = v1.invoices.retrieve(str(subscription.latest_invoice))
    session = v1.checkout.sessions.list({"subscription": subscription.id}).data[0]
    portal = v1.billing_portal.sessions.create(
        {"customer": customer.id, "return_url": "http://acme.localhost:9/"}
    )
    event = v1.events.list({"type": "customer.subscription.created"}).data[0]
    product = v1.products.retrieve(str(price.product))
    item = subscription["items"].data[0]
    for resource in (
        price,
        product,
        v1.customers.retrieve(customer.id),
        subscription,
        item,
        item.price,
        item.plan,
        invoice,
        invoice.lines.data[0],
        session,
        portal,
        event,
    ):
        assert_declared(resource)


def test_the_period_stands_on_the_item_and_the_subscription_under_the_invoices_parent(
    sim: Simulator, price: stripe.Price, customer: stripe.Customer
) -> None:
    subscription = sim.subscribe(price.id, customer.id, tenant_id="t-1")
    item = subscription["items"].data[0]
    assert subscription.status == "active"
    assert 27 * 86_400 < item.current_period_end - item.current_period_start < 32 * 86_400
    assert "current_period_end" not in subscription.to_dict()
    invoice = sim.client.v1.invoices.retrieve(str(subscription.latest_invoice))
    assert invoice.parent is not None
    assert invoice.parent.subscription_details is not None
    assert invoice.parent.subscription_details.subscription == subscription.id
    assert (invoice.status, invoice.amount_paid, invoice.amount_remaining) == ("paid", 4900, 0)
    assert subscription.metadata["tenant_id"] == "t-1"


def test_a_price_is_found_by_its_lookup_key_which_only_one_price_may_hold(sim: Simulator) -> None:
    v1 = sim.client.v1
    params: Any = {
        "currency": "eur",
        "unit_amount": 100,
        "recurring": {"interval": "year"},
        "lookup_key": "only_one",
        "product_data": {"name": "Yearly"},
    }
    first = v1.prices.create(params)
    with pytest.raises(stripe.InvalidRequestError, match="already uses that lookup key"):
        v1.prices.create(params)
    second = v1.prices.create({**params, "transfer_lookup_key": True, "unit_amount": 200})
    found = v1.prices.list({"lookup_keys": ["only_one"], "expand": ["data.product"]})
    assert [price.id for price in found.data] == [second.id]
    assert typing.cast(stripe.Product, found.data[0].product).name == "Yearly"
    assert v1.prices.retrieve(first.id).lookup_key is None


def test_the_same_idempotency_key_answers_the_same_and_refuses_other_parameters(sim: Simulator) -> None:
    v1 = sim.client.v1
    options: Any = {"idempotency_key": "customer-of-acme"}
    first = v1.customers.create({"name": "Acme"}, options)
    again = v1.customers.create({"name": "Acme"}, options)
    assert again.id == first.id
    assert again.last_response is not None
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        v1.customers.create({"name": "Globex"}, options)


def test_a_refused_request_changes_nothing_and_may_be_repeated_under_its_key(sim: Simulator) -> None:
    v1 = sim.client.v1
    before = len(v1.events.list({"limit": 100}).data)
    options: Any = {"idempotency_key": "product-first-wrong"}
    with pytest.raises(stripe.InvalidRequestError) as caught:
        v1.products.create(typing.cast(Any, {"description": "nameless"}), options)
    assert caught.value.code == "parameter_missing"
    assert caught.value.param == "name"
    assert len(v1.events.list({"limit": 100}).data) == before
    assert v1.products.create({"name": "Named"}, options).name == "Named"


def test_unknown_parameters_objects_paths_and_keys_are_refused_as_stripe_does(sim: Simulator) -> None:
    v1 = sim.client.v1
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        v1.customers.create(typing.cast(Any, {"nmae": "Acme"}))
    assert (unknown.value.code, unknown.value.param) == ("parameter_unknown", "nmae")
    with pytest.raises(stripe.InvalidRequestError) as absent:
        v1.subscriptions.retrieve("sub_nobody")
    assert (absent.value.http_status, absent.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        v1.coupons.list()
    live = stripe.StripeClient("sk_live_real", base_addresses={"api": sim.origin}, max_network_retries=0)
    with pytest.raises(stripe.AuthenticationError, match="sk_test_"):
        live.v1.customers.list()


@pytest.mark.parametrize("amount", ["-1", "1.5", "many", "9" * 30])
def test_an_amount_that_is_no_whole_number_of_minor_units_is_refused(sim: Simulator, amount: str) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        sim.client.v1.prices.create(
            typing.cast(Any, {"currency": "usd", "unit_amount": amount, "product_data": {"name": "Bad"}})
        )


def test_lists_are_walked_page_by_page_newest_first(sim: Simulator) -> None:
    v1 = sim.client.v1
    made = [v1.customers.create({"email": "many@acme.example"}).id for _ in range(5)]
    first = v1.customers.list({"email": "many@acme.example", "limit": 2})
    assert first.has_more
    assert [item.id for item in first.auto_paging_iter()] == made[::-1]


def test_a_change_of_plan_keeps_one_item_and_credits_what_is_left(
    sim: Simulator, price: stripe.Price, customer: stripe.Customer
) -> None:
    v1 = sim.client.v1
    dearer = v1.prices.create(
        {
            "product": str(price.product),
            "currency": "usd",
            "unit_amount": 19900,
            "recurring": {"interval": "month"},
        }
    )
    subscription = sim.subscribe(price.id, customer.id)
    item = subscription["items"].data[0]
    changed = v1.subscriptions.update(
        subscription.id,
        {"items": [{"id": item.id, "price": dearer.id}], "proration_behavior": "always_invoice"},
    )
    assert [entry.price.id for entry in changed["items"].data] == [dearer.id]
    invoice = v1.invoices.retrieve(str(changed.latest_invoice))
    credit, charge = invoice.lines.data
    assert invoice.billing_reason == "subscription_update"
    assert (credit.amount, charge.amount) == (pytest.approx(-4900, abs=1), pytest.approx(19900, abs=1))
    event = v1.events.list({"type": "customer.subscription.updated"}).data[0]
    assert event.data.object["id"] == subscription.id


def test_an_item_without_its_id_is_added_beside_the_old_one_as_stripe_does(
    sim: Simulator, price: stripe.Price, customer: stripe.Customer
) -> None:
    subscription = sim.subscribe(price.id, customer.id)
    changed = sim.client.v1.subscriptions.update(subscription.id, {"items": [{"price": price.id}]})
    assert len(changed["items"].data) == 2


def test_a_subscription_is_cancelled_at_the_periods_end_or_at_once(
    sim: Simulator, price: stripe.Price, customer: stripe.Customer
) -> None:
    v1 = sim.client.v1
    subscription = sim.subscribe(price.id, customer.id)
    later = v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    assert (later.status, later.cancel_at) == ("active", later["items"].data[0].current_period_end)
    assert v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False}).cancel_at is None
    ended = v1.subscriptions.cancel(subscription.id)
    assert (ended.status, ended.ended_at is not None) == ("canceled", True)
    assert v1.subscriptions.list({"customer": customer.id}).data == []
    assert len(v1.subscriptions.list({"customer": customer.id, "status": "all"}).data) == 1
    with pytest.raises(stripe.InvalidRequestError):
        v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})


def test_a_declined_card_leaves_an_incomplete_subscription_that_a_good_card_completes(
    sim: Simulator, price: stripe.Price, customer: stripe.Customer
) -> None:
    v1 = sim.client.v1
    params = subscription_params(customer, price) | {"default_payment_method": "pm_card_chargeCustomerFail"}
    subscription = v1.subscriptions.create(params)
    assert subscription.status == "incomplete"
    with pytest.raises(stripe.CardError) as declined:
        v1.invoices.pay(str(subscription.latest_invoice))
    assert declined.value.code == "card_declined"
    v1.invoices.pay(str(subscription.latest_invoice), {"payment_method": "pm_card_visa"})
    assert v1.subscriptions.retrieve(subscription.id).status == "active"


def test_a_deleted_customer_loses_its_subscription(
    sim: Simulator, price: stripe.Price, customer: stripe.Customer
) -> None:
    subscription = sim.subscribe(price.id, customer.id)
    assert sim.client.v1.customers.delete(customer.id).deleted is True
    assert sim.client.v1.subscriptions.retrieve(subscription.id).status == "canceled"


def test_a_foreign_host_name_is_not_served(sim: Simulator) -> None:
    answer = httpx.get(
        f"{sim.origin}/v1/customers",
        headers={"Host": "evil.example", "Authorization": f"Bearer {API_KEY}"},
        trust_env=False,
    )
    assert answer.status_code == 400
