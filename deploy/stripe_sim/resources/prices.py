"""/v1/prices: an amount for a product, found by its lookup key."""

from __future__ import annotations

import re
from typing import Any

from deploy.stripe_sim.errors import InvalidRequest, missing
from deploy.stripe_sim.ids import new_id
from deploy.stripe_sim.params import Params, boolean, integer, mapping, merged_metadata, required, sequence
from deploy.stripe_sim.routing import Call, Route, page
from deploy.stripe_sim.store import Resource
from deploy.stripe_sim.world import World

from . import products

_INTERVALS = ("day", "week", "month", "year")
_UPDATES = ("active", "lookup_key", "transfer_lookup_key", "nickname", "metadata", "tax_behavior")


def create(world: World, call: Call) -> Resource:
    """A new price; its amount and interval never change afterwards."""
    params = call.params
    amount = integer(params, "unit_amount")
    if amount is None:
        raise missing("unit_amount")
    if amount < 0:
        raise InvalidRequest("Invalid non-negative integer", param="unit_amount")
    currency = _currency(params)
    recurring = _recurring(params)
    lookup_key = _claim_lookup_key(world, params, owner=None)
    price = {
        **_blank(world, currency, amount, recurring),
        "product": _product(world, params),
        "lookup_key": lookup_key,
        "nickname": params.get("nickname") or None,
        "metadata": merged_metadata({}, params),
        "active": boolean(params, "active", True),
        "tax_behavior": params.get("tax_behavior", "unspecified"),
    }
    world.store.put(price)
    world.emit("price.created", price)
    return price


def retrieve(world: World, call: Call) -> Resource:
    """One price."""
    return world.get("price", call.ids["price"])


def update(world: World, call: Call) -> Resource:
    """Retire or rename a price, or hand it a lookup key."""
    before = world.get("price", call.ids["price"])
    after = dict(before)
    after["active"] = boolean(call.params, "active", before["active"])
    after["metadata"] = merged_metadata(before["metadata"], call.params)
    for name in ("nickname", "tax_behavior"):
        after[name] = call.params.get(name, before[name]) or None
    if "lookup_key" in call.params:
        after["lookup_key"] = _claim_lookup_key(world, call.params, owner=before["id"])
    return world.replace("price.updated", before, after)


def list_all(world: World, call: Call) -> Resource:
    """Newest first; narrowed by lookup keys, product, currency, type and whether it is active."""
    equal = {name: call.params[name] for name in ("product", "currency", "type") if name in call.params}
    found = world.store.select("price", **equal)
    if keys := sequence(call.params, "lookup_keys"):
        found = [item for item in found if item["lookup_key"] in keys]
    if "active" in call.params:
        active = boolean(call.params, "active", True)
        found = [item for item in found if item["active"] == active]
    return page(call, found)


def _currency(params: Params) -> str:
    currency = str(required(params, "currency")).lower()
    if re.fullmatch(r"[a-z]{3}", currency) is None:
        raise InvalidRequest(f"Invalid currency: {currency}", param="currency")
    return currency


def _recurring(params: Params) -> dict[str, Any] | None:
    wanted = mapping(params, "recurring")
    if not wanted:
        return None
    interval = wanted.get("interval")
    if interval not in _INTERVALS:
        raise InvalidRequest(
            f"Invalid recurring[interval]: must be one of {', '.join(_INTERVALS)}", param="recurring"
        )
    return {
        "interval": interval,
        "interval_count": integer(wanted, "interval_count", 1),
        "meter": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def _product(world: World, params: Params) -> str:
    if params.get("product"):
        return str(world.get("product", params["product"], "product")["id"])
    data = mapping(params, "product_data")
    if not data:
        raise missing("product")
    required(data, "name")
    return str(products.open_product(world, new_id("prod"), data)["id"])


def _claim_lookup_key(world: World, params: Params, owner: str | None) -> str | None:
    key = params.get("lookup_key") or None
    for holder in world.store.select("price", lookup_key=key) if key else []:
        if holder["id"] == owner:
            continue
        if not boolean(params, "transfer_lookup_key", False):
            message = f"A price (`{holder['id']}`) already uses that lookup key."
            raise InvalidRequest(message, code="resource_already_exists", param="lookup_key")
        world.replace("price.updated", holder, {**holder, "lookup_key": None})
    return key


def _blank(world: World, currency: str, amount: int, recurring: dict[str, Any] | None) -> Resource:
    return {
        "id": new_id("price"),
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": world.now(),
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": None,
        "recurring": recurring,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }


ROUTES = (
    Route(
        "POST",
        "/v1/prices",
        create,
        ("product", "product_data", "currency", "unit_amount", "recurring", *_UPDATES),
    ),
    Route("GET", "/v1/prices", list_all, ("lookup_keys", "product", "currency", "type", "active")),
    Route("GET", "/v1/prices/{price}", retrieve),
    Route("POST", "/v1/prices/{price}", update, _UPDATES),
)
