"""Who belongs to a tenant, as what. Runs in the tenant's scope, so that no other tenant's people can be meant."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.accounts import errors, queries
from apps.accounts.models import Invitation, Membership
from apps.accounts.permissions import GRANTABLE, GRANTABLE_BY_KEY, Role
from apps.audit import services as audit
from apps.core.errors import Forbidden, NotFound
from apps.core.ids import public_id


@dataclass(frozen=True, slots=True)
class Authority:
    """On whose word people are let in and out: a member's (``user_id``), a key's, or both for a personal key.

    A key without a person counts as an admin; no key ever touches an owner.
    """

    user_id: uuid.UUID | None = None
    by_key: bool = False


def change_role(*, member_id: uuid.UUID, role: str, by: Authority) -> Membership:
    """Give a member another role; the same role changes nothing.

    Raises ``NotFound``, ``RoleUnknown``, ``RoleNotYours`` and ``LastOwner``.
    """
    wanted = known_role(role)
    with transaction.atomic():
        seats = _lock(member_id, by)
        seat, grantable = seats.get(member_id), _grantable(seats, by)
        _check_mine(seat.role, grantable)
        _check_mine(wanted, grantable)
        before = seat.role
        if before != wanted:
            _keep_an_owner(seats, seat, wanted)
            Membership.objects.filter(id=seat.id).update(role=wanted)
            seat.role = wanted
            withdrawn = _withdraw(seat.user_id, GRANTABLE[wanted])
            _record("member.role_changed", seat, {"before": before, "after": wanted.value, **withdrawn})
    return seat


def remove(*, member_id: uuid.UUID, by: Authority) -> Membership:
    """End a membership: the person's sessions on the tenant's host and personal keys, which hang on it, are worth
    nothing from the next request on.

    The invitations that they sent are revoked. Raises ``NotFound``, ``RoleNotYours`` and ``LastOwner``.
    """
    with transaction.atomic():
        seats = _lock(member_id, by)
        seat = seats.get(member_id)
        _check_mine(seat.role, _grantable(seats, by))
        _end(seats, seat, "member.removed")
    return seat


def leave(*, user_id: uuid.UUID) -> Membership:
    """End one's own membership; raises ``LastOwner`` and ``NotFound``."""
    with transaction.atomic():
        seats = _lock(None, Authority(user_id=user_id))
        seat = seats.of(user_id)
        _end(seats, seat, "member.left")
    return seat


def transfer_ownership(*, owner_id: uuid.UUID, member_id: uuid.UUID, stay_owner: bool = False) -> Membership:
    """Make a member an owner, and the owner ``owner_id`` an admin unless they stay one.

    The caller has asked for the password. Raises ``RoleNotYours`` where ``owner_id`` is no owner (any more), and
    ``NotFound``.
    """
    with transaction.atomic():
        seats = _lock(member_id, Authority(user_id=owner_id))
        owner, heir = seats.of(owner_id), seats.get(member_id)
        if owner.role != Role.OWNER:
            raise errors.RoleNotYours(role=Role.OWNER.value)
        if heir.id == owner.id:
            return heir
        changes: dict[str, Any] = {"before": heir.role, "stays_owner": stay_owner}
        Membership.objects.filter(id=heir.id).update(role=Role.OWNER)
        heir.role = Role.OWNER
        if not stay_owner:
            Membership.objects.filter(id=owner.id).update(role=Role.ADMIN)
            changes |= _withdraw(owner.user_id, GRANTABLE[Role.ADMIN])
        _record("ownership.transferred", heir, {**changes, "from": str(owner.user_id)})
    return heir


def grantable(by: Authority) -> frozenset[Role]:
    """The roles that ``by`` may give and take; raises ``Forbidden`` for somebody who is no member (any more)."""
    own = Membership.objects.filter(user_id=by.user_id) if by.user_id else Membership.objects.none()
    return _grantable(_Seats(list(own)), by)


def known_role(role: str) -> Role:
    """``role`` as one of the table's; raises ``RoleUnknown``."""
    try:
        return Role(role)
    except ValueError:
        raise errors.RoleUnknown(role=str(role)[:30], known=", ".join(Role)) from None


class _Seats:
    """The memberships that a change is about, locked."""

    def __init__(self, rows: list[Membership]) -> None:
        self.rows = rows

    def get(self, member_id: uuid.UUID) -> Membership:
        seat = next((row for row in self.rows if row.id == member_id), None)
        if seat is None:
            raise NotFound(what="member", name=public_id("mem", member_id))
        return seat

    def of(self, user_id: uuid.UUID) -> Membership:
        seat = next((row for row in self.rows if row.user_id == user_id), None)
        if seat is None:
            raise NotFound(what="member", name=public_id("usr", user_id))
        return seat


def _lock(member_id: uuid.UUID | None, by: Authority) -> _Seats:
    """All owners, the one who acts and the one it is about, in one order: two changes at the same moment follow each
    other, and the second sees what the first made of it."""
    wanted = Q(role=Role.OWNER) | Q(id=member_id) | Q(user_id=by.user_id)
    return _Seats(list(Membership.objects.select_for_update().filter(wanted).order_by("id")))


def _grantable(seats: _Seats, by: Authority) -> frozenset[Role]:
    if by.user_id is None:
        return GRANTABLE_BY_KEY
    acting = next((row for row in seats.rows if row.user_id == by.user_id), None)
    if acting is None:
        raise Forbidden(permission="members:manage")
    own = GRANTABLE[Role(acting.role)]
    return own & GRANTABLE_BY_KEY if by.by_key else own


def _check_mine(role: str, grantable: frozenset[Role]) -> None:
    if not grantable:
        raise Forbidden(permission="members:manage")
    if role not in grantable:
        raise errors.RoleNotYours(role=str(role))


def _keep_an_owner(seats: _Seats, seat: Membership, role: Role | None) -> None:
    others = [row for row in seats.rows if row.role == Role.OWNER and row.id != seat.id]
    if seat.role == Role.OWNER and role != Role.OWNER and not others:
        raise errors.LastOwner(email=_email(seat))


def _end(seats: _Seats, seat: Membership, action: str) -> None:
    _keep_an_owner(seats, seat, None)
    _record(action, seat, {"role": seat.role, **_withdraw(seat.user_id, frozenset())})
    Membership.objects.filter(id=seat.id).delete()


def _withdraw(user_id: uuid.UUID, grantable: frozenset[Role]) -> dict[str, Any]:
    """End the invitations of a person that they could not send any more, so that nobody comes back by one."""
    sent = Invitation.objects.filter(invited_by=user_id, accepted_at=None, revoked_at=None)
    ended = list(sent.exclude(role__in=grantable).values_list("id", flat=True))
    Invitation.objects.filter(id__in=ended).update(revoked_at=timezone.now())
    return {"invitations_revoked": [str(each) for each in ended]} if ended else {}


def _email(seat: Membership) -> str:
    return queries.emails_of(user_ids={seat.user_id}).get(seat.user_id, "")


def _record(action: str, seat: Membership, changes: dict[str, Any]) -> None:
    audit.record(
        action=action,
        target_type="user",
        target_id=str(seat.user_id),
        changes=changes,
        personal={"email": _email(seat)},
    )
