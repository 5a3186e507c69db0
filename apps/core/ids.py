"""Identifiers: time-ordered UUIDs inside, prefixed text outside (``ds_01J…``)."""

from __future__ import annotations

import uuid

from ulid import ULID

from apps.core.errors import NotFound

NAMES = {
    "ds": "dataset", "dsv": "dataset version", "up": "upload", "run": "training run", "mdl": "model",
    "mv": "model version", "hm": "hosted model", "hv": "hosted model version", "prd": "prediction",
    "fc": "forecast", "exp": "explanation", "job": "job", "key": "API key",
    "file": "file", "src": "source", "sch": "schedule", "wh": "webhook", "whd": "delivery",
    "usr": "user", "mem": "member", "inv": "invitation", "ses": "session", "evt": "event", "ten": "tenant",
}  # fmt: skip


def new_id() -> uuid.UUID:
    """A new UUID whose order is that of creation (128 bits: 48 of milliseconds, 80 random)."""
    return ULID().to_uuid()


def public_id(prefix: str, value: uuid.UUID) -> str:
    """The text by which a customer knows an object, such as ``ds_01J9Z3…`` (prefix + 26 base32 characters)."""
    return f"{prefix}_{ULID.from_uuid(value)}"


def parse_public_id(prefix: str, text: str) -> uuid.UUID:
    """The UUID inside ``text``; anything else than a well-formed id of that prefix raises ``NotFound``."""
    head, _, body = text.partition("_")
    try:
        if head != prefix:
            raise ValueError(text)
        return ULID.from_str(body).to_uuid()
    except (ValueError, TypeError) as error:
        raise NotFound(what=NAMES[prefix], name=text[:64]) from error
