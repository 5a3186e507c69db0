"""What can go wrong with an API key."""

from __future__ import annotations

from typing import Any

from apps.core.errors import AppError, Kind, RateLimited


class KeyRefused(AppError):
    """The common parent of all reasons why a call has no valid key; each answers 401."""

    kind = Kind.UNAUTHENTICATED
    code = "api_key_refused"
    title = "No valid API key"


class KeyMissing(KeyRefused):
    """No key was sent."""

    code = "api_key_missing"
    template = "Send an API key as 'Authorization: Bearer alm_live_…'. Keys are made on the page 'API keys'."


class KeyMalformed(KeyRefused):
    """Not the form of a key, or the checksum at its end does not match."""

    code = "api_key_malformed"
    template = (
        "The API key is not whole: its form or its checksum is wrong. "
        "Was a character lost or changed when it was copied?"
    )


class KeyUnknown(KeyRefused):
    """Well-formed, but not one of ours."""

    code = "api_key_unknown"
    template = "The API key is not known here. Is it a key of another installation?"


class KeyRevoked(KeyRefused):
    """Revoked by its owners."""

    code = "api_key_revoked"
    template = (
        "The API key was revoked on {revoked_at:%Y-%m-%d at %H:%M} UTC. "
        "Make a new one on the page 'API keys'."
    )


class KeyExpired(KeyRefused):
    """Past its end."""

    code = "api_key_expired"
    template = (
        "The API key expired on {expires_at:%Y-%m-%d at %H:%M} UTC. Make a new one on the page 'API keys'."
    )


class KeyRotated(KeyRefused):
    """Replaced by a new text, and the overlap is over."""

    code = "api_key_rotated"
    template = (
        "The API key was replaced by a new one, and stopped working on {rotating_until:%Y-%m-%d at %H:%M} UTC. "
        "Use the new key."
    )


class KeyOwnerGone(KeyRefused):
    """A personal key whose owner no longer belongs to the tenant, or is blocked."""

    code = "api_key_owner_gone"
    template = "The API key belonged to a person who is no longer a member here, and ended with that."


class NetworkNotAllowed(AppError):
    """The key is good, but not from there; which networks it is good from is not told."""

    kind = Kind.FORBIDDEN
    code = "network_not_allowed"
    title = "The API key may not be used from this address"
    template = "The API key may not be used from {address}, the address that this call came from."


class KeyRateLimited(RateLimited):
    """More calls in a minute than the key's own limit."""

    code = "api_key_rate_limited"
    template = "The API key may be used {requests_per_minute} times a minute. Try again in {wait} s."


class KeyInQuery(AppError):
    """Addresses end up in logs and histories, so a key in one is refused wherever it may be valid."""

    kind = Kind.INVALID
    code = "api_key_in_query"
    title = "An API key does not belong into the address"
    template = (
        "The query parameter {parameter!r} holds an API key. Addresses are kept in logs: revoke this key, "
        "make a new one, and send it as 'Authorization: Bearer …'."
    )


class KeysContradict(AppError):
    """Two different keys in one call."""

    kind = Kind.INVALID
    code = "api_keys_contradict"
    title = "Two different API keys"
    template = "The headers 'Authorization' and 'X-API-Key' hold different keys. Send one of them."


class TenantSuspended(AppError):
    """The key is good, but the operator has suspended its tenant."""

    kind = Kind.FORBIDDEN
    code = "tenant_suspended"
    title = "Suspended"
    template = "{name} is suspended. Nothing is lost; please contact the operator of this installation."


class TenantDeleting(AppError):
    """The key is good, but its tenant asked to be deleted and waits for it."""

    kind = Kind.FORBIDDEN
    code = "tenant_deleting"
    title = "About to be deleted"
    template = (
        "{name} is about to be deleted, on {erase_after}. Until then an owner can take that back; nothing can be "
        "done with its API keys meanwhile."
    )


class ScopeMissing(AppError):
    """The key is good, but not for this."""

    kind = Kind.FORBIDDEN
    code = "scope_missing"
    title = "The API key may not do this"
    template = "This call needs the scope {scope!r}, which this key does not have. Its scopes: {scopes}."


