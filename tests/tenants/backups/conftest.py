"""Two tenants with models, whose rows, files and MLflow entries are really there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connections, transaction

from apps.core.tenancy import TenantKey
from apps.registry import mlflow_store
from tenants import replay
from tests.tenants.backups.helpers import with_models


@pytest.fixture(scope="module")
def mlflow(django_db_setup: None) -> None:
    mlflow_store.upgrade()


@pytest.fixture
def acme(committed: None, mlflow: None) -> TenantKey:
    return with_models("acme")


@pytest.fixture
def globex(committed: None, mlflow: None) -> TenantKey:
    return with_models("globex")


@pytest.fixture(autouse=True)
def clean_folders() -> Iterator[None]:
    yield
    for root in (settings.STORAGE_ROOT, settings.MLFLOW_ARTIFACT_ROOT):
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def newer(settings: Any, acme: TenantKey) -> Iterator[None]:
    settings.MIGRATION_MODULES = {"explanations": "tests.tenants.newer_migrations"}
    forget_migrations()
    yield
    settings.MIGRATION_MODULES = {}
    forget_migrations()
    with connections["owner"].cursor() as cursor, transaction.atomic(using="owner"):
        cursor.execute(f'ALTER TABLE "{acme.schema}".explanations_explanation DROP COLUMN IF EXISTS note')
        cursor.execute(f"DELETE FROM \"{acme.schema}\".django_migrations WHERE name = '0002_note'")
        version = replay.fingerprint(replay.applied(acme.schema))
        cursor.execute("UPDATE tenants_tenant SET schema_version = %s WHERE id = %s", [version, acme.id])


def forget_migrations() -> None:
    replay.wanted.cache_clear()
    replay.record.cache_clear()
