"""Versions that stood before semantic versions did get theirs from what is known of them."""

from __future__ import annotations

import importlib

from django.db import connection, connections

from apps.core.tenancy import TenantKey
from apps.registry.models import ModelVersion
from tenants import migrating, replay
from tenants.context import tenant_scope
from tenants.models import Tenant
from tests import factories, trained

migration = importlib.import_module("apps.registry.migrations.0002_aliases_and_semantic_versions")
REFRESHED = ["New points were brought into version 3 without training again.", "Something else."]


def test_earlier_versions_are_numbered_by_what_they_changed(acme: TenantKey) -> None:
    columns = [
        {},
        {},
        {"notes": REFRESHED},
        {"notes": REFRESHED},
        {},
        {"levels": [95]},
        {"levels": [95], "frequency": "D"},
    ]
    with tenant_scope(acme):
        first = trained.model("sales")
        for _ in columns[1:]:
            trained.model("sales", of=first.model.dataset)
        other = trained.model("stock")
        for number, each in enumerate(columns, 1):
            given = {"levels": [80, 95], "notes": [], **each}
            ModelVersion.objects.filter(model=first.model, number=number).update(
                **given, semver=f"9.{number}.0"
            )
        with connection.cursor() as cursor:
            cursor.execute(migration.NUMBER)
        found = ModelVersion.objects.filter(model=first.model).order_by("number")
        assert [each.semver for each in found] == [
            "1.0.0",
            "1.1.0",
            "1.1.1",
            "1.1.2",
            "1.2.0",
            "2.0.0",
            "3.0.0",
        ]
        assert ModelVersion.objects.get(id=other.id).semver == "1.0.0"


def test_a_schema_with_versions_is_brought_up_to_date(committed: None) -> None:
    """As it stood before both migrations, with rows in it."""
    key = factories.tenant("acme").key
    with tenant_scope(key):
        first = trained.model("sales")
        trained.model("sales", of=first.model.dataset)
    later = frozenset(name for name in replay.wanted() if name[0] == "registry" and name[1] != "0001_initial")
    with connections[replay.OWNER].cursor() as cursor:
        cursor.execute(
            f'SET search_path TO "{key.schema}";'
            "ALTER TABLE registry_modelversion DROP semver, DROP archived_at, DROP params, DROP schema, DROP verdict;"
            "ALTER TABLE registry_model DROP challenger_id, DROP previous_id, DROP retired;"
            "DELETE FROM django_migrations WHERE app = 'registry' AND name <> '0001_initial';"
            "SET search_path TO public"
        )
    Tenant.objects.using(replay.OWNER).filter(id=key.id).update(
        schema_version=replay.fingerprint(replay.wanted() - later)
    )
    outcome = migrating.migrate_tenants(jobs=1)
    assert (outcome.migrated, [str(each) for each in outcome.failures]) == (1, [])
    with tenant_scope(key):
        found = ModelVersion.objects.order_by("number")
        assert [(each.semver, each.verdict, each.archived_at) for each in found] == [
            ("1.0.0", {}, None),
            ("1.1.0", {}, None),
        ]
        assert found[1].model.champion == found[1]
        assert (found[1].model.previous, found[1].model.retired) == (None, [])
