"""The plan page, the way to Stripe and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.permissions import Role
from apps.billing import views
from apps.core.tenancy import TenantKey
from tests.accounts.browser import Browser
from tests.billing.conftest import ACME, Stripe, deliver

Member = Callable[[Role], Browser]


def text_of(response: Any) -> str:
    assert response.status_code == 200, response.content
    return re.sub(r"\s+", " ", response.content.decode())


def check_out(browser: Browser, plan: str) -> Any:
    return browser.client(ACME).post(f"/plan/checkout/{plan}/")


def test_the_page_shows_plans_quota_and_that_no_card_is_charged(stripe: Stripe, member: Member) -> None:
    response = member(Role.OWNER).visit(f"{ACME}/plan/")
    page = text_of(response)
    for words in ("You are on Free", "No real money.", "Upgrade to Team", "250,000", "0 of 10,000", "$249"):
        assert words in page
    assert "Manage billing</button>" not in page
    assert f" {stripe.sim.origin}" in response["Content-Security-Policy"].partition("form-action")[2]


def test_upgrade_leads_to_checkout_and_back_to_the_new_plan(stripe: Stripe, member: Member) -> None:
    browser = member(Role.OWNER)
    leaving = check_out(browser, "team")
    assert leaving.status_code == 303
    assert leaving["Location"].startswith(f"{stripe.sim.origin}/c/pay/")
    stripe.mailbox.received.clear()
    back = stripe.pay(leaving["Location"]).headers["location"]
    assert back.startswith(f"{ACME}/plan/return/?session_id=cs_test_")
    waiting = text_of(browser.visit(back))
    assert "Payment received, switching plan…" in waiting
    assert "/plan/return/progress/?plan=team&amp;polls=0" in waiting
    for delivery in stripe.events("checkout.session.completed"):
        deliver(delivery)
    done = browser.visit(f"{ACME}/plan/return/progress/?plan=team&polls=1", **{"HX-Request": "true"})
    assert "You are on Team." in text_of(done)
    assert done["HX-Refresh"] == "true"
    page = text_of(browser.visit(f"{ACME}/plan/"))
    for words in (
        "You are on Team",
        "Renews on",
        "0 of 250,000",
        "Change to Business",
        "Cancel, back to Free",
    ):
        assert words in page
    assert "Upgrade to" not in page


def test_the_return_page_asks_stripe_itself_when_no_event_comes(stripe: Stripe, member: Member) -> None:
    browser = member(Role.OWNER)
    stripe.pay(check_out(browser, "team")["Location"])
    asked = views._POLLS_BEFORE_ASKING - 1
    assert "switching" in text_of(browser.visit(f"{ACME}/plan/return/progress/?plan=team&polls={asked - 1}"))
    assert "You are on Team." in text_of(
        browser.visit(f"{ACME}/plan/return/progress/?plan=team&polls={asked}")
    )


def test_the_return_page_believes_stripe_and_not_the_address(stripe: Stripe, member: Member) -> None:
    browser = member(Role.OWNER)
    unpaid = check_out(browser, "team")["Location"].rpartition("/")[2]
    page = text_of(browser.visit(f"{ACME}/plan/return/?session_id={unpaid}"))
    assert "Payment received" not in page
    assert browser.visit(f"{ACME}/plan/return/?session_id=cs_test_of_somebody").status_code == 404


@pytest.mark.parametrize("polls", ["", "-1", "x", "9999999", "²"])
def test_odd_poll_counts_end_the_polling(stripe: Stripe, member: Member, polls: str) -> None:
    page = text_of(member(Role.OWNER).visit(f"{ACME}/plan/return/progress/?plan=team&polls={polls}"))
    assert "hx-get" not in page


def test_who_is_subscribed_is_led_to_the_portal_instead_of_a_second_checkout(
    stripe: Stripe, member: Member
) -> None:
    browser = member(Role.OWNER)
    stripe.mailbox.received.clear()
    stripe.pay(check_out(browser, "team")["Location"])
    for delivery in stripe.events("checkout.session.completed"):
        deliver(delivery)
    assert "/p/session/" in check_out(browser, "business")["Location"]
    assert "/p/session/" in browser.client(ACME).post("/plan/portal/")["Location"]


def test_a_viewer_sees_no_plan_page_and_a_developer_cannot_buy(stripe: Stripe, member: Member) -> None:
    assert member(Role.VIEWER).visit(f"{ACME}/plan/").status_code == 403
    assert check_out(member(Role.DEVELOPER), "team").status_code == 403


def test_the_role_billing_may_buy(stripe: Stripe, member: Member) -> None:
    assert check_out(member(Role.BILLING), "team").status_code == 303


def test_without_a_stripe_the_page_says_so_and_offers_nothing(member: Member, settings: Any) -> None:
    settings.STRIPE_API_KEY = ""
    response = member(Role.OWNER).visit(f"{ACME}/plan/")
    page = text_of(response)
    assert "Billing is off here." in page
    assert "Upgrade to" not in page
    assert "0 of 10,000" in page


def test_buying_and_the_portal_need_a_post(stripe: Stripe, member: Member) -> None:
    browser = member(Role.OWNER)
    for path in ("/plan/checkout/team/", "/plan/portal/"):
        assert browser.client(ACME).get(path).status_code == 405


def test_a_failed_payment_is_said_on_the_page(stripe: Stripe, member: Member, acme: TenantKey) -> None:
    from apps.billing.models import StripeSubscription
    from tenants.context import system_scope

    browser = member(Role.OWNER)
    stripe.mailbox.received.clear()
    stripe.pay(check_out(browser, "team")["Location"])
    for delivery in stripe.events("checkout.session.completed"):
        deliver(delivery)
    with system_scope("billing"):
        StripeSubscription.objects.update(status="past_due")
    assert "The last payment failed." in text_of(browser.visit(f"{ACME}/plan/"))
