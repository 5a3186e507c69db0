"""What time alone does: renewals, cancellations at the period's end, first payments given up."""

from __future__ import annotations

from .resources import checkout_sessions, invoices, subscriptions
from .store import Resource
from .world import World

_INCOMPLETE_LIFE_SECONDS = 23 * 3_600
_MOST_PERIODS = 240


def advance(world: World) -> None:
    """Bring every subscription and checkout session up to the world's time; one transaction for each."""
    for subscription in reversed(world.store.select("subscription")):
        with world.store.transaction():
            _catch_up(world, subscription["id"])
    for session in world.store.select("checkout.session", status="open"):
        with world.store.transaction():
            checkout_sessions.current(world, session["id"])


def _catch_up(world: World, subscription_id: str) -> None:
    for _ in range(_MOST_PERIODS):
        if not _step(world, world.get("subscription", subscription_id)):
            return


def _step(world: World, subscription: Resource) -> bool:
    """Do the next thing that is due; the answer is whether there was one."""
    if subscription["status"] in ("canceled", "incomplete_expired"):
        return False
    if subscription["status"] == "incomplete":
        return _give_up(world, subscription)
    if subscriptions.period_end(subscription) > world.now():
        return False
    if subscription["cancel_at_period_end"]:
        subscriptions.end(world, subscription, reason="cancellation_requested")
    else:
        subscriptions.renew(world, subscription)
    return True


def _give_up(world: World, subscription: Resource) -> bool:
    if subscription["created"] + _INCOMPLETE_LIFE_SECONDS > world.now():
        return False
    after = {**subscription, "status": "incomplete_expired", "ended_at": world.now()}
    world.replace("customer.subscription.updated", subscription, after)
    for invoice in world.store.select("invoice", customer=subscription["customer"], status="open"):
        if invoices.subscription_of(invoice) == subscription["id"]:
            invoices.mark_void(world, invoice)
    return True
