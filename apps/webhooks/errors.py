"""What can go wrong with webhooks."""

from __future__ import annotations

from apps.core.errors import AppError, Kind


class WebhookInvalid(AppError):
    """A setting that cannot be meant."""

    kind = Kind.UNPROCESSABLE
    code = "webhook_invalid"
    title = "The webhook cannot be set up so"
    template = "{reason}"


class TooManyWebhooks(AppError):
    """More endpoints than a tenant may have."""

    kind = Kind.CONFLICT
    code = "too_many_webhooks"
    title = "There are too many webhooks"
    template = "There are {limit} webhooks already. Delete one that nobody needs."


class WebhookDisabled(AppError):
    """Nothing is sent to an endpoint that is switched off."""

    kind = Kind.CONFLICT
    code = "webhook_disabled"
    title = "The webhook is switched off"
    template = "The webhook is switched off: {reason} Switch it on first."
