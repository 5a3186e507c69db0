"""The one door to Stripe: typed values out, our own errors out. Nothing else imports the SDK.

The SDK is imported on first use: it costs every web process 27 MB, and most never need it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings

from apps.billing.errors import BillingOff, SignatureRefused, StripeUnavailable
from apps.billing.plans import SOLD, Plan

if TYPE_CHECKING:
    import stripe

TIMEOUT_SECONDS: Final = 8.0
TOLERANCE_SECONDS: Final = 300
RETRIES: Final = 1
_SESSION_ID: Final = re.compile(r"cs_\w{1,120}", re.ASCII)
_CHECKOUT_ORIGINS: Final = ("https://checkout.stripe.com", "https://billing.stripe.com")


@dataclass(frozen=True, slots=True)
class Subscription:
    """What we mirror of a subscription; ``product_id`` is that of its dearest item."""

    subscription_id: str
    customer_id: str
    status: str
    product_id: str
    price_id: str
    current_period_end: datetime | None
    cancel_at_period_end: bool
    created_at: datetime

    @property
    def has_ended(self) -> bool:
        """Whether it will never bill again."""
        return self.status in ("canceled", "incomplete_expired")


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout session: ``status`` is open, complete or expired."""

    session_id: str
    customer_id: str
    status: str
    plan: str
    url: str


@dataclass(frozen=True, slots=True)
class Event:
    """A verified event; ``customer_id`` is empty for events that are about no customer."""

    event_id: str
    type: str
    occurred_at: datetime
    customer_id: str


class Missing(StripeUnavailable):
    """Stripe has no such object (any more); ``param`` says which parameter pointed at it."""

    def __init__(self, *, param: str, action: str, reason: str) -> None:
        super().__init__(action=action, reason=reason)
        self.param = param


def is_on() -> bool:
    """Whether there is a Stripe, real or simulated, to talk to."""
    return bool(settings.STRIPE_API_KEY)


def form_origins() -> tuple[str, ...]:
    """Where our forms lead by redirect: origins that the content security policy must allow."""
    if not is_on():
        return ()
    return (settings.STRIPE_API_BASE.rstrip("/"),) if settings.STRIPE_API_BASE else _CHECKOUT_ORIGINS


def create_customer(*, tenant_id: str, name: str, email: str, idempotency_key: str) -> str:
    """Open the tenant's account and return its id."""
    with _asking("open the billing account") as client:
        made = client.v1.customers.create(
            {"name": name, "metadata": {"almanac_tenant": tenant_id}, **({"email": email} if email else {})},
            {"idempotency_key": idempotency_key},
        )
    return str(made.id)


def ensure_catalogue(sold: Sequence[Plan] = SOLD) -> dict[str, str]:
    """Plan code → id of its monthly price at Stripe; what is missing, or has another amount, is made."""
    with _asking("look up the prices") as client:
        keys = [plan.lookup_key for plan in sold]
        found = client.v1.prices.list({"lookup_keys": keys, "active": True, "limit": len(keys)}).data
        prices = {(price.lookup_key, price.unit_amount, price.currency): price.id for price in found}
        wanted = {plan: (plan.lookup_key, plan.amount, plan.currency) for plan in sold}
        return {plan.code: prices.get(key) or _create_price(client, plan) for plan, key in wanted.items()}


def open_checkout(
    *, customer_id: str, plan: Plan, price_id: str, tenant_id: str, success_url: str, cancel_url: str
) -> Checkout:
    """A page on which the customer subscribes; earlier open ones are closed, so that nobody pays twice."""
    marks = {"almanac_tenant": tenant_id, "almanac_plan": plan.code}
    with _asking("open the checkout") as client:
        for earlier in client.v1.checkout.sessions.list(
            {"customer": customer_id, "status": "open", "limit": 100}
        ).data:
            client.v1.checkout.sessions.expire(earlier.id)
        made = client.v1.checkout.sessions.create(
            {
                "mode": "subscription",
                "customer": customer_id,
                "client_reference_id": tenant_id,
                "line_items": [{"price": price_id, "quantity": 1}],
                "success_url": success_url,
                "cancel_url": cancel_url,
                "metadata": marks,
                "subscription_data": {"metadata": marks},
            }
        )
    return _checkout(made)


def get_checkout(session_id: str) -> Checkout:
    """The session as Stripe has it now; raises ``Missing``, also for what can be no session's id."""
    action = "look up the checkout"
    if _SESSION_ID.fullmatch(session_id) is None:
        raise Missing(param="session", action=action, reason="not a session's id")
    with _asking(action) as client:
        return _checkout(client.v1.checkout.sessions.retrieve(session_id))


def open_portal(*, customer_id: str, return_url: str) -> str:
    """The address of a page on which the customer changes or cancels what they pay for."""
    with _asking("open the billing page") as client:
        made = client.v1.billing_portal.sessions.create({"customer": customer_id, "return_url": return_url})
    return str(made.url)


