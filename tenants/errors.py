"""What can go wrong with a tenant."""

from __future__ import annotations

from apps.core.errors import AppError, Kind


class SlugTaken(AppError):
    """Another tenant has that address."""

    kind = Kind.CONFLICT
    code = "slug_taken"
    title = "That address is taken"
    template = "The address {slug!r} belongs to another company. Choose another one."


class NoSchemaReady(AppError):
    """The warm pool is empty for the moment."""

    kind = Kind.UNAVAILABLE
    code = "workspace_not_ready"
    title = "No workspace is ready"
    template = "All prepared workspaces were just taken; a new one is being made. Try again in a few seconds."
    retryable = True


class WrongState(AppError):
    """The life cycle has no such step."""

    kind = Kind.CONFLICT
    code = "wrong_tenant_state"
    title = "Not possible in this state"
    template = "The workspace {slug!r} is {state}; {action} needs it to be {needed}."
