"""Links in mails. Their tokens are made when a mail is written, so that no table holds one."""

from __future__ import annotations

import uuid

from django import template

from apps.accounts import hosts
from apps.accounts.services import invitations, passwords

register = template.Library()


@register.simple_tag
def invitation_link(invitation_id: str, number: int) -> str:
    """Where an invitation is accepted."""
    token = invitations.token_of(invitation_id=uuid.UUID(invitation_id), number=number)
    return hosts.public_link(f"/invitations/{token}/")


@register.simple_tag
def reset_link(reset_id: str) -> str:
    """Where a new password is chosen."""
    token = passwords.reset_token_of(reset_id=uuid.UUID(reset_id))
    return hosts.public_link(f"/password/reset/{token}/")


@register.simple_tag
def page_link(path: str) -> str:
    """A page of the bare host."""
    return hosts.public_link(path)