def list_subscriptions(customer_id: str) -> list[Subscription]:
    """Every subscription the customer has or had, newest first; empty when the customer is gone."""
    try:
        with _asking("list the subscriptions") as client:
            found = client.v1.subscriptions.list({"customer": customer_id, "status": "all", "limit": 100})
            return [_subscription(item) for item in found.auto_paging_iter()]
    except Missing:
        return []


def cancel_subscription(subscription_id: str) -> None:
    """End a subscription now; one that has ended, or that Stripe does not know, is no fault."""
    with contextlib.suppress(Missing), _asking("cancel the subscription") as client:
        client.v1.subscriptions.cancel(subscription_id)


def verify(payload: bytes, signature: str) -> Event:
    """The event in a raw body; ``SignatureRefused`` unless our secret signed it in the last 5 minutes."""
    secrets = [secret.strip() for secret in settings.STRIPE_WEBHOOK_SECRET.split(",") if secret.strip()]
    if not secrets:
        raise BillingOff
    import stripe

    reason = ""
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(payload, signature, secret, TOLERANCE_SECONDS)
            return _event(json.loads(payload))
        except (stripe.SignatureVerificationError, ValueError) as error:
            reason = reason or str(getattr(error, "user_message", "") or error)
    raise SignatureRefused(reason=reason[:200].rstrip("."))


@functools.lru_cache(maxsize=4)
def _client(api_key: str, api_base: str) -> stripe.StripeClient:
    import requests
    import stripe

    stripe.enable_telemetry = False
    session = requests.Session()
    session.trust_env = (
        not api_base
    )  # a proxy of the environment does not lead to a simulator on this machine
    http = stripe.RequestsClient(timeout=TIMEOUT_SECONDS, session=session)
    addresses: Any = {"api": api_base.rstrip("/")} if api_base else None
    return stripe.StripeClient(
        api_key, base_addresses=addresses, max_network_retries=RETRIES, http_client=http
    )


@contextlib.contextmanager
def _asking(action: str) -> Iterator[stripe.StripeClient]:
    if not is_on():
        raise BillingOff
    import stripe

    try:
        yield _client(settings.STRIPE_API_KEY, settings.STRIPE_API_BASE)
    except stripe.InvalidRequestError as error:
        reason = (error.user_message or type(error).__name__).rstrip(".")
        if error.code == "resource_missing":
            raise Missing(param=error.param or "", action=action, reason=reason) from error
        raise StripeUnavailable(action=action, reason=reason) from error
    except stripe.StripeError as error:
        raise StripeUnavailable(action=action, reason=type(error).__name__) from error


def _create_price(client: stripe.StripeClient, plan: Plan) -> str:
    """A new price for the plan; it takes the lookup key over from an older one."""
    _ensure_product(client, plan)
    made = client.v1.prices.create(
        {
            "product": plan.product_id,
            "currency": plan.currency,
            "unit_amount": plan.amount,
            "recurring": {"interval": "month"},
            "lookup_key": plan.lookup_key,
            "transfer_lookup_key": True,
        }
    )
    return str(made.id)


def _ensure_product(client: stripe.StripeClient, plan: Plan) -> None:
    import stripe

    try:
        client.v1.products.create(
            {"id": plan.product_id, "name": f"Almanac {plan.name}", "description": plan.pitch}
        )
    except stripe.InvalidRequestError as error:
        if error.code != "resource_already_exists":
            raise


def _subscription(found: stripe.Subscription) -> Subscription:
    items = sorted(found["items"].data, key=lambda item: item.price.unit_amount or 0, reverse=True)
    price = items[0].price if items else None
    return Subscription(
        subscription_id=found.id,
        customer_id=_id(found.customer),
        status=found.status,
        product_id=_id(price.product) if price else "",
        price_id=price.id if price else "",
        current_period_end=_moment(max(item.current_period_end for item in items)) if items else None,
        cancel_at_period_end=found.cancel_at_period_end,
        created_at=_moment(found.created),
    )


def _checkout(found: stripe.checkout.Session) -> Checkout:
    plan = (found.metadata.to_dict() if found.metadata else {}).get("almanac_plan", "")
    return Checkout(found.id, _id(found.customer), str(found.status), str(plan), found.url or "")


def _event(body: Any) -> Event:
    """The event in a verified body; ``ValueError`` for anything else."""
    try:
        subject = body["data"]["object"]
        customer = subject.get("id") if subject.get("object") == "customer" else subject.get("customer")
        return Event(str(body["id"]), str(body["type"]), _moment(int(body["created"])), _id(customer))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("The body is not an event") from error


def _id(reference: Any) -> str:
    """The id of an object that Stripe gives whole or by its id."""
    return str(reference if isinstance(reference, str) else getattr(reference, "id", "") or "")


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
