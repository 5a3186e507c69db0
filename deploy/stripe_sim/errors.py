"""Failures as Stripe words them: `{"error": {"type", "code", "message", "param"}}`."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A refusal that becomes the JSON answer; `status` is the HTTP status."""

    status = 400
    type = "invalid_request_error"

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param

    def body(self) -> dict[str, Any]:
        """The answer's JSON; fields that say nothing are left out, as Stripe does."""
        fields = {"code": self.code, "message": self.message, "param": self.param, "type": self.type}
        return {"error": {name: value for name, value in fields.items() if value is not None}}


class InvalidRequest(ApiError):
    """A parameter is missing, unknown or of the wrong form."""


class NotFound(ApiError):
    """No such object."""

    status = 404

    def __init__(self, kind: str, object_id: str, param: str = "id") -> None:
        super().__init__(f"No such {kind}: '{object_id}'", code="resource_missing", param=param)


class Unauthenticated(ApiError):
    """No key, or one that the simulator does not take."""

    status = 401


class IdempotencyMismatch(ApiError):
    """An Idempotency-Key came back with another request."""

    type = "idempotency_error"


class CardDeclined(ApiError):
    """The simulated card refused the charge."""

    status = 402
    type = "card_error"

    def __init__(self) -> None:
        super().__init__("Your card was declined.", code="card_declined")


def missing(param: str) -> InvalidRequest:
    """The error for a required parameter that is not there."""
    return InvalidRequest(f"Missing required param: {param}.", code="parameter_missing", param=param)
