"""/v1/products."""

from __future__ import annotations

from deploy.stripe_sim.errors import InvalidRequest
from deploy.stripe_sim.ids import new_id
from deploy.stripe_sim.params import Params, boolean, merged_metadata, required, sequence
from deploy.stripe_sim.routing import Call, Route, page
from deploy.stripe_sim.store import Resource
from deploy.stripe_sim.world import World

_FIELDS = (
    "name",
    "description",
    "active",
    "metadata",
    "unit_label",
    "statement_descriptor",
    "tax_code",
    "url",
)
_TEXTS = ("name", "description", "unit_label", "statement_descriptor", "tax_code", "url")


def create(world: World, call: Call) -> Resource:
    """A new product; the caller may choose its id, once."""
    product_id = str(call.params.get("id") or new_id("prod"))
    if world.store.find(product_id) is not None:
        raise InvalidRequest("Product already exists.", code="resource_already_exists", param="id")
    return open_product(world, product_id, {"name": required(call.params, "name"), **call.params})


def open_product(world: World, product_id: str, params: Params) -> Resource:
    """Store a product made of the parameters; also for a price that brings its `product_data`."""
    product = _changed(_blank(world, product_id), params)
    world.store.put(product)
    world.emit("product.created", product)
    return product


def retrieve(world: World, call: Call) -> Resource:
    """One product."""
    return world.get("product", call.ids["product"])


def update(world: World, call: Call) -> Resource:
    """Change the fields given."""
    before = world.get("product", call.ids["product"])
    after = {**_changed(dict(before), call.params), "updated": world.now()}
    return world.replace("product.updated", before, after)


def list_all(world: World, call: Call) -> Resource:
    """Newest first; `ids` and `active` narrow."""
    found = world.store.select("product")
    if ids := sequence(call.params, "ids"):
        found = [item for item in found if item["id"] in ids]
    if "active" in call.params:
        active = boolean(call.params, "active", True)
        found = [item for item in found if item["active"] == active]
    return page(call, found)


def _changed(product: Resource, params: Params) -> Resource:
    for name in _TEXTS:
        if name in params:
            product[name] = params[name] or None
    product["active"] = boolean(params, "active", product["active"])
    product["metadata"] = merged_metadata(product["metadata"], params)
    return product


def _blank(world: World, product_id: str) -> Resource:
    return {
        "id": product_id,
        "object": "product",
        "active": True,
        "created": world.now(),
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {},
        "name": "",
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": None,
        "updated": world.now(),
        "url": None,
    }


ROUTES = (
    Route("POST", "/v1/products", create, ("id", *_FIELDS)),
    Route("GET", "/v1/products", list_all, ("ids", "active")),
    Route("GET", "/v1/products/{product}", retrieve),
    Route("POST", "/v1/products/{product}", update, _FIELDS),
)
