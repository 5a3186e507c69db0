"""What ends at Stripe when a tenant is erased: nobody may be billed for what is gone."""

from __future__ import annotations

from apps.billing import stripe_api
from apps.billing.models import StripeCustomer
from apps.core.tenancy import TenantKey
from tenants.context import system_scope


def end_subscriptions(key: TenantKey) -> None:
    """Cancel at once whatever of the tenant's still bills. Its invoices stay at Stripe, as the books must."""
    for subscription in _running(key):
        stripe_api.cancel_subscription(subscription.subscription_id)


def list_running(key: TenantKey) -> list[str]:
    """The tenant's subscriptions that have not ended; none where billing is off, as there is nobody to ask."""
    return [
        f"subscription {subscription.subscription_id} is {subscription.status}"
        for subscription in _running(key)
    ]


def _running(key: TenantKey) -> list[stripe_api.Subscription]:
    if not stripe_api.is_on():
        return []
    with system_scope("billing"):
        customer = StripeCustomer.objects.filter(tenant_id=key.id, customer_id__isnull=False).first()
    if customer is None or customer.customer_id is None:
        return []
    return [found for found in stripe_api.list_subscriptions(customer.customer_id) if not found.has_ended]
