"""New schemas: as the migrations make them, whole or not at all, and cheap."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import IntegrityError, migrations

from tenants import checks, portrait, provisioning, replay, schemas
from tenants.models import Tenant, TenantState
from tests.tenants.conftest import owner


@pytest.fixture
def made(committed: None) -> Any:
    """A schema from the pool, dropped afterwards."""
    tenant = provisioning.provision()
    yield tenant
    schemas.drop(tenant.schema_name)
    owner("DELETE FROM tenants_tenant WHERE id = %s", tenant.id)


def test_a_replayed_schema_is_the_one_that_the_executor_makes(made: Tenant) -> None:
    by_executor = checks.template(replay.wanted())
    assert portrait.describe(made.schema_name) == by_executor
    assert len(by_executor) > 150
    for line in (
        "column datasets_dataset.name character varying(120) not null",
        "INSERT on datasets_dataset for its role",
        f"table datasets_dataset of {_role('owner')}",
        f"its role is a member of {_role('tenant_base')}, inherits, may become",
        f"its role has the member {_role('app')}, may become",
    ):
        assert line in by_executor
    assert not [line for line in by_executor if "django_migrations for its role" in line]


def test_its_books_and_its_version_say_what_it_has_had(made: Tenant) -> None:
    assert made.state == TenantState.READY
    assert replay.applied(made.schema_name) == replay.wanted()
    assert made.schema_version == replay.current_version() == replay.fingerprint(replay.wanted())


def test_the_recording_leaves_nothing_behind(committed: None) -> None:
    before = owner("SELECT count(*) FROM pg_namespace")
    replay.record.cache_clear()
    script = replay.record()
    assert script is not None
    assert "CREATE TABLE" in script.sql
    assert not re.search(r"t_[a-z2-7]{16}", script.sql), "it fits every schema, as it names none"
    assert owner("SELECT count(*) FROM pg_namespace") == before


def test_what_fails_half_way_leaves_no_schema_role_or_row(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counts() -> list[Any]:
        return owner(
            "SELECT (SELECT count(*) FROM pg_namespace), (SELECT count(*) FROM pg_roles), (SELECT count(*) FROM tenants_tenant)"
        )

    before = counts()
    monkeypatch.setattr(schemas, "protect_bookkeeping", _break)
    with pytest.raises(IntegrityError):
        provisioning.provision()
    assert counts() == before


def test_where_a_migration_is_no_text_the_executor_makes_the_schema(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "record", lambda: None)
    tenant = provisioning.provision()
    try:
        assert tenant.state == TenantState.READY
        assert portrait.describe(tenant.schema_name) == checks.template(replay.wanted())
        assert tenant.schema_version == replay.current_version()
    finally:
        schemas.drop(tenant.schema_name)
        owner("DELETE FROM tenants_tenant WHERE id = %s", tenant.id)


@pytest.mark.parametrize(
    ("operations", "atomic", "text"),
    [
        ([migrations.RunSQL("SELECT 1")], True, True),
        ([migrations.RunPython(migrations.RunPython.noop)], True, False),
        (
            [migrations.SeparateDatabaseAndState([migrations.RunPython(migrations.RunPython.noop)])],
            True,
            False,
        ),
        ([migrations.RunSQL("CREATE INDEX CONCURRENTLY …")], False, False),
    ],
)
def test_only_sql_in_a_transaction_is_replayed(operations: list[Any], atomic: bool, text: bool) -> None:
    migration = migrations.Migration("0002_more", "datasets")
    migration.operations, migration.atomic = operations, atomic
    assert replay.is_text(migration) == text


def test_a_half_made_schema_is_finished_by_the_next_refill(committed: None) -> None:
    half = provisioning._insert(TenantState.CREATING, "")
    schemas.create(half.schema_name)
    try:
        provisioning.refill(size=0)
        half.refresh_from_db(using="owner")
        assert half.state == TenantState.READY
        assert portrait.describe(half.schema_name) == checks.template(replay.wanted())
    finally:
        schemas.drop(half.schema_name)
        owner("DELETE FROM tenants_tenant WHERE id = %s", half.id)


def test_the_pool_is_filled_up_and_not_over(committed: None) -> None:
    ready = owner("SELECT count(*) FROM tenants_tenant WHERE state = 'ready'")[0][0]
    try:
        assert provisioning.refill(size=ready + 3) == 3
        assert provisioning.refill(size=ready + 3) == 0
    finally:
        for schema, tenant_id in owner(
            "SELECT schema_name, id FROM tenants_tenant WHERE state = 'ready' ORDER BY created_at DESC LIMIT 3"
        ):
            schemas.drop(schema)
            owner("DELETE FROM tenants_tenant WHERE id = %s", tenant_id)


def _role(name: str) -> str:
    return f"{owner('SELECT current_database()')[0][0]}_{name}"


def _break(_schema: str) -> None:
    raise IntegrityError("killed here")
