"""What a thief of the database finds of a key."""

from __future__ import annotations

import pytest
from django.db import connections
from django.test import Client

from apps.api_keys import services
from tenants.context import tenant_scope
from tests import factories


@pytest.mark.usefixtures("committed")
def test_the_owner_of_the_database_finds_no_key_in_it() -> None:
    with tenant_scope(factories.tenant("acme").key):
        _, key = services.create(name="Canary", scopes=["usage:read"])
    answer = Client(headers={"host": "localhost", "Authorization": f"Bearer {key}"}).get("/v1/key")
    assert answer.json()["name"] == "Canary"
    assert _tables_with("Canary") == {"api_keys_apikey", "audit_auditevent"}
    assert _tables_with(key.rpartition("_")[2]) == set()


def _tables_with(text: str) -> set[str]:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        tables = [table for (table,) in cursor.fetchall()]
        found = set()
        for table in tables:
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', [f"%{text}%"])
            if cursor.fetchone() != (0,):
                found.add(table)
    return found
