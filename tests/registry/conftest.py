"""A first version that answers, and MLflow's stand-in."""

from __future__ import annotations

import pytest

from apps.core.tenancy import TenantKey
from apps.registry import mlflow_store
from apps.registry.models import ModelVersion
from tenants.context import tenant_scope
from tests import trained
from tests.registry.publishing import Mirror


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Mirror:
    """MLflow's stand-in for what publishing asks of it."""
    stand_in = Mirror()
    monkeypatch.setattr(mlflow_store, "register", stand_in.register)
    return stand_in


@pytest.fixture
def first(acme: TenantKey) -> ModelVersion:
    """Version 1 of sales, which answers."""
    with tenant_scope(acme):
        return trained.model("sales")
