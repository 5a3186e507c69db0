"""Tenants of a test's own, which it may erase or break."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections

from tenants import provisioning, schemas
from tenants.models import Tenant
from tests import factories


@pytest.fixture
def spare(committed: None) -> Iterator[Callable[[str], Tenant]]:
    """``spare("initech")``: a new active tenant; its schema goes after the test."""
    made: list[Tenant] = []

    def make(slug: str) -> Tenant:
        provisioning.refill(size=1)
        made.append(factories.claim_tenant(slug))
        return made[-1]

    yield make
    for tenant in made:
        schemas.drop(tenant.schema_name)
        owner("DELETE FROM tenants_domain WHERE tenant_id = %s", tenant.id)
        owner("DELETE FROM tenants_tenantlimits WHERE tenant_id = %s", tenant.id)
        owner("DELETE FROM tenants_tenanterasure WHERE tenant_id = %s", tenant.id)
        owner("DELETE FROM tenants_tenant WHERE id = %s", tenant.id)


def owner(statement: str, *parameters: Any) -> list[Any]:
    """One statement as the owner, past all walls."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return list(cursor.fetchall()) if cursor.description else []
