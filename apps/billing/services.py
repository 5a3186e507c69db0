"""Buying, managing and mirroring what a tenant pays for."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Literal

from django.db import transaction
from django.utils import timezone

from apps.audit import services as audit
from apps.billing import plans, queries, stripe_api
from apps.billing.errors import AlreadySubscribed, BillingOff, NoCustomer, NotForSale, UnknownCheckout
from apps.billing.events import HANDLED
from apps.billing.models import StripeCustomer, StripeEvent, StripeSubscription
from apps.core import request_context, scope
from apps.core.request_context import Actor
from tenants import queries as tenants
from tenants import services as tenants_services
from tenants.context import system_scope

Outcome = Literal["applied", "duplicate", "ignored"]
_SIGNED_BY_STRIPE = Actor("system", "stripe", "Stripe")


def start_checkout(*, plan: str, email: str, success_url: str, cancel_url: str) -> str:
    """Open a checkout for the tenant in scope and return its address; asks Stripe, so it may take seconds.

    Like every function here it opens transactions as the role ``billing``: call it outside the tenant's own.
    ``success_url`` may hold ``{CHECKOUT_SESSION_ID}``. Raises ``BillingOff``, ``UnknownPlan``,
    ``NotForSale``, ``AlreadySubscribed``, ``StripeUnavailable``.
    """
    wanted = plans.get_plan(plan)
    if not wanted.is_sold:
        raise NotForSale(name=wanted.name)
    if not queries.is_on():
        raise BillingOff
    _refuse_a_second_subscription()
    tenant_id = scope.current_tenant().id
    with system_scope("billing"), transaction.atomic():
        row = _locked(tenant_id)
        price_id = stripe_api.ensure_catalogue()[wanted.code]
        checkout = _checkout(
            row, wanted, price_id, email=email, success_url=success_url, cancel_url=cancel_url
        )
        audit.record(
            action="billing.checkout_opened",
            target_type="plan",
            target_id=wanted.code,
            changes={"session": checkout.session_id},
            tenant_id=tenant_id,
        )
    return checkout.url


def open_portal(*, return_url: str) -> str:
    """The address of Stripe's page on which the tenant in scope manages its billing.

    Raises ``BillingOff``, ``NoCustomer``, ``StripeUnavailable``.
    """
    if not queries.is_on():
        raise BillingOff
    customer = queries.find_customer()
    if customer is None or customer.customer_id is None:
        raise NoCustomer
    try:
        url = stripe_api.open_portal(customer_id=customer.customer_id, return_url=return_url)
    except stripe_api.Missing:
        refresh()
        raise NoCustomer from None
    audit.record(action="billing.portal_opened", target_type="customer", target_id=customer.customer_id)
    return url


def find_checkout(*, session_id: str) -> stripe_api.Checkout:
    """A checkout of the tenant in scope, as Stripe has it now; another's raises ``UnknownCheckout``."""
    customer = queries.find_customer()
    try:
        found = stripe_api.get_checkout(session_id)
    except stripe_api.Missing:
        raise UnknownCheckout(session_id=session_id[:80]) from None
    if customer is None or found.customer_id != customer.customer_id:
        raise UnknownCheckout(session_id=session_id[:80])
    return found


def refresh() -> None:
    """Read the subscriptions of the tenant in scope from Stripe now, for when its events do not come."""
    tenant_id = scope.current_tenant().id
    with system_scope("billing"), transaction.atomic():
        row = _locked(tenant_id)
        if row.customer_id:
            _synchronise(row, reason="asked for by the tenant")


def handle_event(*, payload: bytes, signature: str) -> Outcome:
    """Take a webhook's raw body: verify it, and bring the mirror up to what Stripe holds now.

    The event is only a hint: late, repeated and reordered ones end in the same state. Its row and its effect
    are one transaction: whatever fails leaves nothing behind, and Stripe's next attempt does it all. Raises
    ``SignatureRefused`` (do not send again), ``StripeUnavailable`` and database errors (send again).
    """
    event = stripe_api.verify(payload, signature)
    if event.type not in HANDLED or not event.customer_id:
        return "ignored"
    with request_context.act_as(_SIGNED_BY_STRIPE), system_scope("billing"), transaction.atomic():
        row = StripeCustomer.objects.select_for_update().filter(customer_id=event.customer_id).first()
        if row is None:  # a customer of something else that the same Stripe account serves
            return "ignored"
        values = {"tenant_id": row.tenant_id, "type": event.type[:80], "occurred_at": event.occurred_at}
        _, is_new = StripeEvent.objects.get_or_create(event_id=event.event_id, defaults=values)
        if not is_new:
            return "duplicate"
        _synchronise(row, reason=f"Stripe's {event.type} {event.event_id}")
    return "applied"


def _refuse_a_second_subscription() -> None:
    """Raise ``AlreadySubscribed`` when the mirror knows a running subscription, and Stripe still does."""
    if queries.find_subscription() is None:
        return
    refresh()
    if running := queries.find_subscription():
        raise AlreadySubscribed(plan=plans.get_plan(running.plan).name)


