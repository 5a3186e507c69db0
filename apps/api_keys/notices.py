"""What people are told about keys: the events ``api_key.*``, and who gets a mail of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from apps.api_keys.models import ApiKey
from apps.core.ids import public_id
from apps.events import services as events

EXPIRING: Final = "api_key.expiring"
REVOKED: Final = "api_key.revoked"
ROTATED: Final = "api_key.rotated"
MAILS: Final = {EXPIRING: "mail/api_keys/expiring", REVOKED: "mail/api_keys/leaked"}
_KEY: Final = {"key_id": "key_01K…", "name": "Shop", "masked": "alm_live_9f3k2m1p…x7Qa", "mode": "live"}
# type, what happened, the fields that go out
TYPES: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    (EXPIRING, "An API key ends soon.", {**_KEY, "expires_at": "2026-12-31T00:00:00+00:00", "days": 7}),
    (ROTATED, "An API key has a successor.", {**_KEY, "replaced_by": "key_01K…"}),
    (REVOKED, "An API key was revoked, by hand or because its text was found.", {**_KEY, "reason": "leaked"}),
)


def tell_revoked(row: ApiKey, *, found: dict[str, str] | None = None, to: Sequence[str] = ()) -> None:
    """A key ended; ``found`` says where its text was seen, if that is why, and then ``to`` get a mail."""
    reason = "leaked" if found else "revoked"
    events.emit(type=REVOKED, data={**_about(row), "reason": reason, **(found or {}), "to": list(to)})


def tell_rotated(old: ApiKey, new: ApiKey) -> None:
    """A key has a successor."""
    assert old.rotating_until is not None
    events.emit(
        type=ROTATED,
        data={
            **_about(old),
            "replaced_by": public_id("key", new.id),
            "rotating_until": old.rotating_until.isoformat(),
            "to": [],
        },
    )


def tell_expiring(row: ApiKey, days: int, to: Sequence[str]) -> None:
    """A key ends soon; ``to`` get a mail."""
    events.emit(type=EXPIRING, data={**_about(row), "days": days, "to": list(to)})


def _about(row: ApiKey) -> dict[str, Any]:
    """What a mail or webhook says of a key; nothing of its secret."""
    return {
        "key_id": public_id("key", row.id),
        "name": row.name,
        "masked": row.masked,
        "mode": row.mode,
        "personal": row.owner_id is not None,
        "expires_at": row.expires_at and row.expires_at.isoformat(),
        "expires_on": f"{row.expires_at:%-d %B %Y}" if row.expires_at else "",
    }
