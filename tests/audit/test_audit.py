"""The log of changes: written with the change, by whom and from where, and never altered."""

from __future__ import annotations

import pytest
from django.db import ProgrammingError, transaction

from apps.audit import queries, services
from apps.audit.models import AuditEvent
from apps.core import request_context
from apps.core.request_context import Actor, RequestContext
from apps.core.tenancy import TenantKey
from tenants.context import system_scope, tenant_scope

ALICE = RequestContext("req-12345678", Actor("user", "7", "alice@acme.example"), "127.0.0.9", "x" * 400)


def test_an_event_says_who_did_what_to_what_from_where(acme: TenantKey) -> None:
    with request_context.bind(ALICE), tenant_scope(acme):
        event = services.record(
            action="model.promoted", target_type="model", target_id="sales", changes={"after": 2}
        )
        event.refresh_from_db()
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
        assert not queries.list_events(action="model.promoted").exists()
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            services.record(action="model.promoted", tenant_id=acme.id)


def test_the_search_looks_at_actor_object_action_and_request(acme: TenantKey) -> None:
    with request_context.bind(ALICE), tenant_scope(acme):
        services.record(action="model.promoted", target_id="sales")
        services.record(action="key.created", target_id="other")
        for text, found in (
            ("ALICE", 2),
            ("sale", 1),
            ("key.", 1),
            ("req-12345678", 2),
            ("req-1", 0),
            ("%", 0),
        ):
            assert queries.list_events(search=text).count() == found, text
        assert queries.list_events(action="key.created").count() == 1
