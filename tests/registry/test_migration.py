"""Versions that stood before semantic versions did get theirs from what is known of them."""

from __future__ import annotations

import importlib

from django.db import connection

from apps.core.tenancy import TenantKey
from apps.registry.models import ModelVersion
from tenants.context import tenant_scope
from tests import trained

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
