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


class ErasureStarted(AppError):
    """The grace is over and the erasure is under way."""

    kind = Kind.CONFLICT
    code = "erasure_started"
    title = "Too late to keep it"
    template = "The data of {slug!r} is being erased since {started_at}; that cannot be undone."


class GraceOutOfRange(AppError):
    """The time between the request and the erasure is too long or negative."""

    kind = Kind.INVALID
    code = "grace_out_of_range"
    title = "Not a possible grace"
    template = "A grace of {days} days is not possible: choose 0 to {limit} days."


class TooManyAddresses(AppError):
    """Each earlier address is kept for its links, so there is an end to them."""

    kind = Kind.CONFLICT
    code = "too_many_addresses"
    title = "Renamed too often"
    template = (
        "{slug!r} already keeps {limit} addresses, whose links must go on working. Go back to one of them."
    )
