"""/v1/subscriptions: opening, changing, renewing and ending them."""

from __future__ import annotations

from typing import Any

from deploy.stripe_sim.errors import CardDeclined, InvalidRequest
from deploy.stripe_sim.ids import new_id
from deploy.stripe_sim.params import Params, boolean, integer, merged_metadata, required, sequence
from deploy.stripe_sim.periods import end_of_period
from deploy.stripe_sim.routing import Call, Route, listing, page
from deploy.stripe_sim.shapes import nulls
from deploy.stripe_sim.store import Resource
from deploy.stripe_sim.world import World

from . import invoices, items

_DAY_SECONDS = 86_400
_ENDED = ("canceled", "incomplete_expired")
_CHANGES = (
    "items",
    "metadata",
    "cancel_at_period_end",
    "proration_behavior",
    "default_payment_method",
    "description",
)


def create(world: World, call: Call) -> Resource:
    """Open a subscription and charge its first invoice."""
    params = call.params
    customer = world.get("customer", required(params, "customer"), "customer")
    if customer.get("deleted"):
        raise InvalidRequest(
            f"No such customer: '{customer['id']}'", code="resource_missing", param="customer"
        )
    opened = start(
        world,
        customer["id"],
        sequence(params, "items") or required(params, "items"),
        metadata=merged_metadata({}, params),
        trial_days=integer(params, "trial_period_days", 0) or 0,
        card=params.get("default_payment_method"),
    )
    if opened["status"] == "incomplete" and params.get("payment_behavior") == "error_if_incomplete":
        raise CardDeclined
    if not boolean(params, "cancel_at_period_end", False):
        return opened
    return _set_cancellation(world, opened, True)


def start(
    world: World,
    customer_id: str,
    wanted: list[Params],
    *,
    metadata: dict[str, str],
    trial_days: int = 0,
    card: str | None = None,
) -> Resource:
    """Open the subscription; `incomplete` when the first charge was refused, `trialing` during a trial."""
    now = world.now()
    subscription = _blank(world, customer_id)
    trial_end = now + trial_days * _DAY_SECONDS if trial_days else None
    made = [items.make(world, subscription["id"], entry) for entry in wanted]
    interval, count = items.shared_interval(made)
    end = trial_end or end_of_period(now, now, interval, count)
    made = [items.in_period(item, now, end) for item in made]
    subscription |= {
        "items": listing(made, f"/v1/subscription_items?subscription={subscription['id']}"),
        "billing_cycle_anchor": trial_end or now,
        "currency": made[0]["price"]["currency"],
        "default_payment_method": card or None,
        "metadata": metadata,
        "status": "trialing" if trial_end else "incomplete",
        "trial_end": trial_end,
        "trial_start": now if trial_end else None,
    }
    world.store.put(subscription)
    world.emit("customer.subscription.created", subscription)
    lines = [] if trial_end else [invoices.item_line(world, subscription, item) for item in made]
    invoices.bill(world, subscription, reason="subscription_create", lines=lines)
    return world.get("subscription", subscription["id"])


def retrieve(world: World, call: Call) -> Resource:
    """One subscription, also an ended one."""
    return world.get("subscription", call.ids["subscription"])


def list_all(world: World, call: Call) -> Resource:
    """Newest first; without a status, the canceled ones are left out, with `all` they are not."""
    equal = {"customer": call.params["customer"]} if "customer" in call.params else {}
    found = world.store.select("subscription", **equal)
    status = call.params.get("status")
    if status is None:
        found = [item for item in found if item["status"] != "canceled"]
    elif status == "ended":
        found = [item for item in found if item["status"] in _ENDED]
    elif status != "all":
        found = [item for item in found if item["status"] == status]
    if "price" in call.params:
        found = [item for item in found if _has_price(item, call.params["price"])]
    return page(call, found)


def update(world: World, call: Call) -> Resource:
    """Change items, metadata, card or the cancellation at the period's end."""
    return change(world, world.get("subscription", call.ids["subscription"]), call.params)


def change(world: World, before: Resource, params: Params) -> Resource:
    """Apply the parameters of an update to the subscription; refuses one that has ended."""
    if before["status"] in _ENDED:
        raise InvalidRequest(f"No such subscription: '{before['id']}'", code="resource_missing", param="id")
    after = {**before, "metadata": merged_metadata(before["metadata"], params)}
    for name in ("default_payment_method", "description"):
        after[name] = params.get(name, before[name]) or None
    owed = _change_items(world, after, params)
    after = world.replace("customer.subscription.updated", before, after)
    if "cancel_at_period_end" in params:
        after = _set_cancellation(world, after, boolean(params, "cancel_at_period_end", False))
    if owed:
        invoices.bill(world, after, reason="subscription_update", lines=owed)
    return world.get("subscription", before["id"])


