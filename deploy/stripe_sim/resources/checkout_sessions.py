"""/v1/checkout/sessions: a hosted page on which a customer subscribes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from deploy.stripe_sim.errors import CardDeclined, InvalidRequest, missing
from deploy.stripe_sim.ids import new_id
from deploy.stripe_sim.params import Params, integer, mapping, merged_metadata, required, sequence
from deploy.stripe_sim.routing import Call, Route, page
from deploy.stripe_sim.shapes import nulls
from deploy.stripe_sim.store import Resource
from deploy.stripe_sim.world import World

from . import customers, invoices, subscriptions

_LIFE_SECONDS = 86_400
_FIELDS = (
    "mode",
    "customer",
    "customer_email",
    "line_items",
    "success_url",
    "cancel_url",
    "client_reference_id",
    "metadata",
    "subscription_data",
    "expires_at",
    "locale",
    "allow_promotion_codes",
    "billing_address_collection",
)


def create(world: World, call: Call) -> Resource:
    """Open a session; `mode` must be `subscription`, the only one simulated."""
    params = call.params
    if required(params, "mode") != "subscription":
        raise InvalidRequest("The simulator knows mode 'subscription' only.", param="mode")
    customer = _customer(world, params)
    wanted = [_line_item(world, entry) for entry in sequence(params, "line_items")]
    if not wanted:
        raise missing("line_items")
    session = _blank(world, wanted, customer)
    session |= {
        "success_url": web_address(required(params, "success_url"), "success_url"),
        "cancel_url": web_address(params["cancel_url"], "cancel_url") if params.get("cancel_url") else None,
        "client_reference_id": params.get("client_reference_id"),
        "customer_email": params.get("customer_email"),
        "metadata": merged_metadata({}, params),
        "expires_at": integer(params, "expires_at", world.now() + _LIFE_SECONDS),
        "locale": params.get("locale"),
    }
    world.store.put(session)
    _remember_order(world, session["id"], wanted, mapping(params, "subscription_data"))
    return session


def retrieve(world: World, call: Call) -> Resource:
    """One session."""
    return current(world, call.ids["session"])


def list_all(world: World, call: Call) -> Resource:
    """Newest first; narrowed by customer, subscription or status."""
    equal = {
        name: call.params[name] for name in ("customer", "subscription", "status") if name in call.params
    }
    return page(call, world.store.select("checkout.session", **equal))


def list_line_items(world: World, call: Call) -> Resource:
    """What the session sells."""
    session = current(world, call.ids["session"])
    return page(call, [_shown_line(world, entry) for entry in order(world, session["id"])["items"]])


def expire(world: World, call: Call) -> Resource:
    """Close an open session; nobody can pay on it any more."""
    session = current(world, call.ids["session"])
    if session["status"] != "open":
        raise InvalidRequest(f"Only an open session can be expired; this one is {session['status']}.")
    return _expired(world, session)


def current(world: World, session_id: str) -> Resource:
    """The session as of now: an open one whose time is over is expired first."""
    session = world.get("checkout.session", session_id)
    if session["status"] == "open" and session["expires_at"] <= world.now():
        return _expired(world, session)
    return session


def order(world: World, session_id: str) -> Resource:
    """What was ordered: `items` as [{price, quantity}] and `subscription_data`."""
    return world.get("simulator.order", f"order_{session_id}")


def complete(world: World, session: Resource, card: str) -> Resource:
    """The customer pays with the card: a subscription and its invoice come to be; may raise CardDeclined."""
    customer_id = session["customer"] or _new_customer(world, session)
    customers.set_payment_method(world, customer_id, card)
    ordered = order(world, session["id"])
    details = ordered["subscription_data"]
    opened = subscriptions.start(
        world,
        customer_id,
        ordered["items"],
        metadata=merged_metadata({}, details),
        trial_days=integer(details, "trial_period_days", 0) or 0,
        card=card,
    )
    if opened["status"] == "incomplete" or card == invoices.DECLINING_CARD:
        raise CardDeclined
    after = {
        **session,
        "status": "complete",
        "payment_status": "paid" if opened["status"] == "active" else "no_payment_required",
        "customer": customer_id,
        "subscription": opened["id"],
        "invoice": opened["latest_invoice"],
        "url": None,
    }
    world.store.put(after)
    world.emit("checkout.session.completed", after)
    return after


def web_address(value: str, param: str) -> str:
    """The URL when a browser may be sent there; raises otherwise."""
    parts = urlsplit(str(value))
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InvalidRequest("Not a valid URL", code="url_invalid", param=param)
    return str(value)


def _customer(world: World, params: Params) -> Resource | None:
    if not params.get("customer"):
        return None
    customer = world.get("customer", params["customer"], "customer")
    if customer.get("deleted"):
        raise InvalidRequest("The customer was deleted.", code="resource_missing", param="customer")
    return customer


def _new_customer(world: World, session: Resource) -> str:
    made = customers.create(world, Call({"email": session["customer_email"] or ""}, {}, "/v1/customers"))
    return str(made["id"])


def _line_item(world: World, entry: Any) -> Params:
    if not isinstance(entry, dict):
        raise InvalidRequest("Invalid object", param="line_items")
    price = world.get("price", required(entry, "price"), "line_items")
    if price["recurring"] is None:
        raise InvalidRequest(
            "You must provide at least one recurring price in `subscription` mode.", param="line_items"
        )
    quantity = integer(entry, "quantity", 1)
    return {"price": price["id"], "quantity": str(quantity), "amount": price["unit_amount"] * (quantity or 0)}


def _remember_order(world: World, session_id: str, wanted: list[Params], subscription_data: Params) -> None:
    kept = {"items": wanted, "subscription_data": subscription_data}
    world.store.put({"id": f"order_{session_id}", "object": "simulator.order", **kept})


def _shown_line(world: World, entry: Params) -> Resource:
    price = world.get("price", entry["price"])
    return {
        "id": f"li_{price['id'][6:]}",
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": entry["amount"],
        "amount_tax": 0,
        "amount_total": entry["amount"],
        "currency": price["currency"],
        "description": world.get("product", price["product"])["name"],
        "metadata": {},
        "price": price,
        "quantity": int(entry["quantity"]),
    }


def _expired(world: World, session: Resource) -> Resource:
    after = world.store.put({**session, "status": "expired", "url": None})
    world.emit("checkout.session.expired", after)
    return after


def _blank(world: World, wanted: list[Params], customer: Resource | None) -> dict[str, Any]:
    session_id = new_id("cs")
    total = sum(entry["amount"] for entry in wanted)
    nothing = nulls(
        "adaptive_pricing after_expiration allow_promotion_codes billing_address_collection client_secret "
        "collected_information consent consent_collection currency_conversion customer_account "
        "customer_creation discounts integration_identifier invoice invoice_creation managed_payments "
        "origin_context payment_intent payment_link payment_method_configuration_details permissions "
        "recovered_from redirect_on_completion saved_payment_method_options setup_intent "
        "shipping_address_collection shipping_cost submit_type subscription wallet_options"
    )
    return {
        "id": session_id,
        "object": "checkout.session",
        **nothing,
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "created": world.now(),
        "currency": world.get("price", wanted[0]["price"])["currency"],
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer": customer["id"] if customer else None,
        "customer_details": None,
        "livemode": False,
        "mode": "subscription",
        "payment_method_collection": "always",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "phone_number_collection": {"enabled": False},
        "shipping_options": [],
        "status": "open",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"{world.origin}/c/pay/{session_id}",
    }


ROUTES = (
    Route("POST", "/v1/checkout/sessions", create, _FIELDS),
    Route("GET", "/v1/checkout/sessions", list_all, ("customer", "subscription", "status")),
    Route("GET", "/v1/checkout/sessions/{session}", retrieve),
    Route("GET", "/v1/checkout/sessions/{session}/line_items", list_line_items),
    Route("POST", "/v1/checkout/sessions/{session}/expire", expire),
)
