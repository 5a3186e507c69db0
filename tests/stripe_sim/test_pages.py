"""The hosted pages say what they are, take the money they pretend to take, and lead back."""

from __future__ import annotations

import re
from typing import Any

import pytest
import stripe

from tests.stripe_sim.running import Simulator

BACK = "http://acme.localhost:9"


@pytest.fixture
def session(sim: Simulator, price: stripe.Price, customer: stripe.Customer) -> Any:
    return sim.client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": customer.id,
            "client_reference_id": "tenant-1",
            "line_items": [{"price": price.id, "quantity": 1}],
            "success_url": f"{BACK}/done/?id={{CHECKOUT_SESSION_ID}}",
            "cancel_url": f"{BACK}/plan/",
        }
    )


def test_checkout_says_that_it_is_a_simulator_and_what_is_bought(sim: Simulator, session: Any) -> None:
    assert session.url == f"{sim.origin}/c/pay/{session.id}"
    page = sim.web.get(session.url)
    assert "No card is charged" in page.text
    assert "$49.00" in page.text
    assert f'href="{BACK}/plan/"' in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert f"form-action 'self' {BACK};" in policy + ";"
    assert not re.search(r"<script|\bstyle=|\bon\w+=", page.text)


def test_paying_leads_back_and_a_second_payment_buys_nothing(sim: Simulator, session: Any) -> None:
    paid = sim.web.post(session.url, data={"card": "pm_card_visa"})
    assert (paid.status_code, paid.headers["location"]) == (303, f"{BACK}/done/?id={session.id}")
    again = sim.web.post(session.url, data={"card": "pm_card_visa"})
    assert "Already paid" in again.text
    done = sim.client.v1.checkout.sessions.retrieve(session.id)
    assert (done.status, done.payment_status, done.url) == ("complete", "paid", None)
    assert len(sim.client.v1.subscriptions.list({"customer": session.customer}).data) == 1


def test_a_declined_card_leaves_the_checkout_open_and_nothing_behind(sim: Simulator, session: Any) -> None:
    declined = sim.web.post(session.url, data={"card": "pm_card_chargeCustomerFail"})
    assert declined.status_code == 402
    assert "Your card was declined." in declined.text
    assert sim.client.v1.subscriptions.list({"customer": session.customer, "status": "all"}).data == []
    assert sim.client.v1.checkout.sessions.retrieve(session.id).status == "open"


def test_a_form_without_a_known_card_buys_nothing(sim: Simulator, session: Any) -> None:
    sim.web.post(session.url, data={"card": "pm_stolen"})
    assert sim.client.v1.checkout.sessions.retrieve(session.id).status == "open"


def test_an_expired_or_unknown_checkout_says_so(sim: Simulator, session: Any) -> None:
    sim.client.v1.checkout.sessions.expire(session.id)
    assert sim.web.get(f"/c/pay/{session.id}").status_code == 410
    assert sim.web.get("/c/pay/cs_test_nobody").status_code == 404


def test_a_return_address_must_be_a_web_address(sim: Simulator, price: stripe.Price) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="Not a valid URL"):
        sim.client.v1.checkout.sessions.create(
            {
                "mode": "subscription",
                "line_items": [{"price": price.id, "quantity": 1}],
                "success_url": "javascript:alert(1)",
            }
        )


def test_names_are_escaped(sim: Simulator, price: stripe.Price) -> None:
    sneaky = sim.client.v1.customers.create({"name": "<script>alert(1)</script>"})
    sim.subscribe(price.id, sneaky.id)
    portal = sim.client.v1.billing_portal.sessions.create(
        {"customer": sneaky.id, "return_url": f"{BACK}/plan/"}
    )
    page = sim.web.get(portal.url).text
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_portal_changes_the_plan_cancels_and_keeps(
    sim: Simulator, price: stripe.Price, customer: stripe.Customer
) -> None:
    v1 = sim.client.v1
    dearer = v1.prices.create(
        {
            "product": str(price.product),
            "currency": "usd",
            "unit_amount": 9900,
            "recurring": {"interval": "month"},
        }
    )
    subscription = sim.subscribe(price.id, customer.id)
    portal = v1.billing_portal.sessions.create({"customer": customer.id, "return_url": f"{BACK}/plan/"})
    page = sim.web.get(portal.url)
    assert "Simulator." in page.text
    assert f'href="{BACK}/plan/"' in page.text
    assert sim.web.post(f"{portal.url}/plan", data={"price": dearer.id}).status_code == 303
    assert v1.subscriptions.retrieve(subscription.id)["items"].data[0].price.id == dearer.id
    sim.web.post(f"{portal.url}/cancel")
    assert v1.subscriptions.retrieve(subscription.id).cancel_at_period_end is True
    sim.web.post(f"{portal.url}/resume")
    assert v1.subscriptions.retrieve(subscription.id).cancel_at_period_end is False
    sim.web.post(f"{portal.url}/cancel-now")
    assert v1.subscriptions.retrieve(subscription.id).status == "canceled"
    assert "no running subscription" in sim.web.get(portal.url).text


def test_a_change_of_plan_that_the_card_refuses_changes_nothing(
    sim: Simulator, price: stripe.Price, customer: stripe.Customer
) -> None:
    v1 = sim.client.v1
    dearer = v1.prices.create(
        {
            "product": str(price.product),
            "currency": "usd",
            "unit_amount": 9900,
            "recurring": {"interval": "month"},
        }
    )
    subscription = sim.subscribe(price.id, customer.id)
    portal = v1.billing_portal.sessions.create({"customer": customer.id, "return_url": f"{BACK}/plan/"})
    sim.web.post(f"{portal.url}/card", data={"card": "pm_card_chargeCustomerFail"})
    refused = sim.web.post(f"{portal.url}/plan", data={"price": dearer.id})
    assert refused.status_code == 402
    assert v1.subscriptions.retrieve(subscription.id)["items"].data[0].price.id == price.id


def test_the_stylesheet_is_served_from_the_same_origin(sim: Simulator) -> None:
    sheet = sim.web.get("/static/simulator.css")
    assert sheet.headers["content-type"].startswith("text/css")
    assert "prefers-color-scheme: dark" in sheet.text
