"""A row that Python cannot hold stops neither the sealer, which works for all, nor the verifier before it has told the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections, transaction

from apps.audit import chain, services
from tenants.context import tenant_scope
from tests import factories
from tests.audit.conftest import anchor, faults, seal
from tests.audit.tampering import run
from tests.audit.test_sealing import write
from tests.audit.test_tampering import build

pytestmark = pytest.mark.usefixtures("empty_log")
HUGE, DEEP = '{"a": 1e5000}', "[" * 5000 + "]" * 5000
EDITS = {
    "a number of 5,001 digits": ("audit_auditevent", "changes", f"'{HUGE}'"),
    "a fraction of 5,000 digits": ("audit_auditevent", "changes", "'{\"a\": 1e-5000}'"),
    "5,000 levels": ("audit_auditevent", "changes", f"'{DEEP}'"),
    "no changes": ("audit_auditevent", "changes", "NULL"),
    "the end of time": ("audit_auditevent", "occurred_at", "'infinity'"),
    "the beginning of time": ("audit_auditevent", "occurred_at", "'-infinity'"),
    "a year before ours": ("audit_auditevent", "occurred_at", "'0044-03-15 BC'"),
    "a year of five digits": ("audit_auditevent", "occurred_at", "'20000-01-01'"),
    "no time": ("audit_auditevent", "occurred_at", "NULL"),
    "no digest": ("audit_auditevent", "personal_digest", "NULL"),
    "a seal at the end of time": ("audit_seal", "sealed_at", "'infinity'"),
    "a seal without a time": ("audit_seal", "sealed_at", "NULL"),
    "a seal without a hash": ("audit_seal", "hash", "NULL"),
    "a seal without a number": ("audit_seal", "number", "NULL"),
    "people's huge number": ("audit_personal", "data", f"'{HUGE}'"),
    "people's nothing": ("audit_personal", "data", "NULL"),
    "no salt": ("audit_personal", "salt", "NULL"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_the_row_is_told_and_so_is_what_comes_after_it(folder: Path, edit: str) -> None:
    log = build(folder)
    table, column, literal = EDITS[edit]
    name = sorted(log.events)[0]
    first, later = log.events[name][3], log.events[name][20]
    with factories.append_only_lifted(), transaction.atomic(using="owner"):
        key = "id" if table == "audit_auditevent" else "event_id"
        run("UPDATE audit_auditevent SET target_id = 'x' WHERE id = %s RETURNING 1", later)
        connections["owner"].cursor().execute(f"ALTER TABLE {table} ALTER {column} DROP NOT NULL")
        run(f"UPDATE {table} SET {column} = {literal} WHERE {key} = %s", first)
        found = {fault.event_id for fault in faults(folder, using="owner")}
        transaction.set_rollback(True, using="owner")
    assert {first, later} <= found


@pytest.mark.parametrize(
    ("column", "literal"), [("changes", f"'{HUGE}'"), ("changes", f"'{DEEP}'"), ("occurred_at", "'infinity'")]
)
def test_what_one_tenant_writes_keeps_no_other_from_its_seals(
    folder: Path, column: str, literal: str
) -> None:
    write("globex", 3)
    insert(column, literal)
    write("globex", 3)
    assert (seal(), seal()) == (7, 0)
    anchor(folder)
    assert faults(folder) == []


def test_a_number_that_python_would_round_is_told_from_its_neighbour(folder: Path) -> None:
    insert("changes", "'{\"cents\": 12345678901234567.1}'")
    assert seal() == 1
    with factories.append_only_lifted(), transaction.atomic(using="owner"):
        run("UPDATE audit_auditevent SET changes = '{\"cents\": 12345678901234567.2}'")
        assert [fault.kind for fault in faults(None, using="owner")] == ["altered"]
        transaction.set_rollback(True, using="owner")
    assert faults(None) == []


@pytest.mark.parametrize(
    "personal", [{"x": 1e22}, {"x": 1e-7}, {2: "a", 10: "b"}, {"x": [1, (2.50, None)]}, {"é": "\U0001f600"}]
)
def test_what_was_noted_about_people_is_found_as_it_was(personal: dict[Any, Any]) -> None:
    with tenant_scope(factories.tenant("acme").key):
        services.record(action="member.removed", personal=personal)
    assert seal() == 1
    assert faults(None) == []


@pytest.mark.parametrize(
    "text", ['{"a": [0.1, 1.50, 10000000000000000000000, true, null, "x"]}', '"[1]"', "{}"]
)
def test_what_python_can_hold_is_read(text: str) -> None:
    assert not isinstance(chain.value(text), chain.Unread)


def test_a_text_and_what_cannot_be_read_never_hash_alike() -> None:
    acme = factories.tenant("acme").key
    place = chain.Place(acme.id, 1, chain.moment("2026-01-01 00:00:00+00"))
    columns = (acme.id, acme.id, "2026-01-01 00:00:00+00", *["x"] * 5, HUGE, "x", "x", b"")
    row = chain.row(columns)
    same = row._replace(changes=str(row.changes))
    assert isinstance(row.changes, chain.Unread)
    assert chain.seal_hash(chain.START, place, row) != chain.seal_hash(chain.START, place, same)


def insert(column: str, literal: str) -> None:
    """An event of acme's, written in SQL with the tenant's own rights."""
    acme = factories.tenant("acme").key
    values = {
        "id": "gen_random_uuid()",
        "tenant_id": f"'{acme.id}'",
        "occurred_at": "now()",
        "actor_type": "'user'",
        "actor_id": "'7'",
        "action": "'model.promoted'",
        "target_type": "''",
        "target_id": "''",
        "changes": "'{}'",
        "request_id": "''",
        "outcome": "'success'",
        "personal_digest": "''",
        column: literal,
    }
    with tenant_scope(acme), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO audit_auditevent ({', '.join(values)}) VALUES ({', '.join(values.values())})"
        )