def cancel(world: World, call: Call) -> Resource:
    """End the subscription at once."""
    subscription = world.get("subscription", call.ids["subscription"])
    if subscription["status"] in _ENDED:
        raise InvalidRequest(
            f"No such subscription: '{subscription['id']}'", code="resource_missing", param="id"
        )
    return end(world, subscription, reason="cancellation_requested")


def end(world: World, subscription: Resource, *, reason: str) -> Resource:
    """The subscription is over now; `reason` goes into its cancellation details."""
    now = world.now()
    after = {
        **subscription,
        "status": "canceled",
        "canceled_at": subscription["canceled_at"] or now,
        "ended_at": now,
        "cancellation_details": {**subscription["cancellation_details"], "reason": reason},
    }
    world.store.put(after)
    world.emit("customer.subscription.deleted", after)
    return after


def renew(world: World, before: Resource) -> Resource:
    """Start the next period and charge for it; a refused card leaves the subscription `past_due`."""
    made = before["items"]["data"]
    interval, count = items.shared_interval(made)
    begin = made[0]["current_period_end"]
    finish = end_of_period(before["billing_cycle_anchor"], begin, interval, count)
    rolled = [items.in_period(item, begin, finish) for item in made]
    status = "active" if before["status"] == "trialing" else before["status"]
    after = {**before, "status": status, "items": {**before["items"], "data": rolled}}
    after = world.replace("customer.subscription.updated", before, after)
    pending = invoices.release(world, before["id"])
    lines = [*pending, *(invoices.item_line(world, after, item) for item in rolled)]
    invoices.bill(world, after, reason="subscription_cycle", lines=lines)
    return world.get("subscription", before["id"])


def period_end(subscription: Resource) -> int:
    """When the running period ends, Unix seconds."""
    return int(subscription["items"]["data"][0]["current_period_end"])


def _change_items(world: World, after: Resource, params: Params) -> list[Resource]:
    """Put the wanted items into `after`; the answer is what must be invoiced at once."""
    wanted = sequence(params, "items")
    if not wanted:
        return []
    behavior = params.get("proration_behavior", "create_prorations")
    if behavior not in ("create_prorations", "always_invoice", "none"):
        raise InvalidRequest(f"Invalid proration_behavior: {behavior}", param="proration_behavior")
    revised, lines, restarted = items.revise(world, after, wanted)
    after["items"] = {**after["items"], "data": revised}
    if restarted:
        after["billing_cycle_anchor"] = world.now()
    if behavior == "none":
        lines = [entry for entry in lines if not invoices.is_proration(entry)]
    if restarted or (lines and behavior == "always_invoice"):
        return [*invoices.release(world, after["id"]), *lines]
    invoices.hold(world, after["id"], lines)
    return []


def _set_cancellation(world: World, before: Resource, at_period_end: bool) -> Resource:
    after = {
        **before,
        "cancel_at_period_end": at_period_end,
        "cancel_at": period_end(before) if at_period_end else None,
        "canceled_at": world.now() if at_period_end else None,
    }
    return world.replace("customer.subscription.updated", before, after)


def _has_price(subscription: Resource, price_id: str) -> bool:
    return any(item["price"]["id"] == price_id for item in subscription["items"]["data"])


def _blank(world: World, customer_id: str) -> dict[str, Any]:
    now = world.now()
    nothing = nulls(
        "application application_fee_percent billing_cycle_anchor_config billing_thresholds cancel_at "
        "canceled_at customer_account days_until_due default_payment_method default_source description "
        "ended_at latest_invoice next_pending_invoice_item_invoice on_behalf_of pause_collection "
        "pending_invoice_item_interval pending_setup_intent pending_update schedule test_clock "
        "transfer_data trial_end trial_start"
    )
    return {
        "id": new_id("sub"),
        "object": "subscription",
        **nothing,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": now,
        "billing_mode": {"type": "classic", "flexible": None},
        "billing_schedules": [],
        "cancel_at_period_end": False,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": now,
        "customer": customer_id,
        "default_tax_rates": [],
        "discounts": [],
        "invoice_settings": {
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": {"type": "self"},
        },
        "livemode": False,
        "metadata": {},
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "start_date": now,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
    }


ROUTES = (
    Route(
        "POST",
        "/v1/subscriptions",
        create,
        (*_CHANGES, "customer", "trial_period_days", "payment_behavior"),
    ),
    Route("GET", "/v1/subscriptions", list_all, ("customer", "status", "price")),
    Route("GET", "/v1/subscriptions/{subscription}", retrieve),
    Route("POST", "/v1/subscriptions/{subscription}", update, _CHANGES),
    Route("DELETE", "/v1/subscriptions/{subscription}", cancel),
)
