"""Which of Stripe's events we listen to: each is a hint to read the customer's subscriptions again.

Listening to one more is a line here (and, with a real account, a tick at its webhook endpoint).
"""

from __future__ import annotations

from typing import Final

HANDLED: Final = frozenset(
    {
        "checkout.session.completed",
        "customer.deleted",
        "customer.subscription.created",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "customer.subscription.updated",
        "invoice.paid",
        "invoice.payment_failed",
        "invoice.voided",
    }
)
