"""What the tests of usage share."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from apps.core.tenancy import TenantKey
from apps.usage import services
from tenants.context import tenant_scope
from tests.accounts.conftest import alice, browser, mallory, person
from tests.api_keys.conftest import make_key

__all__ = ["alice", "browser", "make_key", "mallory", "person"]


@pytest.fixture
def charge() -> Callable[..., uuid.UUID]:
    """``charge(acme, 28)`` bills 28 points of a limit of 100, under a request id of its own."""

    def run(tenant: TenantKey, quantity: int = 1, **wishes: Any) -> uuid.UUID:
        given = {
            "kind": "forecast_points",
            "limit": 100,
            "receipt": {},
            "request_id": uuid.uuid4().hex,
            **wishes,
        }
        with tenant_scope(tenant):
            return services.charge(quantity=quantity, **given)

    return run
