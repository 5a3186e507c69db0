"""Reads of the mirror, inside the tenant's scope."""

from __future__ import annotations

from django.conf import settings

from apps.billing import plans, stripe_api
from apps.billing.models import StripeCustomer, StripeSubscription
from apps.core import scope
from tenants import queries as tenants
from tenants.models import TenantLimits


def is_on() -> bool:
    """Whether plans can be bought here."""
    return stripe_api.is_on()


def is_simulated() -> bool:
    """Whether it is the simulator that answers, so that nobody pays anything."""
    return bool(settings.STRIPE_SIMULATED)


def get_limits() -> TenantLimits:
    """What the tenant may use now."""
    return tenants.get_limits(tenant_id=scope.current_tenant().id)


def find_customer() -> StripeCustomer | None:
    """The tenant's account at Stripe, if it was ever opened there."""
    tenant_id = scope.current_tenant().id
    return StripeCustomer.objects.filter(tenant_id=tenant_id, customer_id__isnull=False).first()


def find_subscription() -> StripeSubscription | None:
    """The subscription that gives the tenant its plan: the highest that gives access, or None."""
    found = StripeSubscription.objects.filter(
        tenant_id=scope.current_tenant().id, status__in=StripeSubscription.ACCESS
    ).exclude(plan="")
    return max(found, key=lambda row: plans.RANK.get(row.plan, 0), default=None)
