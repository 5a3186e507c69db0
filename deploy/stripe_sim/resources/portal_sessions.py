"""/v1/billing_portal/sessions: a hosted page on which a customer changes or cancels what it pays for."""

from __future__ import annotations

from deploy.stripe_sim.errors import InvalidRequest
from deploy.stripe_sim.ids import new_id
from deploy.stripe_sim.params import required
from deploy.stripe_sim.routing import Call, Route
from deploy.stripe_sim.store import Resource
from deploy.stripe_sim.world import World

from .checkout_sessions import web_address

LIFE_SECONDS = 3_600
_CONFIGURATION = "bpc_1AlmanacSimulatorDefault1"


def create(world: World, call: Call) -> Resource:
    """A short-lived address of the portal for one customer."""
    customer = world.get("customer", required(call.params, "customer"), "customer")
    if customer.get("deleted"):
        raise InvalidRequest("The customer was deleted.", code="resource_missing", param="customer")
    back = call.params.get("return_url")
    session_id = new_id("bps")
    return world.store.put(
        {
            "id": session_id,
            "object": "billing_portal.session",
            "configuration": _CONFIGURATION,
            "created": world.now(),
            "customer": customer["id"],
            "customer_account": None,
            "flow": None,
            "livemode": False,
            "locale": call.params.get("locale"),
            "on_behalf_of": None,
            "return_url": web_address(back, "return_url") if back else None,
            "url": f"{world.origin}/p/session/{session_id}",
        }
    )


def is_over(world: World, session: Resource) -> bool:
    """Whether the session's hour is up."""
    return bool(session["created"] + LIFE_SECONDS <= world.now())


ROUTES = (Route("POST", "/v1/billing_portal/sessions", create, ("customer", "return_url", "locale")),)
