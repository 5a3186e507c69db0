"""/v1/subscription_items."""

from __future__ import annotations

from deploy.stripe_sim.errors import NotFound
from deploy.stripe_sim.params import required
from deploy.stripe_sim.routing import Call, Route, page
from deploy.stripe_sim.store import Resource
from deploy.stripe_sim.world import World

from . import subscriptions

_CHANGES = ("price", "quantity", "proration_behavior")


def list_all(world: World, call: Call) -> Resource:
    """The items of one subscription."""
    subscription = world.get("subscription", required(call.params, "subscription"), "subscription")
    return page(call, list(subscription["items"]["data"]))


def retrieve(world: World, call: Call) -> Resource:
    """One item."""
    return _locate(world, call.ids["item"])[1]


def update(world: World, call: Call) -> Resource:
    """Change the item's price or quantity."""
    subscription, item = _locate(world, call.ids["item"])
    entry = {name: value for name, value in call.params.items() if name in ("price", "quantity")}
    params = {"items": [{"id": item["id"], **entry}]}
    if "proration_behavior" in call.params:
        params["proration_behavior"] = call.params["proration_behavior"]
    subscriptions.change(world, subscription, params)
    return _locate(world, item["id"])[1]


def _locate(world: World, item_id: str) -> tuple[Resource, Resource]:
    for subscription in world.store.select("subscription"):
        for item in subscription["items"]["data"]:
            if item["id"] == item_id:
                return subscription, item
    raise NotFound("subscription_item", item_id)


ROUTES = (
    Route("GET", "/v1/subscription_items", list_all, ("subscription",)),
    Route("GET", "/v1/subscription_items/{item}", retrieve),
    Route("POST", "/v1/subscription_items/{item}", update, _CHANGES),
)
