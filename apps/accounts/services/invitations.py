"""Invitations: sent, sent again and revoked in the tenant's scope; opened and accepted on the bare host, as the edge."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.core import signing
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts import errors, queries
from apps.accounts.models import Invitation, Membership, User
from apps.accounts.services import members, sessions, signing_up
from apps.accounts.services.members import Authority
from apps.audit import services as audit
from apps.core import request_context, scope, throttle
from apps.core.errors import AppError
from apps.events import services as events
from tenants import queries as tenants
from tenants.models import Tenant, TenantState

DAYS: Final = 7
LONGEST_DAYS: Final = 30
AT_ONCE: Final = 50
OPEN_AT_A_TIME: Final = 500
MESSAGE_LENGTH: Final = 500
SENT: Final = throttle.Limit("invitations-sent", 200, 86_400)
SENT_AGAIN: Final = throttle.Limit("invitation-sent-again", 3, 3600)
ACCEPTED_AS_NEW: Final = throttle.Limit("invitation-accepted", 30, 3600)
CREATED, RESENT = "invitation.created", "invitation.resent"
_CLOSED: Final = {
    TenantState.SUSPENDED: "is suspended",
    TenantState.DELETING: "is about to be deleted",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """What the link of an invitation shows: an open invitation, the tenant, and who invites ('' if unknown)."""

    invitation: Invitation
    tenant: Tenant
    inviter: str


def split_addresses(text: str) -> list[str]:
    """The addresses that somebody typed or pasted, one by one: commas, semicolons and white space part them."""
    return list(
        dict.fromkeys(part.strip("<>").lower() for part in re.split(r"[\s,;]+", text) if part.strip("<>"))
    )


def invite(
    *, emails: Iterable[str], role: str, by: Authority, message: str = "", days: int = DAYS
) -> list[Invitation]:
    """Invite people by e-mail address, all or none, in the tenant's scope; each is sent a link.

    Raises a ``PeopleError`` that names the form field to change, and ``TooManyAttempts``.
    """
    wanted, message, addresses = (
        members.known_role(role),
        _clean_message(message),
        list(dict.fromkeys(emails)),
    )
    _check_days(days)
    if len(addresses) > AT_ONCE:
        raise errors.TooManyInvitees(limit=AT_ONCE, what="people can be invited at once")
    with transaction.atomic():
        if wanted not in members.grantable(by):
            raise errors.RoleNotYours(role=wanted.value)
        addresses = _check_addresses(addresses)
        tenant = tenants.get_tenant(tenant_id=scope.current_tenant().id)
        for _each in addresses:
            sessions.count(SENT, "invitations", str(tenant.id))
        until = timezone.now() + timedelta(days=days)
        shared = {"tenant_id": tenant.id, "role": wanted.value, "message": message, "invited_by": by.user_id}
        rows = [Invitation(email=email, expires_at=until, **shared) for email in addresses]
        return [_store(invitation, tenant) for invitation in rows]


def resend(*, invitation_id: uuid.UUID, by: Authority, days: int = DAYS) -> Invitation:
    """Send an open or expired invitation again, good for ``days`` from now; the earlier link ends.

    Raises ``NotFound``, ``RoleNotYours``, ``InvitationNotOpen``, and ``TooManyAttempts`` after three in an hour.
    """
    _check_days(days)
    with transaction.atomic():
        invitation = _lock(invitation_id, by)
        sessions.count(SENT_AGAIN, "mails for this invitation", str(invitation.id))
        now = timezone.now()
        invitation.number += 1
        invitation.sent_at, invitation.expires_at = now, now + timedelta(days=days)
        invitation.save(update_fields=["number", "sent_at", "expires_at"])
        tenant = tenants.get_tenant(tenant_id=invitation.tenant_id)
        _record(RESENT, invitation, {"expires_at": invitation.expires_at.isoformat()})
        _announce(RESENT, invitation, tenant)
    return invitation


def revoke(*, invitation_id: uuid.UUID, by: Authority) -> Invitation:
    """End an open invitation; its link answers that it was taken back. Raises as ``resend``."""
    with transaction.atomic():
        invitation = _lock(invitation_id, by)
        invitation.revoked_at = timezone.now()
        invitation.save(update_fields=["revoked_at"])
        _record("invitation.revoked", invitation, {})
    return invitation


def token_of(*, invitation_id: uuid.UUID, number: int) -> str:
    """What the link carries: signed, made when it is needed, stored nowhere."""
    return _signer().sign_object([str(invitation_id), number])


def open_offer(*, token: str) -> Offer:
    """What a link leads to, if it can be accepted. Runs as the edge; raises an ``InvitationRefused`` that says why
    not."""
    invitation, number = _read(token)
    tenant = tenants.get_tenant(tenant_id=invitation.tenant_id)
    _check_open(invitation, number, tenant)
    inviter = queries.emails_of(user_ids={invitation.invited_by}) if invitation.invited_by else {}
    return Offer(invitation, tenant, next(iter(inviter.values()), ""))


def accept(*, token: str, user: User) -> Tenant:
    """Make ``user``, whose address was invited, a member; good once, also at the same moment. Runs as the edge.

    Who is a member already stays what they are. Raises an ``InvitationRefused``.
    """
    offer = open_offer(token=token)
    if user.email != offer.invitation.email:
        raise errors.InvitationForAnother(invited=offer.invitation.email, present=user.email)
    with transaction.atomic(), request_context.act_as(sessions.actor_of(user)):
        _take(offer, user)
    return offer.tenant


def accept_as_new(*, token: str, password: str, name: str = "") -> tuple[User, Tenant]:
    """Make the invited person and their membership, in one transaction; needs no open sign-up. Runs as the edge.

    Raises an ``InvitationRefused``, ``PasswordRefused``, ``PersonNameTooLong``, ``EmailTaken`` where there is an
    account by now, and ``TooManyAttempts``.
    """
    offer = open_offer(token=token)
    name = clean_name(name)
    signing_up.check_password(password, offer.invitation.email)
    network = throttle.network_of(request_context.current().ip)
    sessions.count(ACCEPTED_AS_NEW, "new accounts from your network", network)
    with transaction.atomic():
        user = signing_up.create_user(offer.invitation.email, password, name=name)
        with request_context.act_as(sessions.actor_of(user)):
            _take(offer, user)
    return user, offer.tenant


def clean_name(name: str) -> str:
    """A person's name without invisible characters; ``PersonNameTooLong`` beyond 120."""
    kept = "".join(" " if unicodedata.category(each)[0] in "CZ" else each for each in name)
    name = " ".join(unicodedata.normalize("NFC", kept).split())
    if len(name) > 120:
        raise errors.PersonNameTooLong(length=len(name), limit=120)
    return name


