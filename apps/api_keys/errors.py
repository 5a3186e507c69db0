"""What can go wrong with an API key."""

from __future__ import annotations

from apps.core.errors import AppError, Kind


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
    field = "name"


class KeyNameRefused(KeyNotMade):
    """Empty or too long."""

    code = "api_key_name"
    template = "Give the key a name of 1 to {limit} characters, so that you know it again."


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


class ExpiryPast(KeyNotMade):
    """An end that lies behind."""

    code = "api_key_expiry"
    template = "The key would expire on {expires_at:%Y-%m-%d}, which is past. Choose a later day."
    field = "expires"


class TooManyKeys(KeyNotMade):
    """The cap on valid keys is reached."""

    kind = Kind.CONFLICT
    code = "too_many_keys"
    template = "There are {limit} valid keys already. Revoke one that is no longer used."
