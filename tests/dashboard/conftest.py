"""Members of acme with the roles that the pages tell apart, and browsers in which they are logged in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from apps.accounts.models import Membership, User
from apps.accounts.permissions import Role
from apps.core.tenancy import TenantKey
from tests.accounts.browser import Browser

PASSWORD = "correct-horse-battery"
ACME = "http://acme.localhost"


@pytest.fixture
def member(acme: TenantKey) -> Callable[[Role], Browser]:
    """A browser in which a member of acme with that role is logged in."""

    def log_in(role: Role) -> Browser:
        user = User(email=f"{role}@acme.example")
        user.set_password(PASSWORD)
        user.save()
        Membership.objects.create(tenant_id=acme.id, user=user, role=role)
        browser = Browser()
        browser.log_in(user.email, PASSWORD)
        return browser

    return log_in