def _store(invitation: Invitation, tenant: Tenant) -> Invitation:
    try:
        with transaction.atomic():
            invitation.save(force_insert=True)
    except IntegrityError:  # by somebody else, at the same moment
        raise errors.AlreadyInvited(email=invitation.email) from None
    changes = {"role": invitation.role, "expires_at": invitation.expires_at.isoformat()}
    _record(CREATED, invitation, changes)
    _announce(CREATED, invitation, tenant)
    return invitation


def _check_addresses(addresses: list[str]) -> list[str]:
    """The addresses in their clean form; all faults are told at once. Expired invitations of theirs are closed."""
    seats = {person.email: seat.role for person, seat in queries.list_members()}
    opened = {row.email: row for row in queries.list_invitations(all_states=False)}
    clean, faults = [], []
    for address in addresses:
        try:
            clean.append(_check_address(address, seats, opened))
        except AppError as fault:
            faults.append(fault)
    if len(faults) == 1 and isinstance(faults[0], errors.PeopleError):
        raise faults[0]
    if faults or not clean:
        reasons = " ".join(fault.detail for fault in faults) or "Please give an e-mail address."
        raise errors.InviteesRefused(reasons=reasons)
    if len(clean) + sum(row.state == "pending" for row in opened.values()) > OPEN_AT_A_TIME:
        raise errors.TooManyInvitees(limit=OPEN_AT_A_TIME, what="invitations can be open at a time")
    now = timezone.now()
    expired = Invitation.objects.filter(
        email__in=clean, accepted_at=None, revoked_at=None, expires_at__lte=now
    )
    expired.update(revoked_at=now)
    return list(dict.fromkeys(clean))


def _check_address(address: str, seats: dict[str, str], opened: dict[str, Invitation]) -> str:
    email = signing_up.clean_email(address)
    if email in seats:
        raise errors.AlreadyMember(email=email, role=seats[email])
    if email in opened and opened[email].state == "pending":
        raise errors.AlreadyInvited(email=email)
    return email


