"""/v1/customers."""

from __future__ import annotations

from typing import Any

from deploy.stripe_sim.ids import new_id
from deploy.stripe_sim.params import Params, mapping, merged_metadata
from deploy.stripe_sim.routing import Call, Route, page
from deploy.stripe_sim.store import Resource
from deploy.stripe_sim.world import World

from . import subscriptions

_FIELDS = ("email", "name", "phone", "description", "tax_exempt", "metadata", "address", "invoice_settings")
_TEXTS = ("email", "name", "phone", "description", "tax_exempt")


def create(world: World, call: Call) -> Resource:
    """A new customer without a card."""
    customer = _changed(_blank(world), call.params)
    world.store.put(customer)
    world.emit("customer.created", customer)
    return customer


def retrieve(world: World, call: Call) -> Resource:
    """One customer; a deleted one answers with `deleted: true`."""
    return world.get("customer", call.ids["customer"])


def update(world: World, call: Call) -> Resource:
    """Change the fields given."""
    before = world.get("customer", call.ids["customer"])
    return world.replace("customer.updated", before, _changed(dict(before), call.params))


def delete(world: World, call: Call) -> Resource:
    """Delete the customer and cancel what it subscribed to at once."""
    customer = world.get("customer", call.ids["customer"])
    for subscription in world.store.select("subscription", customer=customer["id"]):
        if subscription["status"] != "canceled":
            subscriptions.end(world, subscription, reason="cancellation_requested")
    world.emit("customer.deleted", customer)
    return world.store.put({"id": customer["id"], "object": "customer", "deleted": True})


def list_all(world: World, call: Call) -> Resource:
    """Newest first, optionally those with one e-mail address."""
    wanted = {"email": call.params["email"]} if "email" in call.params else {}
    found = [item for item in world.store.select("customer", **wanted) if not item.get("deleted")]
    return page(call, found)


def set_payment_method(world: World, customer_id: str, payment_method: str) -> None:
    """What later invoices of the customer are charged to."""
    before = world.get("customer", customer_id)
    settings = {**before["invoice_settings"], "default_payment_method": payment_method}
    world.replace("customer.updated", before, {**before, "invoice_settings": settings})


def _changed(customer: Resource, params: Params) -> Resource:
    for name in _TEXTS:
        if name in params:
            customer[name] = params[name] or None
    if "address" in params:
        customer["address"] = mapping(params, "address") or None
    customer["metadata"] = merged_metadata(customer["metadata"], params)
    card = mapping(params, "invoice_settings").get("default_payment_method")
    if card is not None:
        customer["invoice_settings"] = {
            **customer["invoice_settings"],
            "default_payment_method": card or None,
        }
    return customer


def _blank(world: World) -> dict[str, Any]:
    customer_id = new_id("cus")
    return {
        "id": customer_id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": world.now(),
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": customer_id[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


ROUTES = (
    Route("POST", "/v1/customers", create, _FIELDS),
    Route("GET", "/v1/customers", list_all, ("email",)),
    Route("GET", "/v1/customers/{customer}", retrieve),
    Route("POST", "/v1/customers/{customer}", update, _FIELDS),
    Route("DELETE", "/v1/customers/{customer}", delete),
)
