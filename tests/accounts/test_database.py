"""What PostgreSQL lets each role see and change of people and memberships."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts import queries
from apps.accounts.models import Invitation, LogIn, Membership, PasswordReset, User
from apps.accounts.permissions import Role
from apps.core.tenancy import TenantKey
from tenants.context import system_scope, tenant_scope
from tests.accounts.browser import BARE, Browser
from tests.accounts.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def test_a_tenant_sees_its_own_members_and_of_them_no_password(
    alice: User, mallory: User, acme: TenantKey
) -> None:
    with tenant_scope(acme):
        assert [(user.email, seat.role) for user, seat in queries.list_members()] == [(alice.email, "owner")]
        assert queries.emails_of(user_ids={alice.id, mallory.id}) == {alice.id: alice.email}
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            User.objects.values_list("password", flat=True).first()


def test_a_tenant_changes_no_people_adds_no_members_and_sees_no_sessions(
    alice: User, acme: TenantKey
) -> None:
    writes: list[Callable[[], Any]] = [
        lambda: User.objects.update(name="x"),
        lambda: Membership.objects.update(seen_at=None),
        lambda: Membership.objects.update(tenant_id=acme.id),
        lambda: Membership.objects.create(tenant_id=acme.id, user_id=alice.id, role="viewer"),
        lambda: Invitation.objects.update(accepted_at=None),
        lambda: Invitation.objects.update(role="owner"),
        lambda: Invitation.objects.all()._raw_delete("default"),
        Session.objects.count,
        LogIn.objects.count,
        PasswordReset.objects.count,
    ]
    for write in writes:
        with (
            tenant_scope(acme),
            pytest.raises(ProgrammingError, match="permission denied"),
            transaction.atomic(),
        ):
            write()


def test_a_tenant_changes_and_removes_its_own_members_alone(
    alice: User, mallory: User, acme: TenantKey, globex: TenantKey
) -> None:
    with tenant_scope(acme):
        assert Membership.objects.update(role="viewer") == 1
        assert Membership.objects.filter(user=mallory).delete()[0] == 0
    assert Membership.objects.get(user=mallory).role == "owner"


def test_a_tenant_invites_to_itself_alone(alice: User, acme: TenantKey, globex: TenantKey) -> None:
    until = timezone.now() + timedelta(days=1)
    fields = {"email": "bob@acme.example", "role": "viewer", "expires_at": until}
    with tenant_scope(acme):
        Invitation.objects.create(tenant_id=acme.id, **fields)
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            Invitation.objects.create(tenant_id=globex.id, **fields)
    with tenant_scope(globex):
        assert not Invitation.objects.exists()


def test_the_edge_accepts_open_invitations_and_changes_nothing_else_of_them(
    alice: User, acme: TenantKey
) -> None:
    now = timezone.now()
    with tenant_scope(acme):
        invitation = Invitation.objects.create(
            tenant_id=acme.id, email="bob@acme.example", role="viewer", expires_at=now
        )
    row = Invitation.objects.filter(id=invitation.id)
    for change in ({"role": "owner"}, {"email": "x@acme.example"}, {"expires_at": now}, {"revoked_at": now}):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            row.update(**change)
    assert row.update(accepted_at=now, accepted_by=alice.id) == 1
    assert row.update(accepted_at=now, accepted_by=alice.id) == 0


def test_the_edge_signs_nobody_up_as_an_operator() -> None:
    with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
        User.objects.create(email="op@example.com", is_operator=True)
    with system_scope("operator"):
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            User.objects.create(email="peter@example.com")
        assert User.objects.create(email="op@example.com", is_operator=True).is_operator


@pytest.mark.parametrize("change", [{"is_operator": True}, {"is_active": True}, {"email": "x@example.com"}])
def test_the_edge_makes_nobody_an_operator_and_unblocks_nobody(alice: User, change: dict[str, Any]) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        User.objects.filter(id=alice.id).update(**change)


def test_the_edge_neither_changes_a_role_nor_ends_a_membership(alice: User) -> None:
    for write in (lambda: Membership.objects.update(role="viewer"), Membership.objects.all().delete):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            write()


def test_the_operator_blocks_people_and_changes_nothing_else(alice: User) -> None:
    with system_scope("operator"):
        assert User.objects.filter(id=alice.id).update(is_active=False) == 1
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            User.objects.update(password="x")


@pytest.mark.parametrize(
    "wrong",
    [{"tenant": "acme", "role": "root"}, {"tenant": "acme", "role": "owner"}],
    ids=["unknown role", "twice"],
)
def test_the_database_keeps_memberships_in_order(alice: User, acme: TenantKey, wrong: dict[str, str]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.create(tenant_id=acme.id, user=alice, role=wrong["role"])


def test_an_e_mail_address_in_capitals_cannot_be_stored() -> None:
    with pytest.raises(IntegrityError, match="accounts_user_email_lower"), transaction.atomic():
        User.objects.create(email="Alice@acme.example")


def test_a_page_costs_four_statements_before_its_own(
    browser: Browser, person: Callable[..., User], acme: TenantKey
) -> None:
    bob = person("bob@acme.example", acme, Role.BILLING)
    browser.log_in(bob.email, PASSWORD)
    with CaptureQueriesContext(connection) as statements:
        assert browser.visit("http://acme.localhost/no-such-page/").status_code == 404
    assert len(statements) == 4
    tables = ["tenants_domain", "django_session", "accounts_user", "accounts_membership"]
    assert [f'FROM "{table}"' in query["sql"] for table, query in zip(tables, statements, strict=False)] == [
        True
    ] * 4


def test_an_invitation_from_the_command_line_opens_the_form(browser: Browser, settings: Any) -> None:
    settings.SIGNUP = "invite"
    out = io.StringIO()
    call_command("invite", "Peter@Initech.example", url=BARE, stdout=out)
    response = browser.visit(out.getvalue().strip())
    assert response.status_code == 200
    assert response.context["form"].initial["invitation"] in out.getvalue().replace("%3A", ":")
    with pytest.raises(CommandError, match="is not an e-mail address"):
        call_command("invite", "peter", stdout=out)
