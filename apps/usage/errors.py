"""What can go wrong when a call is charged."""

from __future__ import annotations

from apps.core.errors import AppError, Kind


class QuotaExceeded(AppError):
    """What the call costs no longer fits into the month."""

    kind = Kind.PAYMENT_REQUIRED
    code = "quota_exceeded"
    title = "The monthly quota does not suffice"
    template = (
        "This call needs {quantity} {unit}, but {used} of this month's {limit} are used. "
        "Ask for less, upgrade the plan, or wait until {resets_at}."
    )


class KeyBudgetExceeded(AppError):
    """What the call costs no longer fits into the key's own budget of the month."""

    kind = Kind.PAYMENT_REQUIRED
    code = "key_budget_exceeded"
    title = "The API key's monthly budget does not suffice"
    template = (
        "This call needs {quantity} {unit}, but the API key {key!r} has used {used} of its own monthly budget of "
        "{limit}. Ask for less, raise the key's budget, or wait until {resets_at}."
    )


class RequestReused(AppError):
    """The same request id came with another charge."""

    kind = Kind.UNPROCESSABLE
    code = "request_id_reused"
    title = "The request id was used for something else"
    template = (
        "The request id {request_id!r} was charged before with {before} instead of {after}. "
        "Use a new id for a new request."
    )
