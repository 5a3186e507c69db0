"""Subscription items: what is subscribed to, for which period, and what a change in mid-period costs."""

from __future__ import annotations

from fractions import Fraction

from deploy.stripe_sim.errors import InvalidRequest, NotFound
from deploy.stripe_sim.ids import new_id
from deploy.stripe_sim.params import Params, boolean, integer, merged_metadata, required
from deploy.stripe_sim.periods import end_of_period
from deploy.stripe_sim.store import Resource
from deploy.stripe_sim.world import World

from . import invoices


def make(world: World, subscription_id: str, entry: Params) -> Resource:
    """A new item from `{price, quantity}`; its period is set by the caller."""
    price = _recurring_price(world, required(entry, "price"))
    item: Resource = {
        "id": new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": world.now(),
        "current_period_end": world.now(),
        "current_period_start": world.now(),
        "discounts": [],
        "metadata": merged_metadata({}, entry),
        "subscription": subscription_id,
        "tax_rates": [],
    }
    return _priced(item, price, _quantity(entry, 1))


def in_period(item: Resource, start: int, end: int) -> Resource:
    """The item with its running period, Unix seconds."""
    return {**item, "current_period_start": start, "current_period_end": end}


def shared_interval(items: list[Resource]) -> tuple[str, int]:
    """The interval that all items have in common, as (`month`, 1)."""
    found = {
        (item["price"]["recurring"]["interval"], item["price"]["recurring"]["interval_count"])
        for item in items
    }
    if len(found) != 1:
        raise InvalidRequest("A subscription needs items, all with the same interval.", param="items")
    interval: tuple[str, int] = found.pop()
    return interval


def revise(
    world: World, subscription: Resource, wanted: list[Params]
) -> tuple[list[Resource], list[Resource], bool]:
    """The items after the change, the invoice lines it causes, and whether a new period starts now.

    As with Stripe, an entry without an `id` adds an item beside the others.
    """
    current: dict[str, Resource] = {item["id"]: item for item in subscription["items"]["data"]}
    revised = dict(current)
    for entry in wanted:
        _apply(world, subscription, revised, entry)
    kept = list(revised.values())
    restarted = shared_interval(kept) != shared_interval(list(current.values()))
    if restarted:
        kept = _restarted(world, kept)
    if subscription["status"] == "trialing":
        return kept, [], restarted
    after = {item["id"]: item for item in kept}
    lines = _credits(world, subscription, current, after, everything=restarted)
    return kept, lines + _charges(world, subscription, current, after, everything=restarted), restarted


def _apply(world: World, subscription: Resource, items: dict[str, Resource], entry: Params) -> None:
    item_id = entry.get("id")
    if item_id is None:
        first = subscription["items"]["data"][0]
        added = make(world, subscription["id"], entry)
        items[added["id"]] = in_period(added, first["current_period_start"], first["current_period_end"])
        return
    if item_id not in items:
        raise NotFound("subscription_item", item_id, "items")
    if boolean(entry, "deleted", False):
        del items[item_id]
        return
    item = items[item_id]
    price = _recurring_price(world, entry["price"]) if entry.get("price") else item["price"]
    items[item_id] = _priced(item, price, _quantity(entry, item["quantity"]))


def _restarted(world: World, items: list[Resource]) -> list[Resource]:
    now = world.now()
    interval, count = shared_interval(items)
    end = end_of_period(now, now, interval, count)
    return [in_period(item, now, end) for item in items]


def _credits(
    world: World,
    subscription: Resource,
    before: dict[str, Resource],
    after: dict[str, Resource],
    *,
    everything: bool,
) -> list[Resource]:
    gone = [item for item in before.values() if everything or _costs(item) != _costs(after.get(item["id"]))]
    return [_share(world, subscription, item, credit=True) for item in gone]


def _charges(
    world: World,
    subscription: Resource,
    before: dict[str, Resource],
    after: dict[str, Resource],
    *,
    everything: bool,
) -> list[Resource]:
    if everything:
        return [invoices.item_line(world, subscription, item) for item in after.values()]
    new = [item for item in after.values() if _costs(item) != _costs(before.get(item["id"]))]
    return [_share(world, subscription, item, credit=False) for item in new]


def _share(world: World, subscription: Resource, item: Resource, *, credit: bool) -> Resource:
    """The line for what is left of the running period, rounded to whole minor units."""
    now, start, end = world.now(), item["current_period_start"], item["current_period_end"]
    left = Fraction(max(end - now, 0), max(end - start, 1))
    amount = round(item["price"]["unit_amount"] * item["quantity"] * left)
    name = world.get("product", item["price"]["product"])["name"]
    text = f"{'Unused' if credit else 'Remaining'} time on {item['quantity']} × {name}"
    period = {"start": now, "end": end}
    return invoices.line(
        subscription, item, amount=-amount if credit else amount, period=period, text=text, proration=True
    )


def _costs(item: Resource | None) -> tuple[str, int] | None:
    return (item["price"]["id"], item["quantity"]) if item else None


def _quantity(entry: Params, default: int) -> int:
    quantity = integer(entry, "quantity", default)
    if quantity is None or quantity < 0:
        raise InvalidRequest("Invalid non-negative integer", param="quantity")
    return quantity


def _recurring_price(world: World, price_id: str) -> Resource:
    price = world.get("price", price_id, "price")
    if price["recurring"] is None:
        raise InvalidRequest("The price must be recurring to be subscribed to.", param="price")
    if not price["active"]:
        raise InvalidRequest("The price specified is inactive.", param="price")
    return price


def _priced(item: Resource, price: Resource, quantity: int) -> Resource:
    plan = {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": price["recurring"]["interval"],
        "interval_count": price["recurring"]["interval_count"],
        "livemode": False,
        "metadata": price["metadata"],
        "meter": None,
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": price["recurring"]["usage_type"],
    }
    return {**item, "price": price, "plan": plan, "quantity": quantity}
