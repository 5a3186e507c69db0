"""Log-ins of a person: opened on the bare host, listed, seen, ended. Runs as the edge."""

from __future__ import annotations

import uuid
from typing import Final

from django.conf import settings
from django.contrib import auth
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.http import HttpRequest

from apps.accounts import errors, queries
from apps.accounts.models import LogIn, User
from apps.audit import services as audit
from apps.core import request_context, throttle
from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.core.request_context import Actor

PASSWORD_CHECKS: Final = throttle.Limit("password-check", 5, 300)
_NOTE: Final = """
UPDATE {table} SET seen_at = now()
WHERE id = (
    SELECT id FROM {table}
    WHERE {column} = %s AND (seen_at IS NULL OR seen_at < now() - interval '1 minute')
    FOR UPDATE SKIP LOCKED)
"""
_NOTE_LOG_IN: Final = _NOTE.format(table="accounts_login", column="session_key")
_NOTE_MEMBER: Final = _NOTE.format(table="accounts_membership", column="id")


def actor_of(user: User) -> Actor:
    """How the audit log and the ledger name a person."""
    return Actor(type="user", id=str(user.id), label=user.email)


def open_session(*, request: HttpRequest, user: User) -> None:
    """Log ``user`` in on this host, with a session key that nobody knew before."""
    request.session.flush()
    auth.login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])


def open_log_in(*, request: HttpRequest, user: User) -> None:
    """As ``open_session``, on the bare host: the log-in stands in the person's list from now on."""
    with transaction.atomic():
        open_session(request=request, user=user)
        context = request_context.current()
        _forget_ended(user)
        LogIn.objects.create(
            user=user,
            session_key=request.session.session_key or "",
            ip=context.ip,
            user_agent=context.user_agent,
        )


def keep_log_in(*, request: HttpRequest, user: User) -> None:
    """After a change of password: this log-in goes on under a new session key, all others end."""
    before = request.session.session_key or ""
    with transaction.atomic():
        auth.update_session_auth_hash(request, user)
        LogIn.objects.filter(session_key=before).update(session_key=request.session.session_key)
        end_all_sessions(user=user, but=request.session.session_key or "")


def note_seen(*, session_key: str, membership_id: uuid.UUID | None = None) -> None:
    """Keep when a log-in, and a member, was last seen: at most one write a minute each, never a wait."""
    with connection.cursor() as cursor:
        cursor.execute(_NOTE_LOG_IN, [session_key])
        if membership_id is not None:
            cursor.execute(_NOTE_MEMBER, [membership_id])


def end_log_in(*, user: User, log_in_id: uuid.UUID) -> None:
    """End one log-in of the person, and with it the sessions on tenants' hosts; ``NotFound`` for others'."""
    with transaction.atomic():
        log_in = queries.find_log_in(user_id=user.id, log_in_id=log_in_id)
        if log_in is None:
            raise NotFound(what="session", name=public_id("ses", log_in_id))
        _end([log_in.session_key])
        _record("session.revoked", user, {"session": str(log_in.id)})


def end_other_log_ins(*, user: User, but: str) -> int:
    """End all log-ins but the one of the session key ``but``; returns how many."""
    with transaction.atomic():
        ended = end_all_sessions(user=user, but=but)
        if ended:
            _record("session.others_revoked", user, {"count": ended})
    return ended


def end_all_sessions(*, user: User, but: str = "") -> int:
    """As ``end_other_log_ins``, inside another use case's transaction: it leaves no row of its own in the log."""
    keys = list(
        LogIn.objects.filter(user=user).exclude(session_key=but).values_list("session_key", flat=True)
    )
    _end(keys)
    return len(keys)


def end_session(*, request: HttpRequest, log_in_session: str) -> None:
    """End this session and the log-in that it is, or that it hangs on."""
    _end([key for key in (log_in_session, request.session.session_key) if key])
    auth.logout(request)


def confirm_password(*, user: User, password: str) -> None:
    """Ask once more who sits there. Runs as the edge, which alone sees passwords.

    Raises ``PasswordWrong``, or ``TooManyAttempts`` after five wrong ones in five minutes.
    """
    count(PASSWORD_CHECKS, "wrong passwords", str(user.id))
    known = queries.find_active_user(user_id=user.id)
    if known is None or not known.check_password(password):
        raise errors.PasswordWrong
    throttle.forget(PASSWORD_CHECKS, str(user.id))


def count(limit: throttle.Limit, what: str, *subject: str) -> None:
    """Count one try; ``TooManyAttempts`` where the limit is reached."""
    wait = throttle.hit(limit, *subject)
    if wait > 0:
        raise errors.TooManyAttempts(
            what=what, wait=throttle.in_words(wait), retry_after_seconds=int(wait) + 1
        )


def _end(session_keys: list[str]) -> None:
    Session.objects.filter(session_key__in=session_keys).delete()
    LogIn.objects.filter(session_key__in=session_keys).delete()


def _forget_ended(user: User) -> None:
    """Rows whose session has run out are of no use."""
    alive = {log_in.id for log_in in queries.list_log_ins(user_id=user.id)}
    LogIn.objects.filter(user=user).exclude(id__in=alive).delete()


def _record(action: str, user: User, changes: dict[str, object]) -> None:
    audit.record(action=action, target_type="user", target_id=str(user.id), changes=changes)
