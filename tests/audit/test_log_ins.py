"""Who came in, who left, and who was not let in."""

from __future__ import annotations

import pytest

from apps.accounts.permissions import Role
from apps.audit import queries
from apps.audit.models import AuditEvent
from apps.core.tenancy import TenantKey
from tenants.context import system_scope, tenant_scope
from tests.accounts.browser import BARE, Browser
from tests.audit.test_reading import Member
from tests.dashboard.conftest import ACME, member

__all__ = ["member"]


def of_the_instance(action: str) -> list[AuditEvent]:
    """What the operator sees that belongs to no tenant."""
    with system_scope("operator"):
        return list(queries.list_events(queries.Filter(action=action)).filter(tenant_id=None))


@pytest.mark.django_db
def test_a_wrong_password_is_noted_whether_or_not_there_is_such_an_account(member: Member) -> None:
    member(Role.OWNER)
    for email in ("owner@acme.example", "my-own-secret-password"):
        Browser().log_in(email, "wrong-horse-battery")
    unknown, known = events = of_the_instance("user.log_in_failed")
    assert known.about_people["details"] == {"email": "owner@acme.example"}
    assert known.target_id
    assert unknown.target_id == ""
    assert "my-own-secret" not in str(unknown.about_people), "it may be a password in the wrong field"
    assert {(event.outcome, event.ip, event.actor_type) for event in events} == {
        ("failure", "127.0.0.1", "anonymous")
    }
    assert "wrong-horse" not in str([(event.changes, event.about_people) for event in events])


@pytest.mark.django_db
def test_those_who_are_told_to_wait_are_noted_once_and_cannot_fill_the_log() -> None:
    for _ in range(12):
        Browser().log_in("owner@acme.example", "wrong-horse-battery")
    assert len(of_the_instance("user.log_in_failed")) == 5
    assert len(of_the_instance("user.log_in_throttled")) == 1


def test_coming_in_and_leaving_are_noted_with_the_instance_and_the_tenant(
    member: Member, acme: TenantKey
) -> None:
    browser = member(Role.OWNER)
    assert [event.actor_label for event in of_the_instance("user.logged_in")] == ["owner@acme.example"]
    browser.submit(f"{ACME}/logout/", {})
    Browser().submit(f"{BARE}/logout/", {})
    with tenant_scope(acme):
        events = queries.list_events().filter(action__startswith="user.logged")
        assert [event.action for event in events] == ["user.logged_out", "user.logged_in"]
        assert {event.actor_label for event in events} == {"owner@acme.example"}
    assert of_the_instance("user.logged_out") == []
