"""Reads about people and memberships."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.utils import timezone

from apps.accounts.models import Invitation, LogIn, Membership, PasswordReset, User
from apps.accounts.permissions import Role
from apps.core.errors import NotFound
from apps.core.ids import public_id
from tenants.models import Tenant, TenantState

OPEN_STATES = (TenantState.ACTIVE, TenantState.SUSPENDED, TenantState.CREATING, TenantState.DELETING)


@dataclass(frozen=True, slots=True)
class Seat:
    """What a request on a tenant's host rests on: the membership, and whether the log-in still stands.

    ``log_in_seen_at`` is when that log-in was last seen, to the minute.
    """

    membership: Membership | None
    alive: bool
    log_in_seen_at: datetime | None


def find_user(*, email: str) -> User | None:
    """The person with that e-mail address, however it is capitalised."""
    return User.objects.filter(email=email.strip().lower()).first()


def find_active_user(*, user_id: uuid.UUID) -> User | None:
    """The person of that id, unless an operator has blocked the account."""
    return User.objects.filter(id=user_id, is_active=True).first()


def find_membership(*, user_id: uuid.UUID, tenant_id: uuid.UUID) -> Membership | None:
    """What the person is in that tenant."""
    return Membership.objects.filter(user_id=user_id, tenant_id=tenant_id).first()


def find_seat(*, user_id: uuid.UUID, tenant_id: uuid.UUID, log_in_session: str) -> Seat:
    """The membership, and the log-in behind the tenant host's session: one statement."""
    session = Session.objects.filter(session_key=log_in_session, expire_date__gt=timezone.now())
    log_in = LogIn.objects.filter(session_key=log_in_session).values("seen_at")
    seats = Membership.objects.filter(user_id=user_id, tenant_id=tenant_id)
    seat = seats.annotate(alive=Exists(session), log_in_seen_at=Subquery(log_in[:1])).first()
    if seat is None:
        return Seat(None, False, None)
    return Seat(seat, seat.alive, seat.log_in_seen_at)


def list_memberships(*, user_id: uuid.UUID) -> QuerySet[Membership]:
    """All memberships of a person, oldest first. Runs as the edge, which sees every tenant's."""
    return Membership.objects.filter(user_id=user_id).order_by("created_at", "id")


def list_tenants_of(*, user_id: uuid.UUID) -> list[tuple[Tenant, Membership]]:
    """The tenants of a person that are not gone, by slug, each with the membership. Runs as the edge."""
    memberships = {membership.tenant_id: membership for membership in list_memberships(user_id=user_id)}
    tenants = Tenant.objects.filter(id__in=memberships, state__in=OPEN_STATES).order_by("slug")
    return [(tenant, memberships[tenant.id]) for tenant in tenants]


def list_choices_of(*, user_id: uuid.UUID) -> list[Tenant]:
    """As ``list_tenants_of``, for the switcher: one statement, ``role`` on each tenant. Runs as the edge."""
    seats = Membership.objects.filter(user_id=user_id)
    role = seats.filter(tenant_id=OuterRef("id")).values("role")[:1]
    mine = Tenant.objects.filter(id__in=seats.values("tenant_id"), state__in=OPEN_STATES)
    return list(mine.annotate(role=Subquery(role)).order_by("slug"))


def list_owner_emails(*, tenant_id: uuid.UUID) -> list[str]:
    """The addresses of a tenant's owners who are not blocked, in order. Runs as the edge."""
    owners = Membership.objects.filter(tenant_id=tenant_id, role=Role.OWNER).values("user_id")
    people = User.objects.filter(id__in=owners, is_active=True).order_by("email")
    return list(people.values_list("email", flat=True))


def list_members() -> list[tuple[User, Membership]]:
    """The people of the tenant in scope with their roles, by e-mail; of a person only id, e-mail and name are
    read."""
    seats = {seat.user_id: seat for seat in Membership.objects.order_by("id")}
    people = User.objects.filter(id__in=seats).only("id", "email", "name").order_by("email")
    return [(person, seats[person.id]) for person in people]


def list_seats() -> QuerySet[Membership]:
    """The memberships of the tenant in scope with e-mail and name of the ``user``, newest first."""
    seats = Membership.objects.select_related("user").order_by("-created_at", "-id")
    return seats.only("tenant_id", "role", "created_at", "seen_at", "user__email", "user__name")


def get_seat(*, member_id: uuid.UUID) -> Membership:
    """A membership of the tenant in scope, as ``list_seats`` gives it; raises ``NotFound``."""
    seat = list_seats().filter(id=member_id).first()
    if seat is None:
        raise NotFound(what="member", name=public_id("mem", member_id))
    return seat


def list_invitations(*, all_states: bool = True) -> QuerySet[Invitation]:
    """The invitations of the tenant in scope, newest first; without ``all_states`` those that may still be accepted,
    or sent again."""
    rows = Invitation.objects.order_by("-created_at", "-id")
    return rows if all_states else rows.filter(accepted_at=None, revoked_at=None)


def find_invitation(*, invitation_id: uuid.UUID) -> Invitation | None:
    """An invitation that the scope may see: the tenant's own, or any for the edge."""
    return Invitation.objects.filter(id=invitation_id).first()


def get_invitation(*, invitation_id: uuid.UUID) -> Invitation:
    """As ``find_invitation``; raises ``NotFound``."""
    invitation = find_invitation(invitation_id=invitation_id)
    if invitation is None:
        raise NotFound(what="invitation", name=public_id("inv", invitation_id))
    return invitation


def list_log_ins(*, user_id: uuid.UUID) -> QuerySet[LogIn]:
    """The log-ins of a person whose session still lives, last seen first. Runs as the edge."""
    session = Session.objects.filter(session_key=OuterRef("session_key"), expire_date__gt=timezone.now())
    return LogIn.objects.filter(Exists(session), user_id=user_id).order_by("-seen_at", "-id")


def find_log_in(*, user_id: uuid.UUID, log_in_id: uuid.UUID) -> LogIn | None:
    """One log-in of the person."""
    return LogIn.objects.filter(user_id=user_id, id=log_in_id).first()


def find_reset(*, reset_id: uuid.UUID) -> PasswordReset | None:
    """A wish for a new password that is still good. Runs as the edge."""
    good = PasswordReset.objects.filter(used_at=None, expires_at__gt=timezone.now(), user__is_active=True)
    return good.select_related("user").filter(id=reset_id).first()


def emails_of(*, user_ids: set[uuid.UUID]) -> dict[uuid.UUID, str]:
    """E-mail addresses of people, for lists that show who did something; unknown ids are left out."""
    return dict(User.objects.filter(id__in=user_ids).values_list("id", "email"))
