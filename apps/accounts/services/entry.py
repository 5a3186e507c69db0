"""Log in and out, and pass from the bare host to a tenant's host."""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from dataclasses import dataclass
from typing import Any, Final, cast

import redis as redis_package
from django.contrib import auth
from django.db import transaction
from django.http import HttpRequest

from apps.accounts import errors, queries
from apps.accounts.models import User
from apps.accounts.services import sessions
from apps.audit import services as audit
from apps.core import redis, request_context, throttle
from apps.core.cache import cache_key
from tenants.models import Tenant

HOST_CODE_SECONDS: Final = 30
LOG_INS_OF_ACCOUNT: Final = throttle.Limit("log-in-account", 5, 300)
LOG_INS_OF_NETWORK: Final = throttle.Limit("log-in-network", 60, 900)
_THROTTLED_TOLD: Final = throttle.Limit("log-in-throttled-told", 1, 300)
LOG_IN_SESSION: Final = "log_in_session"
SEAT: Final = "seat"


@dataclass(frozen=True, slots=True)
class HostPass:
    """What a host code stands for: the person, and the session of the log-in on the bare host."""

    user: User
    log_in_session: str


def log_in(*, request: HttpRequest, email: str, password: str) -> User:
    """Check the password and open a new session.

    Unknown e-mail, wrong password and blocked account answer alike.

    Raises ``CredentialsWrong`` or ``TooManyAttempts`` (per account and network, and per network).
    """
    email, network = email.strip().lower()[:254], throttle.network_of(request_context.current().ip)
    try:
        sessions.count(LOG_INS_OF_NETWORK, "attempts to log in", network)
        sessions.count(LOG_INS_OF_ACCOUNT, "attempts to log in", email, network)
    except errors.TooManyAttempts:
        _record_refusal("user.log_in_throttled", email, network)
        raise
    user = auth.authenticate(request, username=email, password=password)
    if user is None:
        _record_refusal("user.log_in_failed", email, network)
        raise errors.CredentialsWrong
    throttle.forget(LOG_INS_OF_ACCOUNT, email, network)
    with transaction.atomic(), request_context.act_as(sessions.actor_of(user)):
        sessions.open_log_in(request=request, user=user)
        audit.record(action="user.logged_in", target_type="user", target_id=str(user.id))
    return user


def log_out(*, request: HttpRequest) -> None:
    """End this session and the log-in on the bare host behind it, and with that the sessions on all tenants'
    hosts."""
    tenant: Tenant | None = request.tenant  # type: ignore[attr-defined]
    if request.user.is_authenticated:
        audit.record(
            action="user.logged_out",
            target_type="user",
            target_id=str(request.user.id),
            tenant_id=tenant.id if tenant else None,
        )
    sessions.end_session(request=request, log_in_session=request.session.get(LOG_IN_SESSION, ""))


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
    """Open the session on a tenant's host for a host code; it ends with the log-in, and with the membership.
    Runs as the edge."""
    host_pass = redeem_host_code(code=code, host=host, state=state)
    user = host_pass.user
    membership = queries.find_membership(user_id=user.id, tenant_id=tenant.id)
    if membership is None:
        raise errors.HostCodeInvalid
    with transaction.atomic(), request_context.act_as(sessions.actor_of(user)):
        sessions.open_session(request=request, user=user)
        request.session[LOG_IN_SESSION] = host_pass.log_in_session
        request.session[SEAT] = str(membership.id)
        audit.record(action="user.logged_in", target_type="user", target_id=str(user.id), tenant_id=tenant.id)
    return user


def _record_refusal(action: str, email: str, network: str) -> None:
    """Note in the instance's own log that somebody was not let in, whether or not there is such an account; of those
    who are told to wait, one row in five minutes and network, or they could fill the log.

    What was typed is kept only where it is somebody's address: it may be a password in the wrong field.
    """
    if action == "user.log_in_throttled" and throttle.hit(_THROTTLED_TOLD, network) > 0:
        return
    user = queries.find_user(email=email)
    audit.record(
        action=action,
        target_type="user",
        target_id=str(user.id) if user else "",
        personal={"email": email} if user else None,
        outcome="failure",
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _code_key(code: str) -> str:
    return cache_key(None, "host-code", _digest(code))
