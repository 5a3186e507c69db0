"""The three ways to the database: straight, through the driver's pool, and through a transaction pooler."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections

from apps.core.tenancy import TenantKey
from tenants import provisioning
from tests import factories
from tests.tenants.database import pgbouncer

POOL_SIZE = 2


@pytest.fixture(scope="session")
def pooler(django_db_setup: None) -> Iterator[Path]:
    """A pgbouncer for this test process, with two connections to the database."""
    if pgbouncer.BINARY is None:
        pytest.skip("pgbouncer is not installed: apt-get install pgbouncer")
    options = connections["default"].settings_dict
    with pgbouncer.running(
        Path(settings.TEST_DIR) / f"pgbouncer-{secrets.token_hex(4)}",
        database=settings.DATABASE,
        server=Path(settings.POSTGRES_SOCKETS),
        user=str(options["USER"]),
        password=str(options["PASSWORD"]),
        size=POOL_SIZE,
    ) as folder:
        yield folder


@pytest.fixture(params=["direct", "pool", "pgbouncer"])
def route(request: pytest.FixtureRequest, committed: None) -> Iterator[str]:
    """Runs the test once on each way; threads that it starts go the same way."""
    options: Any = connections["default"].settings_dict
    before = {"HOST": options["HOST"], "PORT": options["PORT"], "OPTIONS": options["OPTIONS"]}
    connection.close()
    if request.param == "pool":
        options["OPTIONS"] = {**options["OPTIONS"], "pool": {"min_size": 1, "max_size": POOL_SIZE}}
    if request.param == "pgbouncer":
        folder = request.getfixturevalue("pooler")
        options.update(HOST=str(folder), PORT=str(pgbouncer.PORT))
    try:
        yield request.param
    finally:
        connection.close()
        connection.close_pool()
        options.update(before)


@pytest.fixture
def newcomers(committed: None) -> Iterator[Callable[[], TenantKey]]:
    """``newcomers()``: a tenant made just now, in the warm pool; it goes after the test."""
    made: list[TenantKey] = []

    def make() -> TenantKey:
        made.append(provisioning.provision().key)
        return made[-1]

    yield make
    with connections["owner"].cursor() as cursor:
        for key in made:
            cursor.execute(f'DROP SCHEMA "{key.schema}" CASCADE')
            cursor.execute(f'DROP ROLE "{key.schema}"')
            cursor.execute("DELETE FROM tenants_tenant WHERE id = %s", [key.id])


@pytest.fixture
def keys(committed: None) -> tuple[TenantKey, TenantKey]:
    """acme and globex, for tests that commit."""
    return factories.tenant("acme").key, factories.tenant("globex").key