def _lock(invitation_id: uuid.UUID, by: Authority) -> Invitation:
    """The open invitation of the tenant in scope, if its role is one that ``by`` may give."""
    queries.get_invitation(invitation_id=invitation_id)
    invitation = Invitation.objects.select_for_update().get(id=invitation_id)
    if invitation.role not in members.grantable(by):
        raise errors.RoleNotYours(role=invitation.role)
    if invitation.state in ("accepted", "revoked"):
        raise errors.InvitationNotOpen(email=invitation.email, state=invitation.state)
    return invitation


def _read(token: str) -> tuple[Invitation, int]:
    try:
        invitation_id, number = _signer().unsign_object(token)
        invitation = queries.find_invitation(invitation_id=uuid.UUID(invitation_id))
    except (signing.BadSignature, ValueError, TypeError):
        raise errors.InvitationUnreadable from None
    if invitation is None:
        raise errors.InvitationUnreadable
    return invitation, number


def _check_open(invitation: Invitation, number: int, tenant: Tenant) -> None:
    company = tenant.name or tenant.slug
    if invitation.accepted_at:
        raise errors.InvitationUsed(company=company)
    if invitation.expires_at <= timezone.now():
        raise errors.InvitationExpired(company=company, until=f"{invitation.expires_at:%-d %B %Y, %H:%M} UTC")
    if invitation.revoked_at:
        raise errors.InvitationRevoked(company=company)
    if tenant.state in _CLOSED:
        raise errors.InvitationToClosed(company=company, reason=_CLOSED[TenantState(tenant.state)])
    if tenant.state != TenantState.ACTIVE:
        raise errors.InvitationUnreadable
    if number != invitation.number:
        raise errors.InvitationReplaced


def _take(offer: Offer, user: User) -> None:
    """Use the invitation up and make the membership; the first of two wins, the row's lock decides."""
    invitation, number, now = offer.invitation, offer.invitation.number, timezone.now()
    opened = Invitation.objects.filter(
        id=invitation.id,
        number=number,
        accepted_at=None,
        revoked_at=None,
        expires_at__gt=now,
    )
    if not opened.update(accepted_at=now, accepted_by=user.id):
        invitation.refresh_from_db()
        _check_open(invitation, number, offer.tenant)
        raise errors.InvitationReplaced
    _seat(invitation, user)
    _record("invitation.accepted", invitation, {"role": invitation.role})


def _seat(invitation: Invitation, user: User) -> None:
    """The membership; somebody who has one by now keeps it as it is."""
    seat = Membership(tenant_id=invitation.tenant_id, user=user, role=invitation.role)
    Membership.objects.bulk_create([seat], ignore_conflicts=True)


def _clean_message(message: str) -> str:
    message = message.replace("\r\n", "\n").replace("\0", "").strip()
    if len(message) > MESSAGE_LENGTH:
        raise errors.MessageTooLong(length=len(message), limit=MESSAGE_LENGTH)
    return message


def _check_days(days: int) -> None:
    if not 1 <= days <= LONGEST_DAYS:
        raise errors.ExpiryOutOfRange(days=days, limit=LONGEST_DAYS)


def _announce(event: str, invitation: Invitation, tenant: Tenant) -> None:
    inviter = queries.emails_of(user_ids={invitation.invited_by}) if invitation.invited_by else {}
    events.emit(
        type=event,
        tenant_id=tenant.id,
        data={
            "to": [invitation.email],
            "company": tenant.name or tenant.slug,
            "inviter": next(iter(inviter.values()), ""),
            "role": invitation.role,
            "message": invitation.message,
            "invitation_id": str(invitation.id),
            "number": invitation.number,
            "expires_at": f"{invitation.expires_at:%-d %B %Y, %H:%M} UTC",
        },
    )


def _record(action: str, invitation: Invitation, changes: dict[str, Any]) -> None:
    audit.record(
        action=action,
        target_type="invitation",
        target_id=str(invitation.id),
        changes=changes,
        personal={"email": invitation.email},
        tenant_id=invitation.tenant_id,
    )


def _signer() -> signing.Signer:
    return signing.Signer(sep=".", salt="almanac.accounts.member-invitation")
