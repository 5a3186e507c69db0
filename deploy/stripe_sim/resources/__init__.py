"""The simulated resources: a new one is a file with `ROUTES` and a line here."""

from . import (
    checkout_sessions,
    customers,
    events,
    invoices,
    portal_sessions,
    prices,
    products,
    subscription_items,
    subscriptions,
)

ROUTES = (
    *customers.ROUTES,
    *products.ROUTES,
    *prices.ROUTES,
    *checkout_sessions.ROUTES,
    *subscriptions.ROUTES,
    *subscription_items.ROUTES,
    *invoices.ROUTES,
    *portal_sessions.ROUTES,
    *events.ROUTES,
)
