"""Reads about people and memberships."""

from __future__ import annotations

import uuid

from django.contrib.sessions.models import Session
from django.db.models import Exists, QuerySet
from django.utils import timezone

from apps.accounts.models import Membership, User
from tenants.models import Tenant, TenantState


def find_user(*, email: str) -> User | None:
    """The person with that e-mail address, however it is capitalised."""
    return User.objects.filter(email=email.strip().lower()).first()


def find_active_user(*, user_id: uuid.UUID) -> User | None:
    """The person of that id, unless an operator has blocked the account."""
    return User.objects.filter(id=user_id, is_active=True).first()


def find_membership(*, user_id: uuid.UUID, tenant_id: uuid.UUID) -> Membership | None:
    """What the person is in that tenant."""
    return Membership.objects.filter(user_id=user_id, tenant_id=tenant_id).first()


def find_seat(
    *, user_id: uuid.UUID, tenant_id: uuid.UUID, log_in_session: str
) -> tuple[Membership | None, bool]:
    """The membership, and whether the log-in behind the tenant host's session still stands: one statement."""
    log_in = Session.objects.filter(session_key=log_in_session, expire_date__gt=timezone.now())
    seats = Membership.objects.filter(user_id=user_id, tenant_id=tenant_id).annotate(alive=Exists(log_in))
    seat = seats.first()
    return seat, bool(seat and seat.alive)


def list_memberships(*, user_id: uuid.UUID) -> QuerySet[Membership]:
    """All memberships of a person, oldest first. Runs as the edge, which sees every tenant's."""
    return Membership.objects.filter(user_id=user_id).order_by("created_at", "id")


def list_tenants_of(*, user_id: uuid.UUID) -> list[tuple[Tenant, Membership]]:
    """The tenants that a person can enter (or that are suspended), by slug, each with the membership."""
    memberships = {membership.tenant_id: membership for membership in list_memberships(user_id=user_id)}
    open_states = [TenantState.ACTIVE, TenantState.SUSPENDED, TenantState.CREATING]
    tenants = Tenant.objects.filter(id__in=memberships, state__in=open_states).order_by("slug")
    return [(tenant, memberships[tenant.id]) for tenant in tenants]


def list_members() -> list[tuple[User, Membership]]:
    """The people of the tenant in scope with their roles, by e-mail; of a person only id, e-mail and name are
    read."""
    seats = {seat.user_id: seat for seat in Membership.objects.order_by("id")}
    people = User.objects.filter(id__in=seats).only("id", "email", "name").order_by("email")
    return [(person, seats[person.id]) for person in people]


def emails_of(*, user_ids: set[uuid.UUID]) -> dict[uuid.UUID, str]:
    """E-mail addresses of people, for lists that show who did something; unknown ids are left out."""
    return dict(User.objects.filter(id__in=user_ids).values_list("id", "email"))
