"""Real servers for the whole run, one database per test process, the fixed cast, and their clients."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from django.conf import settings
from django.db import connections

from apps.core import redis
from apps.core.tenancy import TenantKey
from deploy.local.servers import start_postgres, start_redis
from tenants import bootstrap

# What ``cache_key`` builds, and the broker's own names.
KEY = re.compile(
    r"almanac:(shared|t_[a-z2-7]{16}):.+|_kombu\..+|unacked.*|default|training|interactive", re.DOTALL
)

_servers = contextlib.ExitStack()


def pytest_configure(config: pytest.Config) -> None:
    """The first process starts the servers; those that it starts find them by environment."""
    if hasattr(config, "workerinput") or config.option.collectonly or config.option.version:
        return
    folder = Path(settings.TEST_DIR)
    os.environ["ALMANAC_TEST_ADMIN_DSN"] = _servers.enter_context(
        start_postgres(folder / "postgres", durable=False)
    )
    _servers.enter_context(start_redis(folder / "valkey", durable=False))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started, and take the folder away."""
    if hasattr(config, "workerinput"):
        return
    _servers.close()
    shutil.rmtree(settings.TEST_DIR, ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: Any) -> None:
    """The database of this process: roles, shared tables, and the tenants acme and globex."""
    from tenants import provisioning
    from tests import factories

    bootstrap.ensure(
        admin_dsn=os.environ["ALMANAC_TEST_ADMIN_DSN"],
        database=settings.DATABASE,
        app_password="app",
        owner_password="owner",
        mlflow_password="mlflow",
    )
    with django_db_blocker.unblock():
        provisioning.migrate_public()
        provisioning.refill(size=2)
        for slug in ("acme", "globex"):
            factories.claim_tenant(slug)
        for connection in connections.all():
            connection.close()


@pytest.fixture(autouse=True)
def empty_redis() -> Iterator[None]:
    """Throttles, codes and caches of one test are not the next one's; every key says whose it is."""
    from apps.api_keys import freshness

    yield
    freshness.watcher.end()
    keys = [str(key) for key in cast("list[str]", redis.client().keys("*"))]
    redis.client().flushdb()
    assert [key for key in keys if not KEY.fullmatch(key)] == []


@pytest.fixture
def acme(db: None) -> TenantKey:
    """The tenant whose data the tests are about."""
    from tests import factories

    return factories.tenant("acme").key


@pytest.fixture
def globex(db: None) -> TenantKey:
    """The other tenant, who must see nothing of it."""
    from tests import factories

    return factories.tenant("globex").key


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """For tests with threads, workers or transactions of their own: what they commit is emptied afterwards."""
    from tests import factories

    with django_db_blocker.unblock():
        yield
        factories.empty_database()
        for connection in connections.all():
            connection.close()
