"""What the tests of people share: prepared schemas, people, and a browser that knows several hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.models import Membership, User
from apps.accounts.permissions import Role
from apps.core.tenancy import TenantKey
from tenants import provisioning
from tests.accounts.browser import Browser

PASSWORD = "correct-horse-battery"


@pytest.fixture
def warm_pool(django_db_setup: None, django_db_blocker: Any) -> None:
    """Two prepared schemas wait for whoever signs up."""
    from django.db import connections

    with django_db_blocker.unblock():
        provisioning.refill(size=2)
        connections["owner"].close()


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """Makes people: ``person("alice@acme.example", acme, Role.OWNER)``."""

    def make(email: str, tenant: TenantKey | None = None, role: Role = Role.OWNER, **fields: Any) -> User:
        user = User(email=email, **fields)
        user.set_password(PASSWORD)
        user.save()
        if tenant is not None:
            Membership.objects.create(tenant_id=tenant.id, user=user, role=role)
        return user

    return make


@pytest.fixture
def alice(person: Callable[..., User], acme: TenantKey) -> User:
    """Owns acme."""
    return person("alice@acme.example", acme, Role.OWNER)


@pytest.fixture
def mallory(person: Callable[..., User], globex: TenantKey) -> User:
    """Owns globex."""
    return person("mallory@globex.example", globex, Role.OWNER)


@pytest.fixture
def browser(db: None) -> Browser:
    """A browser with empty cookies."""
    return Browser()
