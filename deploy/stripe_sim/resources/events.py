"""/v1/events: what happened in the account."""

from __future__ import annotations

from deploy.stripe_sim.params import Params, integer, mapping, sequence
from deploy.stripe_sim.routing import Call, Route, page
from deploy.stripe_sim.store import Resource
from deploy.stripe_sim.world import World


def retrieve(world: World, call: Call) -> Resource:
    """One event."""
    return world.get("event", call.ids["event"])


def list_all(world: World, call: Call) -> Resource:
    """Newest first; narrowed by type, types, creation time and whether the webhook took them."""
    params = call.params
    equal = {"type": params["type"]} if "type" in params else {}
    found = world.store.select("event", **equal)
    if types := sequence(params, "types"):
        found = [item for item in found if item["type"] in types]
    if "delivery_success" in params:
        delivered = params["delivery_success"] == "true"
        found = [item for item in found if (item["pending_webhooks"] == 0) == delivered]
    return page(call, [item for item in found if _within(item["created"], params)])


def _within(created: int, params: Params) -> bool:
    bounds = mapping(params, "created")
    low = max((integer(bounds, "gte", 0) or 0), (integer(bounds, "gt", -1) or 0) + 1)
    below, until = integer(bounds, "lt"), integer(bounds, "lte")
    return created >= low and (below is None or created < below) and (until is None or created <= until)


ROUTES = (
    Route("GET", "/v1/events", list_all, ("type", "types", "created", "delivery_success")),
    Route("GET", "/v1/events/{event}", retrieve),
)
