"""/p/session/<session>: what Stripe's customer portal shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.stripe_sim.errors import ApiError, CardDeclined, InvalidRequest
from deploy.stripe_sim.params import Params, decode
from deploy.stripe_sim.resources import customers, portal_sessions, subscriptions
from deploy.stripe_sim.store import Resource
from deploy.stripe_sim.world import World

from .checkout import CARDS
from .rendering import message, render, see_other

_ENDED = ("canceled", "incomplete_expired")


def routes(world: World, ring: Callable[[], None]) -> list[Route]:
    """The page and its one form handler; `action` in the path says what is asked."""

    async def show(request: Request) -> Response:
        with world.store.transaction():
            return _page(world, request.path_params["session"])

    async def act(request: Request) -> Response:
        form = decode((await request.body()).decode("utf-8", "replace"))
        answer = _act(world, request.path_params["session"], request.path_params["action"], form)
        ring()
        return answer

    return [
        Route("/p/session/{session}", show, methods=["GET"]),
        Route("/p/session/{session}/{action}", act, methods=["POST"]),
    ]


def _page(world: World, session_id: str, problem: str = "") -> Response:
    session = world.store.find(session_id, "billing_portal.session")
    if session is None:
        return message("Portal not found", "There is no such portal session.", status=404)
    if portal_sessions.is_over(world, session):
        text = "This portal session is over; open it again."
        return message("Portal session over", text, back=session["return_url"], status=410)
    running = _running(world, session)
    context = {
        "session": session,
        "customer": world.get("customer", session["customer"]),
        "running": running,
        "product": world.get("product", _price(running)["product"]) if running else None,
        "price": _price(running) if running else None,
        "period_end": subscriptions.period_end(running) if running else None,
        "offers": _offers(world, running) if running else [],
        "invoices": world.store.select("invoice", customer=session["customer"])[:12],
        "cards": CARDS,
        "problem": problem,
    }
    return render("portal.html", context, leads_to=session["return_url"], status=402 if problem else 200)


def _act(world: World, session_id: str, action: str, form: Params) -> Response:
    try:
        with world.store.transaction():
            session = world.store.find(session_id, "billing_portal.session")
            running = _running(world, session) if session else None
            if session is None or running is None or portal_sessions.is_over(world, session):
                return _page(world, session_id)
            if action not in _ACTIONS:
                return message("Not found", "The portal has no such action.", status=404)
            _ACTIONS[action](world, running, form)
            return see_other(f"/p/session/{session_id}")
    except CardDeclined as declined:
        return _page(world, session_id, problem=declined.message)
    except ApiError as problem:
        return message("This did not work", problem.message, status=problem.status)


def _change_plan(world: World, running: Resource, form: Params) -> None:
    wanted = form.get("price")
    if wanted not in [offer["price"]["id"] for offer in _offers(world, running)]:
        raise InvalidRequest("This plan is not on offer.")
    item = running["items"]["data"][0]
    params = {"items": [{"id": item["id"], "price": wanted}], "proration_behavior": "always_invoice"}
    changed = subscriptions.change(world, running, params)
    invoice = world.get("invoice", changed["latest_invoice"])
    if invoice["status"] == "open":
        raise CardDeclined


def _cancel(world: World, running: Resource, _: Params) -> None:
    subscriptions.change(world, running, {"cancel_at_period_end": "true"})


def _cancel_now(world: World, running: Resource, _: Params) -> None:
    subscriptions.end(world, running, reason="cancellation_requested")


def _resume(world: World, running: Resource, _: Params) -> None:
    subscriptions.change(world, running, {"cancel_at_period_end": "false"})


def _change_card(world: World, running: Resource, form: Params) -> None:
    if form.get("card") not in CARDS:
        raise InvalidRequest("Choose one of the cards shown.")
    customers.set_payment_method(world, running["customer"], form["card"])
    subscriptions.change(world, running, {"default_payment_method": form["card"]})


_ACTIONS: dict[str, Callable[[World, Resource, Params], None]] = {
    "plan": _change_plan,
    "cancel": _cancel,
    "cancel-now": _cancel_now,
    "resume": _resume,
    "card": _change_card,
}


def _running(world: World, session: Resource) -> Resource | None:
    mine = world.store.select("subscription", customer=session["customer"])
    return next((item for item in mine if item["status"] not in _ENDED), None)


def _price(subscription: Resource) -> Resource:
    price: Resource = subscription["items"]["data"][0]["price"]
    return price


def _offers(world: World, running: Resource) -> list[dict[str, Any]]:
    """Recurring prices in the subscription's currency, cheapest first."""
    prices = world.store.select("price", active=True, type="recurring", currency=running["currency"])
    offers = [{"price": price, "product": world.get("product", price["product"])} for price in prices]
    return sorted(
        (offer for offer in offers if offer["product"]["active"]), key=lambda o: o["price"]["unit_amount"]
    )
