"""Nobody hands on more than they have: what a person or a key may put into a key that they make or change."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.api_keys import networks
from apps.api_keys.errors import BeyondCeiling, KeyNotYours, ScopeNotYours
from apps.api_keys.models import ApiKey
from apps.api_keys.principal import Principal


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What the one who asks may hand on. A person is held to their role's permissions; a key also to its own mode,
    networks, rate, budget and end. ``person_id`` is whom a personal key would belong to, ``membership_id`` their
    place in the tenant; ``personal``: every key that is made must be personal."""

    scopes: frozenset[str]
    person_id: uuid.UUID | None = None
    membership_id: uuid.UUID | None = None
    personal: bool = False
    test_only: bool = False
    networks: Sequence[str] = ()
    requests_per_minute: int | None = None
    points_per_month: int | None = None
    ends_at: datetime | None = None

    def check_scopes(self, scopes: Iterable[str]) -> None:
        """Raises ``ScopeNotYours``."""
        for name in sorted(set(scopes) - self.scopes):
            raise ScopeNotYours(scope=name)

    def check_mode(self, mode: str) -> None:
        """A test key makes no live one, or somebody would pay."""
        if self.test_only and mode != "test":
            raise BeyondCeiling(field="mode", what="A test key can only make test keys.")

    def check_networks(self, wanted: Sequence[str]) -> None:
        """A key that is bound to networks makes none that is not."""
        if not networks.lie_within(wanted, self.networks):
            raise BeyondCeiling(
                field="networks",
                what="The key that asks may hand on only networks that it is allowed itself.",
            )

    def check_rate(self, wanted: int | None) -> None:
        """No more calls than its own."""
        _check_number("requests_per_minute", wanted, self.requests_per_minute)

    def check_budget(self, wanted: int | None) -> None:
        """No larger budget than its own."""
        _check_number("points_per_month", wanted, self.points_per_month)

    def check_end(self, expires_at: datetime | None) -> None:
        """No later end than its own."""
        if self.ends_at is not None and (expires_at is None or expires_at > self.ends_at):
            raise BeyondCeiling(
                field="expires_at",
                what=f"The key that asks ends on {self.ends_at:%Y-%m-%d at %H:%M} UTC, and can make none that "
                "lasts longer.",
            )

    def check_owner(self, key: ApiKey) -> None:
        """A personal key is changed and rotated by its owner alone."""
        if key.owner_id is not None and key.owner_id != self.person_id:
            raise KeyNotYours(name=key.name)


def of_person(
    permissions: Iterable[str], *, person_id: uuid.UUID, membership_id: uuid.UUID | None = None
) -> Ceiling:
    """A member's: what their role includes."""
    return Ceiling(scopes=frozenset(permissions), person_id=person_id, membership_id=membership_id)


def of_key(principal: Principal) -> Ceiling:
    """A key's: what it may itself, and what it makes lives no longer than it."""
    return Ceiling(
        scopes=principal.scopes,
        person_id=principal.owner_id,
        membership_id=principal.membership_id,
        personal=principal.owner_id is not None,
        test_only=principal.mode == "test",
        networks=[str(network) for network in principal.networks],
        requests_per_minute=principal.requests_per_minute,
        points_per_month=principal.points_per_month,
        ends_at=principal.expires_at,
    )


def _check_number(field: str, wanted: int | None, limit: int | None) -> None:
    if limit is not None and (wanted is None or wanted > limit):
        raise BeyondCeiling(
            field=field, what=f"The key that asks has {limit} itself, and can hand on no more."
        )
