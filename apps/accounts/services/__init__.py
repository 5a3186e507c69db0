"""Use cases of people, by subject: entry, sessions, signing up, passwords, members, invitations, companies."""

from __future__ import annotations

from apps.accounts.services import (
    companies,
    entry,
    invitations,
    members,
    passwords,
    sessions,
    signing_up,
)
from apps.accounts.services.entry import (
    LOG_IN_SESSION,
    SEAT,
    HostPass,
    enter_tenant,
    issue_host_code,
    log_in,
    log_out,
    redeem_host_code,
)
from apps.accounts.services.members import Authority
from apps.accounts.services.sessions import actor_of, open_log_in, open_session
from apps.accounts.services.signing_up import (
    check_password,
    clean_email,
    create_operator,
    create_owner,
    invite_to_sign_up,
    sign_up,
)

__all__ = [
    "LOG_IN_SESSION",
    "SEAT",
    "Authority",
    "HostPass",
    "actor_of",
    "check_password",
    "clean_email",
    "companies",
    "create_operator",
    "create_owner",
    "enter_tenant",
    "entry",
    "invitations",
    "invite_to_sign_up",
    "issue_host_code",
    "log_in",
    "log_out",
    "members",
    "open_log_in",
    "open_session",
    "passwords",
    "redeem_host_code",
    "sessions",
    "sign_up",
    "signing_up",
]
