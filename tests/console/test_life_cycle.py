"""The operator takes tenants through their life: rename, delete with a grace, keep, and the certificate at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.permissions import Role
from apps.core.tenancy import TenantKey
from apps.events.models import Event
from tenants import reconciler, schemas
from tenants.context import system_scope
from tenants.models import Domain, Tenant
from tests import factories
from tests.accounts.browser import Browser
from tests.console.conftest import OPERATOR, PASSWORD
from tests.console.test_console import link
from tests.dashboard.conftest import member
from tests.tenants.conftest import owner, spare

__all__ = ["member", "spare"]
GOOD = {"typed": "acme", "grace_days": "30", "reason": "The contract ended"}


def state_of(key: TenantKey) -> str:
    return str(Tenant.objects.get(id=key.id).state)


def test_a_tenant_is_deleted_with_a_grace_and_can_be_kept(
    operator: Browser, acme: TenantKey, member: Callable[[Role], Browser]
) -> None:
    member(Role.OWNER)
    page = operator.visit(link("tenant_request_deletion", acme.id)).content.decode()
    assert "Type the tenant" in page
    assert 'value="30"' in page
    page = operator.submit(link("tenant_request_deletion", acme.id), GOOD).content.decode()
    assert "request deletion done" in page
    assert "The contract ended" in page
    assert "Keep…" in page
    assert "Suspend…" not in page
    assert state_of(acme) == "deleting"
    with system_scope("operator"):
        told = Event.objects.get(type="tenant.deletion_requested")
    assert told.data["to"] == ["owner@acme.example"]

    page = operator.submit(link("tenant_cancel_deletion", acme.id), {"reason": "They stay"}).content.decode()
    assert "cancel deletion done" in page
    assert state_of(acme) == "active"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"typed": "acm"}, "That is not acme."),
        ({"typed": ""}, "required"),
        ({"reason": ""}, "required"),
        ({"reason": "x" * 201}, "at most 200"),
        ({"grace_days": "-1"}, "greater than or equal to 0"),
        ({"grace_days": "366"}, "less than or equal to 365"),
        ({"grace_days": "soon"}, "whole number"),
    ],
)
def test_a_deletion_needs_the_address_a_reason_and_a_grace(
    operator: Browser, acme: TenantKey, wrong: dict[str, str], words: str
) -> None:
    page = operator.submit(link("tenant_request_deletion", acme.id), {**GOOD, **wrong})
    assert words in page.content.decode()
    assert state_of(acme) == "active"


def test_a_tenant_is_renamed(operator: Browser, acme: TenantKey) -> None:
    page = operator.submit(link("tenant_rename", acme.id), {"slug": "acme-works", "name": "Acme Works"})
    assert "rename done" in page.content.decode()
    assert "acme.localhost" in page.content.decode(), "the earlier address is shown"
    assert {domain.domain for domain in Domain.objects.filter(tenant_id=acme.id)} == {
        "acme.localhost",
        "acme-works.localhost",
    }


@pytest.mark.parametrize(
    ("slug", "name", "words"),
    [
        ("globex", "Acme", "belongs to another company"),
        ("admin", "Acme", "reserved"),
        ("a" * 41, "Acme", "at most 40"),
        ("Ünïcödé", "Acme", "letters"),
        ("acme-2", "\u200b", "name"),
    ],
)
def test_a_bad_address_or_name_is_refused_with_the_reason(
    operator: Browser, acme: TenantKey, slug: str, name: str, words: str
) -> None:
    page = operator.submit(link("tenant_rename", acme.id), {"slug": slug, "name": name})
    assert words in page.content.decode().lower()
    assert Tenant.objects.get(id=acme.id).slug == "acme"


def test_steps_that_the_state_does_not_have_are_refused(operator: Browser, acme: TenantKey) -> None:
    assert (
        "needs it to be deleting"
        in operator.submit(link("tenant_cancel_deletion", acme.id), {"reason": "why not"}).content.decode()
    )
    operator.submit(link("tenant_request_deletion", acme.id), GOOD)
    assert (
        "active or suspended"
        in operator.submit(link("tenant_request_deletion", acme.id), GOOD).content.decode()
    )


def test_an_erased_tenant_is_a_certificate_in_the_console(
    spare: Callable[[str], Tenant], committed: None
) -> None:
    from apps.accounts import services

    tenant = spare("initech")
    services.create_operator(email=OPERATOR, password=PASSWORD)
    operator = Browser()
    operator.log_in(OPERATOR, PASSWORD)
    operator.submit(
        link("tenant_request_deletion", tenant.id),
        {"typed": "initech", "grace_days": "0", "reason": "The contract ended"},
    )
    assert reconciler.reconcile().erased == 1
    assert not schemas.schema_exists(tenant.schema_name)
    assert "initech" not in operator.visit(link("tenants_tenant_changelist")).content.decode()
    listed = operator.visit(link("tenants_tenanterasure_changelist")).content.decode()
    assert "initech" in listed
    certificate = owner("SELECT id FROM tenants_tenanterasure WHERE tenant_id = %s", tenant.id)[0][0]
    page = operator.visit(link("tenants_tenanterasure_change", certificate)).content.decode()
    for words in (
        "schema: nothing left",
        "MLflow: nothing left",
        "1 from tenants_domain",
        "The contract ended",
    ):
        assert words in page


def test_a_tenant_that_is_half_erased_does_not_break_the_pages(
    spare: Callable[[str], Tenant], committed: None
) -> None:
    from apps.accounts import services

    tenant = spare("initech")
    owner(
        "UPDATE tenants_tenant SET state = 'deleting', erase_after = now(), erasure_started_at = now() WHERE id = %s",
        tenant.id,
    )
    owner("DELETE FROM tenants_tenantlimits WHERE tenant_id = %s", tenant.id)
    services.create_operator(email=OPERATOR, password=PASSWORD)
    operator = Browser()
    operator.log_in(OPERATOR, PASSWORD)
    assert "initech" in operator.visit(link("tenants_tenant_changelist")).content.decode()
    page = operator.visit(link("tenants_tenant_change", tenant.id))
    assert page.status_code == 200
    assert "Keep…" not in page.content.decode()


def test_a_customer_cannot_take_any_step(
    acme: TenantKey, globex: TenantKey, member: Callable[[Role], Browser]
) -> None:
    alice: Any = member(Role.OWNER)
    for step, values in (
        ("request_deletion", GOOD),
        ("cancel_deletion", {"reason": "x"}),
        ("rename", {"slug": "x-2", "name": "X"}),
    ):
        assert alice.submit(link(f"tenant_{step}", globex.id), values).status_code == 403
    assert factories.tenant("globex").state == "active"
