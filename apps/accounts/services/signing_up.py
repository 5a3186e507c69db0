"""Making people: by sign-up with a company of their own, by the operator's command line. Runs as the edge."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.contrib.auth import password_validation
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from apps.accounts import errors, naming
from apps.accounts.models import Membership, User
from apps.accounts.permissions import Role
from apps.accounts.services import sessions
from apps.audit import services as audit
from apps.core import request_context, throttle
from apps.core.scope import SystemRole
from tenants import services as tenants
from tenants.context import system_scope
from tenants.errors import SlugTaken
from tenants.models import Tenant

INVITATION_DAYS: Final = 7
SIGN_UPS: Final = throttle.Limit("sign-up", 10, 3600)
_INVITATION_SALT: Final = "almanac.accounts.invitation"


def sign_up(
    *, company: str, email: str, password: str, address: str = "", invitation: str = ""
) -> tuple[User, Tenant]:
    """Make a person and the tenant they own, in one transaction; runs as the edge.

    ``address`` is the tenant's part of the host name; empty derives it from the company's name. Raises a
    ``SignUpRefused`` that names the form field to change, ``SignUpClosed``, ``InvitationNeeded``,
    ``TooManyAttempts``, or the tenants' ``NoSchemaReady``.
    """
    _check_door(email, invitation)
    name = naming.clean_company(company)
    slug = naming.check_address(address or naming.derive_address(name))
    email = clean_email(email)
    check_password(password, email)
    sessions.count(SIGN_UPS, "sign-ups from your network", throttle.network_of(request_context.current().ip))
    return _register(name, slug, email, password)


def create_owner(*, company: str, address: str, email: str, password: str) -> tuple[User, Tenant]:
    """As ``sign_up``, for the command line: no throttle, no invitation; the password is taken as it is."""
    slug = naming.check_address(address)
    return _register(naming.clean_company(company), slug, clean_email(email), password)


def create_operator(*, email: str, password: str) -> User:
    """Make a person who may use the operator's console and belongs to no tenant; ``EmailTaken`` if there is
    one. Runs as the operator: the database lets the edge make none."""
    with system_scope(SystemRole.OPERATOR), transaction.atomic():
        user = create_user(clean_email(email), password, is_operator=True)
        audit.record(
            action="operator.created",
            target_type="user",
            target_id=str(user.id),
            personal={"email": user.email},
        )
    return user


def invite_to_sign_up(*, email: str) -> str:
    """A token with which that e-mail address may sign up where ``SIGNUP=invite``; good for 7 days and one
    account."""
    return signing.dumps(clean_email(email), salt=_INVITATION_SALT)


def clean_email(email: str) -> str:
    """The address in lower case without spaces around it; ``EmailMalformed`` if it is none."""
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise errors.EmailMalformed(email=email[:80]) from None
    if len(email) > 254 or not email.isascii():
        raise errors.EmailMalformed(email=email[:80])
    return email


def check_password(password: str, email: str) -> None:
    """``PasswordRefused`` with all reasons, where the installation's rules do not take the password."""
    try:
        password_validation.validate_password(password, User(email=email))
    except ValidationError as refusal:
        raise errors.PasswordRefused(reasons=" ".join(refusal.messages)) from None


def create_user(email: str, password: str, *, name: str = "", is_operator: bool = False) -> User:
    """A person, inside another use case's transaction; ``EmailTaken`` where there is one, also at the same moment."""
    user = User(email=email, name=name, is_operator=is_operator)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        raise errors.EmailTaken(email=email) from None
    return user


def _check_door(email: str, invitation: str) -> None:
    if settings.SIGNUP == "closed":
        raise errors.SignUpClosed
    if settings.SIGNUP != "invite":
        return
    if not invitation:
        raise errors.InvitationNeeded(reason="New accounts are by invitation only.")
    try:
        invited = signing.loads(invitation, salt=_INVITATION_SALT, max_age=INVITATION_DAYS * 86_400)
    except signing.SignatureExpired:
        raise errors.InvitationNeeded(
            reason=f"This invitation is older than {INVITATION_DAYS} days."
        ) from None
    except signing.BadSignature:
        raise errors.InvitationNeeded(
            reason="This invitation is not whole: was a part of the link lost?"
        ) from None
    if invited != email.strip().lower():
        raise errors.InvitationNeeded(reason="This invitation is for another e-mail address.")


def _register(company: str, slug: str, email: str, password: str) -> tuple[User, Tenant]:
    try:
        with transaction.atomic():
            user = create_user(email, password)
            with request_context.act_as(sessions.actor_of(user)):
                tenant = tenants.claim(name=company, slug=slug)
                Membership.objects.create(tenant_id=tenant.id, user=user, role=Role.OWNER)
                _record_sign_up(user, tenant)
    except SlugTaken:
        raise errors.AddressTaken(address=slug, suggestion=naming.next_address(slug)) from None
    return user, tenant


def _record_sign_up(user: User, tenant: Tenant) -> None:
    audit.record(
        action="user.signed_up",
        target_type="user",
        target_id=str(user.id),
        changes={"role": Role.OWNER.value},
        personal={"email": user.email},
        tenant_id=tenant.id,
    )
