"""/v1/invoices, and how a subscription's invoice is made, finalised and charged."""

from __future__ import annotations

from typing import Any

from deploy.stripe_sim.errors import CardDeclined, InvalidRequest
from deploy.stripe_sim.ids import new_id
from deploy.stripe_sim.routing import Call, Route, listing, page
from deploy.stripe_sim.shapes import empties, nulls, zeros
from deploy.stripe_sim.store import Resource
from deploy.stripe_sim.world import World

DECLINING_CARD = "pm_card_chargeCustomerFail"


def retrieve(world: World, call: Call) -> Resource:
    """One invoice."""
    return world.get("invoice", call.ids["invoice"])


def list_all(world: World, call: Call) -> Resource:
    """Newest first; narrowed by customer, status and subscription."""
    equal = {name: call.params[name] for name in ("customer", "status") if name in call.params}
    found = world.store.select("invoice", **equal)
    if "subscription" in call.params:
        found = [item for item in found if subscription_of(item) == call.params["subscription"]]
    return page(call, found)


def list_lines(world: World, call: Call) -> Resource:
    """The lines of one invoice."""
    return page(call, list(world.get("invoice", call.ids["invoice"])["lines"]["data"]))


def pay(world: World, call: Call) -> Resource:
    """Charge an open invoice again; a declined card answers 402."""
    invoice = world.get("invoice", call.ids["invoice"])
    if invoice["status"] == "paid":
        raise InvalidRequest("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] != "open":
        raise InvalidRequest(f"Invoice with status '{invoice['status']}' cannot be paid")
    charged = charge(world, invoice, card=call.params.get("payment_method"))
    if charged["status"] != "paid":
        raise CardDeclined
    return charged


def void(world: World, call: Call) -> Resource:
    """Give an open invoice up; nothing is owed on it any more."""
    before = world.get("invoice", call.ids["invoice"])
    if before["status"] not in ("open", "uncollectible"):
        raise InvalidRequest(f"Invoice with status '{before['status']}' cannot be voided")
    return mark_void(world, before)


def mark_void(world: World, invoice: Resource) -> Resource:
    """Void the invoice and say so."""
    moments = {**invoice["status_transitions"], "voided_at": world.now()}
    after = world.store.put({**invoice, "status": "void", "status_transitions": moments})
    world.emit("invoice.voided", after)
    return after


def subscription_of(invoice: Resource) -> str | None:
    """The id of the subscription that the invoice bills, if any."""
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    found: str | None = details.get("subscription")
    return found


def bill(world: World, subscription: Resource, *, reason: str, lines: list[Resource]) -> Resource:
    """Make, finalise and charge an invoice; the answer is `paid`, or `open` when the card refused."""
    invoice = _finalised(world, subscription, reason, lines)
    for event_type in ("invoice.created", "invoice.finalized"):
        world.emit(event_type, invoice)
    return charge(world, invoice)


def charge(world: World, invoice: Resource, card: str | None = None) -> Resource:
    """Try to collect what is due, and let the subscription's status follow."""
    subscription = world.store.find(subscription_of(invoice) or "")
    paid = invoice["amount_due"] == 0 or _card_pays(world, invoice, subscription, card)
    after = {**invoice, "attempted": True, "attempt_count": invoice["attempt_count"] + 1}
    if paid:
        moments = {**invoice["status_transitions"], "paid_at": world.now()}
        after |= {"status": "paid", "amount_paid": invoice["amount_due"], "amount_remaining": 0}
        after["status_transitions"] = moments
    world.store.put(after)
    for event_type in ("invoice.paid", "invoice.payment_succeeded") if paid else ("invoice.payment_failed",):
        world.emit(event_type, after)
    if subscription is not None:
        _follow(world, subscription, after, paid)
    return after


def item_line(world: World, subscription: Resource, item: Resource) -> Resource:
    """The line for one whole period of a subscription item."""
    price = item["price"]
    amount = price["unit_amount"] * item["quantity"]
    period = {"start": item["current_period_start"], "end": item["current_period_end"]}
    name = world.get("product", price["product"])["name"]
    return line(
        subscription, item, amount=amount, period=period, text=f"{item['quantity']} × {name}", proration=False
    )


def line(
    subscription: Resource, item: Resource, *, amount: int, period: dict[str, int], text: str, proration: bool
) -> Resource:
    """One invoice line for a subscription item; `amount` in minor units, negative for a credit."""
    price = item["price"]
    details = {
        "invoice_item": None,
        "proration": proration,
        "proration_details": {"credited_items": None},
        "subscription": subscription["id"],
        "subscription_item": item["id"],
    }
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": price["currency"],
        "description": text,
        "discount_amounts": [],
        "discountable": not proration,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": dict(subscription["metadata"]),
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": details,
            "type": "subscription_item_details",
        },
        "period": period,
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": item["quantity"],
        "quantity_decimal": str(item["quantity"]),
        "subscription": subscription["id"],
        "subtotal": amount,
        "taxes": [],
    }


