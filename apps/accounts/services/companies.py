"""What owners do with their company as a whole: rename it, hand it over, delete it, keep it after all."""

from __future__ import annotations

import uuid
from typing import Final

from apps.accounts import errors, naming, queries
from apps.accounts.models import Membership, User
from apps.accounts.services import members, sessions
from apps.core.scope import SystemRole
from tenants import services as tenants
from tenants.context import system_scope, tenant_scope
from tenants.errors import SlugTaken
from tenants.lifecycle import GRACE_DAYS
from tenants.models import Tenant

OWNERS_WISH: Final = "an owner's wish"


def rename(*, tenant: Tenant, name: str, address: str) -> Tenant:
    """Give a company another name, address, or both; its earlier addresses lead to the new one.

    Raises a ``SignUpRefused`` that names the form field to change (the same rules as at sign-up), or one of the
    tenants' errors.
    """
    name, address = naming.clean_company(name), address.strip().lower()
    slug = address if address == tenant.slug else naming.check_address(address)
    try:
        with system_scope(SystemRole.EDGE):
            return tenants.rename(tenant_id=tenant.id, slug=slug, name=name)
    except SlugTaken:
        raise errors.AddressTaken(address=slug, suggestion=naming.next_address(slug)) from None


def hand_over(
    *, tenant: Tenant, owner: User, password: str, member_id: uuid.UUID, stay_owner: bool
) -> Membership:
    """Make a member an owner, after the owner's password; see ``members.transfer_ownership``.

    Raises ``PasswordWrong`` and ``TooManyAttempts``.
    """
    with system_scope(SystemRole.EDGE):
        sessions.confirm_password(user=owner, password=password)
    with tenant_scope(tenant.key):
        return members.transfer_ownership(owner_id=owner.id, member_id=member_id, stay_owner=stay_owner)


def delete(*, tenant: Tenant, owner: User, typed: str, password: str) -> Tenant:
    """Close the company now and have it erased after the grace; every owner can undo it until then.

    Raises ``AddressNotTyped``, ``PasswordWrong``, ``TooManyAttempts``, or the tenants' ``WrongState``.
    """
    if typed.strip().lower() != tenant.slug:
        raise errors.AddressNotTyped(address=tenant.slug)
    with system_scope(SystemRole.EDGE):
        sessions.confirm_password(user=owner, password=password)
        notify = queries.list_owner_emails(tenant_id=tenant.id)
        return tenants.request_deletion(
            tenant_id=tenant.id, reason=OWNERS_WISH, grace_days=GRACE_DAYS, notify=notify
        )


def keep(*, tenant: Tenant) -> Tenant:
    """Undo the deletion, within the grace; raises the tenants' ``WrongState`` and ``ErasureStarted``."""
    with system_scope(SystemRole.EDGE):
        return tenants.cancel_deletion(tenant_id=tenant.id, reason=OWNERS_WISH)