def _locked(tenant_id: uuid.UUID) -> StripeCustomer:
    """The tenant's row, made if need be, locked until the transaction ends."""
    StripeCustomer.objects.get_or_create(tenant_id=tenant_id)
    return StripeCustomer.objects.select_for_update().get(tenant_id=tenant_id)


def _checkout(
    row: StripeCustomer, plan: plans.Plan, price_id: str, *, email: str, success_url: str, cancel_url: str
) -> stripe_api.Checkout:
    """A checkout; a customer that Stripe has no more (another account, an emptied simulator) is made anew."""
    for _ in range(2):
        if row.customer_id is None:
            _open_account(row, email)
        try:
            return stripe_api.open_checkout(
                customer_id=str(row.customer_id),
                plan=plan,
                price_id=price_id,
                tenant_id=str(row.tenant_id),
                success_url=success_url,
                cancel_url=cancel_url,
            )
        except stripe_api.Missing as missing:
            if missing.param != "customer":
                raise
            row.customer_id = None
    raise NoCustomer


def _open_account(row: StripeCustomer, email: str) -> None:
    """Make the tenant's account at Stripe; a repeat after a crash of ours finds the same one for a day."""
    before = StripeCustomer.objects.values_list("customer_id", flat=True).get(tenant_id=row.tenant_id)
    name = tenants.get_tenant(tenant_id=row.tenant_id).name
    row.customer_id = stripe_api.create_customer(
        tenant_id=str(row.tenant_id),
        name=name,
        email=email,
        idempotency_key=f"almanac-customer-{row.tenant_id}-after-{before or 'none'}",
    )
    row.save(update_fields=["customer_id"])


def _synchronise(row: StripeCustomer, *, reason: str) -> None:
    """Make mirror and limits what Stripe says now. The row must be locked, or an older answer could win."""
    assert row.customer_id is not None
    found = stripe_api.list_subscriptions(row.customer_id)
    for subscription in found:
        _mirror(row, subscription)
    known = {subscription.subscription_id for subscription in found}
    gone = StripeSubscription.objects.filter(tenant_id=row.tenant_id).exclude(subscription_id__in=known)
    for mirrored in gone.exclude(status="canceled").select_for_update():
        _note_gone(mirrored)
    row.synced_at = timezone.now()
    row.save(update_fields=["synced_at"])
    _apply_plan(row.tenant_id, reason)


def _mirror(row: StripeCustomer, found: stripe_api.Subscription) -> None:
    plan = plans.find_by_product(found.product_id)
    values = {
        "customer_id": found.customer_id,
        "status": found.status,
        "plan": plan.code if plan else "",
        "price_id": found.price_id,
        "current_period_end": found.current_period_end,
        "cancel_at_period_end": found.cancel_at_period_end,
    }
    before = StripeSubscription.objects.filter(subscription_id=found.subscription_id).values(*values).first()
    if before == values:
        return
    StripeSubscription.objects.update_or_create(
        subscription_id=found.subscription_id,
        defaults=values,
        create_defaults={**values, "tenant_id": row.tenant_id, "created_at": found.created_at},
    )
    audit.record(
        action="billing.subscription_changed",
        target_type="subscription",
        target_id=found.subscription_id,
        changes={"before": _shown(before), "after": _shown(values)},
        tenant_id=row.tenant_id,
    )


def _note_gone(subscription: StripeSubscription) -> None:
    """Stripe knows it no more, so it bills nothing."""
    before, subscription.status = subscription.status, "canceled"
    subscription.save(update_fields=["status", "updated_at"])
    audit.record(
        action="billing.subscription_changed",
        target_type="subscription",
        target_id=subscription.subscription_id,
        changes={"before": {"status": before}, "after": {"status": "canceled"}},
        tenant_id=subscription.tenant_id,
    )


def _shown(values: Mapping[str, object] | None) -> dict[str, object] | None:
    """What of a subscription's values the audit log shows."""
    names = ("status", "plan", "cancel_at_period_end")
    return None if values is None else {name: values[name] for name in names}


def _apply_plan(tenant_id: uuid.UUID, reason: str) -> None:
    """Set the limits of the highest plan paid for; a tenant that never subscribed keeps what it has."""
    rows = list(StripeSubscription.objects.filter(tenant_id=tenant_id))
    if not any(row.plan for row in rows):
        return
    codes = [row.plan for row in rows if row.gives_access]
    plan = plans.get_plan(max(codes, key=lambda code: plans.RANK[code], default=plans.FREE.code))
    limits = tenants.find_limits(tenant_id=tenant_id)
    if limits is not None and limits.plan != plan.code:  # Stripe's last word may come after an erasure
        tenants_services.set_limits(tenant_id=tenant_id, limits=plan.limits, reason=reason)
