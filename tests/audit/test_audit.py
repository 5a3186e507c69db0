"""The log of changes: written with the change, by whom and from where, and never altered."""

from __future__ import annotations

import pytest
from django.db import ProgrammingError, connections, transaction

from apps.audit import queries, services
from apps.audit.models import AuditEvent
from apps.audit.queries import Filter
from apps.core import request_context
from apps.core.request_context import Actor, RequestContext
from apps.core.tenancy import TenantKey
from tenants.context import system_scope, tenant_scope
from tests import factories

ALICE = RequestContext("req-12345678", Actor("user", "7", "alice@acme.example"), "127.0.0.9", "x" * 400)


def test_an_event_says_who_did_what_to_what_from_where(acme: TenantKey) -> None:
    with request_context.bind(ALICE), tenant_scope(acme):
        event = services.record(
            action="model.promoted", target_type="model", target_id="sales", changes={"after": 2}
        )
        event = queries.list_events().get(id=event.id)
    assert (event.tenant_id, event.actor_type, event.actor_id, event.actor_label) == (
        acme.id,
        "user",
        "7",
        "alice@acme.example",
    )
    assert (event.ip, event.request_id, event.outcome, len(event.user_agent)) == (
        "127.0.0.9",
        "req-12345678",
        "success",
        300,
    )
    assert event.changes == {"after": 2}


def test_it_goes_with_the_change_when_that_is_undone(acme: TenantKey) -> None:
    def fail() -> None:
        with transaction.atomic():
            services.record(action="model.promoted")
            raise ZeroDivisionError

    with tenant_scope(acme):
        with pytest.raises(ZeroDivisionError):
            fail()
        assert not AuditEvent.objects.filter(action="model.promoted").exists()


@pytest.mark.parametrize("role", ["tenant", "operator", "dispatcher", "edge"])
def test_nobody_alters_or_deletes_a_row(acme: TenantKey, role: str) -> None:
    with tenant_scope(acme):
        event = services.record(action="model.promoted")
    rows = AuditEvent.objects.filter(id=event.id)
    for alter in (lambda: rows.update(action="x"), lambda: rows._raw_delete(using="default")):
        scope = tenant_scope(acme) if role == "tenant" else system_scope(role)
        with scope, pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            alter()


def test_a_tenant_sees_its_own_rows_and_writes_no_others(acme: TenantKey, globex: TenantKey) -> None:
    with tenant_scope(acme):
        services.record(action="model.promoted")
    with tenant_scope(globex):
        assert not queries.list_events(Filter(action="model.promoted")).exists()
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            services.record(action="model.promoted", tenant_id=acme.id)


@pytest.mark.usefixtures("committed")
@pytest.mark.parametrize("table", ["audit_auditevent", "audit_seal"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET {column} = {column}", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_database_refuses_its_owner_too(table: str, statement: str) -> None:
    column = "action" if table == "audit_auditevent" else "number"
    with connections["owner"].cursor() as cursor, pytest.raises(ProgrammingError, match="is append-only"):
        cursor.execute(statement.format(table, column=column))


@pytest.mark.usefixtures("committed")
def test_the_row_of_an_event_names_nobody_and_waits_for_its_seal() -> None:
    acme = factories.tenant("acme").key
    with request_context.bind(ALICE), tenant_scope(acme):
        event = services.record(action="member.removed", personal={"email": "bob@acme.example"})
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT row_to_json(e)::text FROM audit_auditevent e WHERE id = %s", [event.id])
        row = cursor.fetchone()[0]
        cursor.execute("SELECT chain FROM audit_unsealed WHERE event_id = %s", [event.id])
        assert cursor.fetchone() == (acme.id,)
        cursor.execute("DELETE FROM audit_personal WHERE event_id = %s", [event.id])
    assert not [text for text in ("alice", "bob", "127.0.0.9", "xxx") if text in row]
    with tenant_scope(acme):
        kept = queries.list_events().get(id=event.id)
        assert (kept.is_erased, kept.actor_id, kept.actor_label, kept.ip) == (True, "7", "", None)
