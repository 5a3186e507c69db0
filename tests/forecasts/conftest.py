"""Models of the small panel in acme, and programs with its keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.api_keys import services as api_keys
from apps.core.tenancy import TenantKey
from apps.registry.models import ModelVersion
from tenants.context import tenant_scope
from tests import trained
from tests.dashboard.conftest import member

__all__ = ["member"]
SCOPES = (
    "forecasts:run",
    "forecasts:read",
    "explain:run",
    "models:read",
    "models:train",
    "jobs:read",
    "jobs:manage",
)


@pytest.fixture
def sales(acme: TenantKey) -> ModelVersion:
    """The champion of acme's model ``sales``: AutoETS over three monthly series, six steps at most."""
    with tenant_scope(acme):
        return trained.model("sales", trained.result("auto_ets"))


@pytest.fixture
def program(db: None) -> Callable[..., Client]:
    """``program(acme)``: a client with a key of that tenant and these scopes, on the bare host."""

    def make(tenant: TenantKey, *scopes: str, **headers: str) -> Client:
        with tenant_scope(tenant):
            _row, text = api_keys.create(name="Test", scopes=list(scopes or SCOPES))
        return Client(headers={"host": "localhost", "authorization": f"Bearer {text}", **headers})

    return make


def ask(client: Client, body: Any = None, **fields: Any) -> Any:
    """``POST /v1/forecasts``; text and bytes go out as they are."""
    if body is None:
        body = {"model": "sales", "horizon": 3, **fields}
    return client.post("/v1/forecasts", body, content_type="application/json")
