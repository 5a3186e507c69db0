"""A person's own account: name, password, and a new password by mail. Runs as the edge."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta
from typing import Final

from django.core import signing
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts import errors, queries
from apps.accounts.models import PasswordReset, User
from apps.accounts.services import invitations, sessions, signing_up
from apps.audit import services as audit
from apps.core import request_context, throttle
from apps.events import services as events

RESET_SECONDS: Final = 3600
ANSWER_SECONDS: Final = 0.15  # more than a known address costs
ASKED_OF_ACCOUNT: Final = throttle.Limit("reset-account", 3, 3600)
ASKED_OF_NETWORK: Final = throttle.Limit("reset-network", 20, 3600)
OPENED_OF_NETWORK: Final = throttle.Limit("reset-opened", 60, 3600)
ASKED, CHANGED = "password_reset.requested", "password.changed"


def rename_person(*, user: User, name: str) -> User:
    """Change how a person is called; '' is possible. Raises ``PersonNameTooLong``."""
    name = invitations.clean_name(name)
    with transaction.atomic():
        before, user.name = user.name, name
        user.save(update_fields=["name"])
        if before != name:
            _record("user.renamed", user, personal={"before": before, "after": name})
    return user


def change_password(*, request: HttpRequest, user: User, old: str, new: str) -> None:
    """Change the password, which ends all other log-ins; this one goes on.

    Raises ``PasswordWrong``, ``PasswordRefused`` and ``TooManyAttempts``.
    """
    try:
        sessions.confirm_password(user=user, password=old)
    except errors.PasswordWrong:
        raise errors.OldPasswordWrong from None
    _check_new(new, user.email)
    with transaction.atomic():
        _set(user, new)
        sessions.keep_log_in(request=request, user=user)


def ask_for_reset(*, email: str) -> None:
    """Send a link for a new password, if there is such an account; the caller learns nothing of that, not even by
    how long the answer takes.

    Raises ``TooManyAttempts`` (per address and per network), whoever is asked for.
    """
    email = email.strip().lower()[:254]
    sessions.count(ASKED_OF_NETWORK, "requests for a new password", _network())
    sessions.count(ASKED_OF_ACCOUNT, "requests for a new password", email)
    began = time.monotonic()
    user = queries.find_user(email=email)
    if user is not None and user.is_active:
        _send_link(user)
    time.sleep(max(0.0, ANSWER_SECONDS - (time.monotonic() - began)))


def reset_token_of(*, reset_id: uuid.UUID) -> str:
    """What the link carries: signed, made when it is needed, stored nowhere."""
    return _signer().sign(str(reset_id))


def find_reset_person(*, token: str) -> User:
    """Whose password a link changes; raises ``ResetLinkInvalid`` and ``TooManyAttempts``."""
    sessions.count(OPENED_OF_NETWORK, "links opened from your network", _network())
    return _read(token).user


def reset_password(*, token: str, new: str) -> User:
    """Set a new password by a link: once, within the hour. All log-ins and all other links end.

    Raises ``ResetLinkInvalid`` and ``PasswordRefused``.
    """
    reset = _read(token)
    user = reset.user
    _check_new(new, user.email)
    with transaction.atomic(), request_context.act_as(sessions.actor_of(user)):
        if not PasswordReset.objects.filter(id=reset.id, used_at=None).update(used_at=timezone.now()):
            raise errors.ResetLinkInvalid
        _set(user, new, by="mail")
        sessions.end_all_sessions(user=user)
    throttle.forget(ASKED_OF_ACCOUNT, user.email)
    return user


def _send_link(user: User) -> None:
    with transaction.atomic(), request_context.act_as(sessions.actor_of(user)):
        until = timezone.now() + timedelta(seconds=RESET_SECONDS)
        reset = PasswordReset.objects.create(user=user, expires_at=until)
        _record(ASKED, user)
        events.emit(type=ASKED, data={"to": [user.email], "reset_id": str(reset.id), "name": user.name})


def _set(user: User, password: str, by: str = "password") -> None:
    """The new password, its row in the log, and a mail that says so; open links for a reset are void."""
    user.set_password(password)
    user.save(update_fields=["password"])
    PasswordReset.objects.filter(user=user, used_at=None).update(used_at=timezone.now())
    _record(CHANGED, user, {"confirmed_by": by})
    events.emit(type=CHANGED, data={"to": [user.email], "name": user.name})


def _check_new(password: str, email: str) -> None:
    try:
        signing_up.check_password(password, email)
    except errors.PasswordRefused as refusal:
        raise errors.NewPasswordRefused(reasons=refusal.detail) from None


def _read(token: str) -> PasswordReset:
    try:
        reset = queries.find_reset(reset_id=uuid.UUID(_signer().unsign(token)))
    except (signing.BadSignature, ValueError):
        raise errors.ResetLinkInvalid from None
    if reset is None:
        raise errors.ResetLinkInvalid
    return reset


def _network() -> str:
    return throttle.network_of(request_context.current().ip)


def _record(
    action: str, user: User, changes: dict[str, object] | None = None, personal: dict[str, str] | None = None
) -> None:
    audit.record(
        action=action, target_type="user", target_id=str(user.id), changes=changes, personal=personal
    )


def _signer() -> signing.Signer:
    return signing.Signer(sep=".", salt="almanac.accounts.password-reset")
