"""What the tests of keys share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.api_keys import services
from apps.api_keys.models import ApiKey
from apps.core.tenancy import TenantKey
from apps.events.models import Event
from tenants.context import system_scope, tenant_scope
from tests.accounts.conftest import alice, browser, mallory, person

__all__ = ["alice", "browser", "mallory", "person"]
Made = tuple[ApiKey, str]


@pytest.fixture
def make_key(db: None) -> Callable[..., Made]:
    """Makes keys: ``make_key(acme, scopes=["usage:read"])`` returns row and text."""

    def make(tenant: TenantKey, **wishes: Any) -> Made:
        with tenant_scope(tenant):
            return services.create(**{"name": "Test", "scopes": ["usage:read", "forecasts:run"], **wishes})

    return make


@pytest.fixture
def call(db: None) -> Callable[..., Any]:
    """``call(text)`` asks ``GET /v1/key`` with that key on the bare host."""

    def ask(text: str | None = None, path: str = "/v1/key", host: str = "localhost", **headers: str) -> Any:
        sent = {"Authorization": f"Bearer {text}"} if text is not None else {}
        return Client(headers={"host": host, **sent, **headers}).get(path)

    return ask


def program(text: str, **headers: str) -> Client:
    """A program with that key, on the bare host."""
    return Client(headers={"host": "localhost", "Authorization": f"Bearer {text}", **headers})


def emitted(kind: str) -> list[dict[str, Any]]:
    """What the outbox holds of a type, oldest first."""
    with system_scope("courier"):
        return [event.data for event in Event.objects.filter(type=kind).order_by("id")]
