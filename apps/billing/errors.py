"""What can go wrong with plans and Stripe."""

from __future__ import annotations

from apps.core.errors import AppError, Kind


class BillingOff(AppError):
    """Neither a Stripe key nor the simulator is there."""

    kind = Kind.CONFLICT
    code = "billing_off"
    title = "Billing is off"
    template = (
        "There is no Stripe key here, so the operator changes the plans: ask them, or set STRIPE_API_KEY."
    )


class UnknownPlan(AppError):
    """No such plan."""

    kind = Kind.NOT_FOUND
    code = "unknown_plan"
    title = "There is no such plan"
    template = "There is no plan {plan!r}; there are: {known}."


class NotForSale(AppError):
    """The plan costs nothing, so there is nothing to check out."""

    kind = Kind.UNPROCESSABLE
    code = "plan_not_for_sale"
    title = "This plan is not sold"
    template = (
        "{name} costs nothing: cancel the running subscription under 'Manage billing' to come back to it."
    )


class AlreadySubscribed(AppError):
    """A second subscription would be paid twice."""

    kind = Kind.CONFLICT
    code = "already_subscribed"
    title = "There is a running subscription"
    template = "You are on {plan}: change or cancel it under 'Manage billing' instead of paying twice."


class NoCustomer(AppError):
    """The tenant never paid, so there is no billing to manage."""

    kind = Kind.CONFLICT
    code = "no_billing_account"
    title = "There is nothing to manage yet"
    template = "Choose a plan first: billing can be managed once there is a subscription."


class UnknownCheckout(AppError):
    """The checkout session is not one of this tenant's."""

    kind = Kind.NOT_FOUND
    code = "unknown_checkout"
    title = "There is no such checkout"
    template = "There is no checkout {session_id!r} here."


class StripeUnavailable(AppError):
    """Stripe did not answer, or not as it should."""

    kind = Kind.UNAVAILABLE
    code = "stripe_unavailable"
    title = "Stripe does not answer"
    template = "Stripe could not {action} ({reason}). Nothing was changed; try again in a minute."
    retryable = True


class SignatureRefused(AppError):
    """The event does not prove that it is Stripe's."""

    kind = Kind.INVALID
    code = "stripe_signature_refused"
    title = "The event's signature does not hold"
    template = "Refused: {reason}. STRIPE_WEBHOOK_SECRET must be the endpoint's secret, and the clock right."
