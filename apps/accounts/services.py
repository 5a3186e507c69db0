"""Use cases of people: sign up, log in and out, pass from the bare host to a tenant's host."""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from dataclasses import dataclass
from typing import Any, Final, cast

import redis as redis_package
from django.conf import settings
from django.contrib import auth
from django.contrib.auth import password_validation
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from apps.accounts import errors, naming, queries
from apps.accounts.models import Membership, User
from apps.accounts.permissions import Role
from apps.audit import services as audit
from apps.core import redis, request_context, throttle
from apps.core.cache import cache_key
from apps.core.request_context import Actor
from tenants import services as tenants
from tenants.errors import SlugTaken
from tenants.models import Tenant

HOST_CODE_SECONDS: Final = 30
INVITATION_DAYS: Final = 7
SIGN_UPS: Final = throttle.Limit("sign-up", 10, 3600)
LOG_INS_OF_ACCOUNT: Final = throttle.Limit("log-in-account", 5, 300)
LOG_INS_OF_NETWORK: Final = throttle.Limit("log-in-network", 60, 900)
LOG_IN_SESSION: Final = "log_in_session"
_INVITATION_SALT: Final = "almanac.accounts.invitation"


@dataclass(frozen=True, slots=True)
class HostPass:
    """What a host code stands for: the person, and the session of the log-in on the bare host."""

    user: User
    log_in_session: str


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
    _count(SIGN_UPS, "sign-ups from your network", throttle.network_of(request_context.current().ip))
    return _register(name, slug, email, password)


def create_owner(*, company: str, address: str, email: str, password: str) -> tuple[User, Tenant]:
    """As ``sign_up``, for the command line: no throttle, no invitation; the password is taken as it is."""
    slug = naming.check_address(address)
    return _register(naming.clean_company(company), slug, clean_email(email), password)


def create_operator(*, email: str, password: str) -> User:
    """Make a person who may use the operator's console and belongs to no tenant; ``EmailTaken`` if there is
    one."""
    with transaction.atomic():
        user = _create_user(clean_email(email), password, is_operator=True)
        audit.record(
            action="operator.created",
            target_type="user",
            target_id=str(user.id),
            changes={"email": user.email},
        )
    return user


def invite_to_sign_up(*, email: str) -> str:
    """A token with which that e-mail address may sign up where ``SIGNUP=invite``; good for 7 days and one
    account."""
    return signing.dumps(clean_email(email), salt=_INVITATION_SALT)


def log_in(*, request: HttpRequest, email: str, password: str) -> User:
    """Check the password and open a new session.

    Unknown e-mail, wrong password and blocked account answer alike.

    Raises ``CredentialsWrong`` or ``TooManyAttempts`` (per account and network, and per network).
    """
    email, network = email.strip().lower()[:254], throttle.network_of(request_context.current().ip)
    _count(LOG_INS_OF_NETWORK, "attempts to log in", network)
    _count(LOG_INS_OF_ACCOUNT, "attempts to log in", email, network)
    user = auth.authenticate(request, username=email, password=password)
    if user is None:
        raise errors.CredentialsWrong
    throttle.forget(LOG_INS_OF_ACCOUNT, email, network)
    open_session(request=request, user=user)
    return user


def open_session(*, request: HttpRequest, user: User) -> None:
    """Log ``user`` in on this host, with a session key that nobody knew before."""
    request.session.flush()
    auth.login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])


def log_out(*, request: HttpRequest) -> None:
    """End this session and the log-in on the bare host behind it, and with that the sessions on all tenants'
    hosts."""
    log_in_session = request.session.get(LOG_IN_SESSION)
    if log_in_session:
        type(request.session)().delete(log_in_session)
    auth.logout(request)


def issue_host_code(*, user: User, host: str, log_in_session: str, state: str) -> str:
    """A code that opens one session for ``user`` on ``host``: once, within 30 s, in the browser that holds
    ``state``."""
    code = secrets.token_urlsafe(32)
    content = {"user": str(user.id), "host": host, "session": log_in_session, "state": _digest(state)}
    try:
        redis.client().set(_code_key(code), json.dumps(content), ex=HOST_CODE_SECONDS)
    except redis_package.RedisError as error:
        raise errors.LogInUnavailable from error
    return code


def redeem_host_code(*, code: str, host: str, state: str) -> HostPass:
    """Use up a host code. Raises ``HostCodeInvalid`` if it was used, is too old, or belongs to another host
    or browser."""
    try:
        content = redis.client().getdel(_code_key(code))
    except redis_package.RedisError as error:
        raise errors.LogInUnavailable from error
    known: dict[str, Any] = json.loads(cast("str", content)) if content else {}
    matches = (
        secrets.compare_digest(str(known.get("state", "")), _digest(state)) and known.get("host") == host
    )
    user = queries.find_active_user(user_id=uuid.UUID(known["user"])) if matches else None
    if user is None:
        raise errors.HostCodeInvalid
    return HostPass(user=user, log_in_session=known["session"])


def enter_tenant(*, request: HttpRequest, tenant: Tenant, code: str, host: str, state: str) -> User:
    """Open the session on a tenant's host for a host code; it ends with the log-in. Runs as the edge."""
    host_pass = redeem_host_code(code=code, host=host, state=state)
    user = host_pass.user
    if queries.find_membership(user_id=user.id, tenant_id=tenant.id) is None:
        raise errors.HostCodeInvalid
    with transaction.atomic(), request_context.act_as(actor_of(user)):
        open_session(request=request, user=user)
        request.session[LOG_IN_SESSION] = host_pass.log_in_session
        audit.record(action="user.logged_in", target_type="user", target_id=str(user.id), tenant_id=tenant.id)
    return user


def actor_of(user: User) -> Actor:
    """How the audit log and the ledger name a person."""
    return Actor(type="user", id=str(user.id), label=user.email)


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
            user = _create_user(email, password)
            with request_context.act_as(actor_of(user)):
                tenant = tenants.claim(name=company, slug=slug)
                Membership.objects.create(tenant_id=tenant.id, user=user, role=Role.OWNER)
                _record_sign_up(user, tenant)
    except SlugTaken:
        raise errors.AddressTaken(address=slug, suggestion=naming.next_address(slug)) from None
    return user, tenant


def _create_user(email: str, password: str, *, is_operator: bool = False) -> User:
    user = User(email=email, is_operator=is_operator)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        raise errors.EmailTaken(email=email) from None
    return user


def _record_sign_up(user: User, tenant: Tenant) -> None:
    changes = {"email": user.email, "role": Role.OWNER.value}
    audit.record(
        action="user.signed_up",
        target_type="user",
        target_id=str(user.id),
        changes=changes,
        tenant_id=tenant.id,
    )


def _count(limit: throttle.Limit, what: str, *subject: str) -> None:
    wait = throttle.hit(limit, *subject)
    if wait > 0:
        raise errors.TooManyAttempts(
            what=what, wait=throttle.in_words(wait), retry_after_seconds=int(wait) + 1
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _code_key(code: str) -> str:
    return cache_key(None, "host-code", _digest(code))