def is_proration(entry: Resource) -> bool:
    """Whether the line credits or charges a part of a period."""
    return bool(entry["parent"]["subscription_item_details"]["proration"])


def hold(world: World, subscription_id: str, lines: list[Resource]) -> None:
    """Keep lines for the subscription's next invoice."""
    if lines:
        kept = release(world, subscription_id)
        world.store.put(
            {"id": f"held_{subscription_id}", "object": "simulator.held_lines", "lines": [*kept, *lines]}
        )


def release(world: World, subscription_id: str) -> list[Resource]:
    """The lines kept for the next invoice; they are kept no longer."""
    held = world.store.find(f"held_{subscription_id}", "simulator.held_lines")
    if held is None:
        return []
    world.store.put({**held, "lines": []})
    lines: list[Resource] = held["lines"]
    return lines


def _card_pays(world: World, invoice: Resource, subscription: Resource | None, card: str | None) -> bool:
    customer = world.get("customer", invoice["customer"])
    of_subscription = (subscription or {}).get("default_payment_method")
    chosen = card or of_subscription or customer["invoice_settings"]["default_payment_method"]
    return chosen is not None and chosen != DECLINING_CARD


def _follow(world: World, subscription: Resource, invoice: Resource, paid: bool) -> None:
    status = subscription["status"]
    if paid and status in ("incomplete", "past_due", "unpaid"):
        status = "active"
    elif not paid and status == "active" and invoice["billing_reason"] == "subscription_cycle":
        status = "past_due"
    after = {**subscription, "status": status, "latest_invoice": invoice["id"]}
    world.replace("customer.subscription.updated", subscription, after)


def _finalised(world: World, subscription: Resource, reason: str, lines: list[Resource]) -> Resource:
    customer = world.get("customer", subscription["customer"])
    number = customer["next_invoice_sequence"]
    world.store.put({**customer, "next_invoice_sequence": number + 1, "currency": subscription["currency"]})
    invoice_id = new_id("in")
    total = sum(item["amount"] for item in lines)
    periods = [item["period"] for item in lines]
    invoice = {
        **_blank(world, customer, subscription),
        "id": invoice_id,
        "amount_due": max(total, 0),
        "amount_remaining": max(total, 0),
        "billing_reason": reason,
        "ending_balance": min(total, 0),
        "lines": listing(
            [{**item, "invoice": invoice_id} for item in lines], f"/v1/invoices/{invoice_id}/lines"
        ),
        "number": f"{customer['invoice_prefix']}-{number:04d}",
        "period_start": min((period["start"] for period in periods), default=world.now()),
        "period_end": max((period["end"] for period in periods), default=world.now()),
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "total": total,
        "total_excluding_tax": total,
    }
    return world.store.put(invoice)


def _blank(world: World, customer: Resource, subscription: Resource) -> dict[str, Any]:
    now = world.now()
    nothing = nulls(
        "account_name account_tax_ids application automatically_finalizes_at confirmation_secret "
        "custom_fields customer_account customer_shipping default_payment_method default_source "
        "description due_date footer from_invoice hosted_invoice_url invoice_pdf last_finalization_error "
        "latest_revision next_payment_attempt on_behalf_of receipt_number rendering shipping_cost "
        "shipping_details statement_descriptor test_clock"
    )
    return {
        "object": "invoice",
        **nothing,
        **{
            f"customer_{name}": customer[name] for name in ("address", "email", "name", "phone", "tax_exempt")
        },
        **zeros("amount_overpaid amount_paid amount_shipping attempt_count starting_balance"),
        **zeros("post_payment_credit_notes_amount pre_payment_credit_notes_amount"),
        **empties("customer_tax_ids default_tax_rates discounts total_discount_amounts"),
        **empties("total_pretax_credit_amounts total_taxes"),
        "account_country": "US",
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": {
            "enabled": False,
            "liability": None,
            "status": None,
            "disabled_reason": None,
            "provider": None,
        },
        "collection_method": subscription["collection_method"],
        "created": now,
        "currency": subscription["currency"],
        "customer": customer["id"],
        "effective_at": now,
        "issuer": {"type": "self"},
        "livemode": False,
        "metadata": {},
        "parent": {
            "quote_details": None,
            "subscription_details": {
                "metadata": subscription["metadata"],
                "subscription": subscription["id"],
            },
            "type": "subscription_details",
        },
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "status": "open",
        "status_transitions": {
            "finalized_at": now,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "webhooks_delivered_at": None,
    }


ROUTES = (
    Route("GET", "/v1/invoices", list_all, ("customer", "status", "subscription")),
    Route("GET", "/v1/invoices/{invoice}", retrieve),
    Route("GET", "/v1/invoices/{invoice}/lines", list_lines),
    Route("POST", "/v1/invoices/{invoice}/pay", pay, ("payment_method",)),
    Route("POST", "/v1/invoices/{invoice}/void", void),
)
