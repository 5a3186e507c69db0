"""GET and POST /c/pay/<session>: what Stripe Checkout shows."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.stripe_sim.errors import ApiError, CardDeclined, NotFound
from deploy.stripe_sim.params import Params, decode
from deploy.stripe_sim.resources import checkout_sessions
from deploy.stripe_sim.resources.invoices import DECLINING_CARD
from deploy.stripe_sim.store import Resource
from deploy.stripe_sim.world import World

from .rendering import message, render, see_other

CARDS = {"pm_card_visa": "4242 4242 4242 4242", DECLINING_CARD: "4000 0000 0000 0341"}


def routes(world: World, ring: Callable[[], None]) -> list[Route]:
    """The page and its form."""

    async def show(request: Request) -> Response:
        with world.store.transaction():
            return _page(world, request.path_params["session"])

    async def pay(request: Request) -> Response:
        form = decode((await request.body()).decode("utf-8", "replace"))
        answer = _pay(world, request.path_params["session"], form)
        ring()
        return answer

    path = "/c/pay/{session}"
    return [Route(path, show, methods=["GET"]), Route(path, pay, methods=["POST"])]


def _page(world: World, session_id: str, problem: str = "") -> Response:
    try:
        session = checkout_sessions.current(world, session_id)
    except NotFound:
        return message("Checkout not found", "There is no such checkout session.", status=404)
    if session["status"] == "complete":
        return message("Already paid", "This checkout is complete.", back=_success_url(session))
    if session["status"] == "expired":
        return message(
            "Checkout expired", "This checkout is over; start again.", back=session["cancel_url"], status=410
        )
    context = {
        "session": session,
        "lines": [_line(world, entry) for entry in checkout_sessions.order(world, session_id)["items"]],
        "email": _email(world, session),
        "cards": CARDS,
        "problem": problem,
    }
    return render("checkout.html", context, leads_to=session["success_url"], status=402 if problem else 200)


def _pay(world: World, session_id: str, form: Params) -> Response:
    card = form.get("card")
    try:
        with world.store.transaction():
            session = checkout_sessions.current(world, session_id)
            if session["status"] != "open" or card not in CARDS:
                return _page(world, session_id)
            checkout_sessions.complete(world, session, card)
            return see_other(_success_url(session))
    except CardDeclined as declined:
        return _page(world, session_id, problem=declined.message)
    except ApiError as problem:
        return message("This did not work", problem.message, status=problem.status)


def _success_url(session: Resource) -> str:
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _email(world: World, session: Resource) -> str:
    customer = world.store.find(session["customer"] or "", "customer") or {}
    return customer.get("email") or session["customer_email"] or ""


def _line(world: World, entry: Params) -> dict[str, object]:
    price = world.get("price", entry["price"])
    product = world.get("product", price["product"])
    return {"product": product, "price": price, "quantity": int(entry["quantity"]), "amount": entry["amount"]}