class KeyNotMade(AppError):
    """The common parent of what is wrong with the wish for a new key."""

    kind = Kind.UNPROCESSABLE
    code = "api_key_not_made"
    title = "The key cannot be made"
    field: str = "name"

    def __init__(self, *, field: str = "", **fields: Any) -> None:
        super().__init__(**fields)
        self.field = field or self.field


class KeyNameRefused(KeyNotMade):
    """Empty or too long."""

    code = "api_key_name"
    template = "Give the key a name of 1 to {limit} characters, so that you know it again."


class KeyNameSecret(KeyNotMade):
    """A key's text where its name belongs: names are shown and logged."""

    code = "api_key_name_is_secret"
    template = (
        "The name holds what looks like an API key. Names are shown to others: give it a name of its own."
    )


class ScopesMissing(KeyNotMade):
    """A key that may do nothing."""

    code = "scopes_missing"
    template = "Choose at least one scope."
    field = "scopes"


class ScopeUnknown(KeyNotMade):
    """No such scope."""

    code = "scope_unknown"
    template = "There is no scope {scope!r}. The scopes are: {known}."
    field = "scopes"


class ScopeNotYours(KeyNotMade):
    """More than the person who makes the key may do."""

    kind = Kind.FORBIDDEN
    code = "scope_not_yours"
    template = "Your role does not include {scope!r}, so a key of yours cannot have it."
    field = "scopes"


class BeyondCeiling(KeyNotMade):
    """More than the key that asks may do itself: it cannot be handed on."""

    kind = Kind.FORBIDDEN
    code = "api_key_beyond_ceiling"
    template = "{what}"


class NetworkRefused(KeyNotMade):
    """Entries that are no networks."""

    code = "api_key_networks"
    template = "Not a network: {wrong}"
    field = "networks"


class TooManyNetworks(KeyNotMade):
    """A list too long to be looked through with each call."""

    code = "api_key_networks_count"
    template = "At most {limit} networks are possible. Join neighbours into larger ranges."
    field = "networks"


class AllowanceRefused(KeyNotMade):
    """A rate or budget that is no possible number."""

    code = "api_key_allowance"
    template = "Give a whole number from 1 to {limit}, or nothing for no limit of the key's own."


class OverlapRefused(KeyNotMade):
    """Two texts at the same time for too long."""

    code = "api_key_overlap"
    template = "The old and the new key can overlap for 0 hours to {limit} days."
    field = "overlap"


class ExpiryPast(KeyNotMade):
    """An end that lies behind."""

    code = "api_key_expiry"
    template = "The key would expire on {expires_at:%Y-%m-%d}, which is past. Choose a later day."
    field = "expires_at"


class TooManyKeys(KeyNotMade):
    """The cap on valid keys is reached."""

    kind = Kind.CONFLICT
    code = "too_many_keys"
    template = "There are {limit} valid keys already. Revoke one that is no longer used."


class KeyEnded(AppError):
    """Revoked, expired or replaced: there is nothing to change any more."""

    kind = Kind.CONFLICT
    code = "api_key_ended"
    title = "The key has ended"
    template = "The key {name!r} is {state}, so it can no longer be changed or rotated."


class KeyNotYours(AppError):
    """A personal key is its owner's: others may revoke it, nothing else."""

    kind = Kind.FORBIDDEN
    code = "api_key_not_yours"
    title = "Somebody else's key"
    template = "The key {name!r} is personal: only its owner can change or rotate it. You can revoke it."


class LeakReportRefused(AppError):
    """Not the form of a report of leaked keys."""

    kind = Kind.UNPROCESSABLE
    code = "leak_report_refused"
    title = "Not a report of leaked keys"
    template = "{detail}"


class LeakReportTooLarge(AppError):
    """More than one report may hold."""

    kind = Kind.TOO_LARGE
    code = "leak_report_too_large"
    title = "The report is too large"
    template = "One report holds at most {keys} keys and {bytes} bytes. Send more of them."


class LeakReportUnsigned(AppError):
    """A report in GitHub's name that GitHub did not sign."""

    kind = Kind.FORBIDDEN
    code = "leak_report_unsigned"
    title = "The report's signature is not good"
    template = "{detail}"
