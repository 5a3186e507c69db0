"""A tenant that is erased is billed no more, and what Stripe says of it afterwards does no harm."""

from __future__ import annotations

from typing import Any

import pytest

from apps.billing import erasing, stripe_api
from apps.billing.models import StripeCustomer
from apps.core.tenancy import TenantKey
from tenants.context import system_scope
from tenants.lifecycle import list_erasers
from tests.billing.conftest import Stripe, deliver, plan_of

pytestmark = pytest.mark.django_db


def test_the_erasure_of_a_tenant_ends_what_it_pays(stripe: Stripe, acme: TenantKey) -> None:
    assert [eraser for eraser in list_erasers() if eraser.erase is erasing.end_subscriptions]
    for delivery in stripe.buy(acme, "team"):
        deliver(delivery)
    assert plan_of(acme) == "team"
    (left,) = erasing.list_running(acme)
    assert left.endswith("is active")
    erasing.end_subscriptions(acme)
    erasing.end_subscriptions(acme)  # killed and begun again
    assert erasing.list_running(acme) == []


def test_a_tenant_that_never_paid_has_nothing_to_end(stripe: Stripe, acme: TenantKey) -> None:
    erasing.end_subscriptions(acme)
    assert erasing.list_running(acme) == []


def test_where_billing_is_off_nobody_is_asked(acme: TenantKey, settings: Any) -> None:
    settings.STRIPE_API_KEY = ""
    erasing.end_subscriptions(acme)
    assert erasing.list_running(acme) == []


def test_stripes_last_word_may_come_when_the_limits_are_gone(
    stripe: Stripe, acme: TenantKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    for delivery in stripe.buy(acme, "team"):
        deliver(delivery)
    stripe.mailbox.received.clear()
    erasing.end_subscriptions(acme)
    monkeypatch.setattr("tenants.queries.find_limits", lambda tenant_id: None)
    for delivery in stripe.events("customer.subscription.deleted"):
        assert deliver(delivery).status_code == 200
    with system_scope("billing"):
        mirrored = stripe_api.list_subscriptions(_customer(acme))
    assert [subscription.has_ended for subscription in mirrored] == [True]


def _customer(key: TenantKey) -> str:
    with system_scope("billing"):
        found = StripeCustomer.objects.get(tenant_id=key.id).customer_id
    assert found
    return found
