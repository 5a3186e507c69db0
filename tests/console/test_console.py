"""The operator's console: everything of every tenant to look at, and two doors to close and open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import models
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.permissions import Role
from apps.audit.models import AuditEvent
from apps.console.site import site
from apps.core.ids import new_id
from apps.core.tenancy import TenantKey
from apps.events import services as events
from apps.jobs import services as jobs
from apps.usage import services as usage
from tenants.context import system_scope, tenant_scope
from tenants.models import TenantErasure
from tests import factories
from tests.accounts.browser import BARE, Browser
from tests.console.conftest import ADMIN
from tests.dashboard.conftest import ACME, member
from tests.forecasts.conftest import program

__all__ = ["member", "program"]
Member = Callable[[Role], Browser]
Program = Callable[..., Client]
REGISTERED = sorted(site._registry, key=lambda model: model._meta.label)


def names(model: type[models.Model]) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}"


def link(name: str, *arguments: object) -> str:
    return BARE + reverse(f"console:{name}", args=arguments, urlconf="config.urls_public")


@pytest.fixture
def busy_acme(acme: TenantKey, member: Member, program: Program, certificate: TenantErasure) -> TenantKey:
    """acme with a person, a key, a job, a notice, usage and audit rows."""
    member(Role.OWNER)
    program(acme)
    with tenant_scope(acme):
        jobs.enqueue(kind="tests.work", payload={}, title="Count the stars")
        events.emit(type="shop.opened", data={"to": []})
        usage.charge(kind="forecast_points", quantity=7654321, limit=None, receipt={}, request_id="one")
    return acme


@pytest.fixture(scope="module")
def certificate(django_db_setup: None, django_db_blocker: Any) -> Iterator[TenantErasure]:
    """Somebody was erased; only the owner writes that."""
    with django_db_blocker.unblock():
        now = timezone.now()
        erasure = TenantErasure.objects.using("owner").create(
            tenant_id=new_id(), slug="initech", schema_name="t_initech", requested_at=now, started_at=now
        )
        yield erasure
        erasure.delete(using="owner")


def test_there_are_pages_to_test() -> None:
    assert {"tenants.Tenant", "jobs.Job", "usage.UsageEvent", "audit.AuditEvent"} <= {
        model._meta.label for model in REGISTERED
    }


@pytest.mark.parametrize("model", REGISTERED, ids=names)
def test_every_list_and_every_row_of_it_opens(
    operator: Browser, busy_acme: TenantKey, model: type[models.Model]
) -> None:
    address = link(f"{names(model)}_changelist")
    for query in ("", "?q=acme", "?q=%00", "?o=1", f"?tenant_id={busy_acme.id}"):
        assert operator.visit(address + query).status_code == 200, query
    with system_scope("operator"):
        row = site._registry[model].get_queryset(None).first()  # type: ignore[arg-type]
    assert row is not None, "the fixture makes one of each"
    assert operator.visit(link(f"{names(model)}_change", row.pk)).status_code == 200


@pytest.mark.parametrize("model", REGISTERED, ids=names)
def test_nothing_is_added_or_deleted_by_hand(
    operator: Browser, busy_acme: TenantKey, model: type[models.Model]
) -> None:
    with system_scope("operator"):
        row = site._registry[model].get_queryset(None).first()  # type: ignore[arg-type]
    assert row is not None
    assert operator.visit(link(f"{names(model)}_add")).status_code == 403
    assert operator.visit(link(f"{names(model)}_delete", row.pk)).status_code == 403
    assert operator.submit(link(f"{names(model)}_change", row.pk), {"name": "x"}).status_code == 403


def test_the_operator_sees_a_tenant_with_its_jobs_usage_and_audit_log(
    operator: Browser, busy_acme: TenantKey
) -> None:
    assert "acme" in operator.visit(ADMIN + "tenants/tenant/").content.decode()
    page = operator.visit(link("tenants_tenant_change", busy_acme.id)).content.decode()
    assert "acme.localhost" in page
    for name, words in (
        ("jobs_job", "Count the stars"),
        ("usage_usageevent", "7654321"),
        ("audit_auditevent", 'field-action">api_key.created'),
        ("api_keys_apikey", "Test"),
        ("accounts_membership", "owner@acme.example"),
    ):
        address = f"{link(f'{name}_changelist')}?tenant_id={busy_acme.id}"
        assert address.removeprefix(BARE) in page
        assert words in operator.visit(address).content.decode()
        other = f"{link(f'{name}_changelist')}?tenant_id={factories.tenant('globex').id}"
        assert words not in operator.visit(other).content.decode()


def test_no_page_shows_a_password_or_a_keys_digest(operator: Browser, busy_acme: TenantKey) -> None:
    from apps.accounts.models import User
    from apps.api_keys.models import ApiKey

    with system_scope("operator"):
        user, key = User.objects.order_by("id").last(), ApiKey.objects.first()
    assert user is not None
    assert key is not None
    assert user.password not in operator.visit(link("accounts_user_change", user.pk)).content.decode()
    page = operator.visit(link("api_keys_apikey_change", key.pk)).content.decode()
    assert "digest" not in page.lower()


def test_a_suspended_tenants_doors_close_until_it_is_brought_back(
    operator: Browser, acme: TenantKey, member: Member, program: Program
) -> None:
    alice, client = member(Role.OWNER), program(acme)
    suspend, reactivate = (link(f"tenant_{step}", acme.id) for step in ("suspend", "reactivate"))
    assert "Reason" in operator.visit(suspend).content.decode()
    assert "required" in operator.submit(suspend, {"reason": " "}).content.decode()
    assert client.get("/v1/models").status_code == 200

    page = operator.submit(suspend, {"reason": "The invoice of May is open"}).content.decode()
    assert "suspend done" in page
    refused = client.get("/v1/models")
    assert (refused.status_code, refused.json()["code"]) == (403, "tenant_suspended")
    door = alice.visit(f"{ACME}/models/")
    assert door.status_code == 403
    assert door.templates[0].name == "accounts/suspended.html"

    assert "needs it to be active" in operator.submit(suspend, {"reason": "again"}).content.decode()
    operator.submit(reactivate, {"reason": "It was paid"})
    assert client.get("/v1/models").status_code == 200
    assert alice.visit(f"{ACME}/models/").status_code == 200
    with system_scope("operator"):
        changes = AuditEvent.objects.filter(tenant_id=acme.id, action__startswith="tenant.")
        events = list(changes.select_related("personal").order_by("occurred_at"))
    told = [(event.action, event.actor_type, event.changes["reason"]) for event in events[-2:]]
    assert told == [
        ("tenant.suspended", "operator", "The invoice of May is open"),
        ("tenant.reactivated", "operator", "It was paid"),
    ]
    assert {event.actor_label for event in events[-2:]} == {"operator@almanac.example"}


def test_a_tenant_that_is_not_there_is_no_crash(operator: Browser) -> None:
    nobody = "01a208b0-1f4c-2314-5c30-be7295aac864"
    assert operator.visit(link("tenant_suspend", nobody)).status_code == 404
    assert operator.submit(link("tenant_reactivate", nobody), {"reason": "x"}).status_code == 404


@pytest.mark.parametrize("path", ["", "tenants/tenant/", "jobs/job/", "audit/auditevent/"])
def test_strangers_are_sent_to_the_log_in(db: None, path: str) -> None:
    browser = Browser()
    page = browser.visit(ADMIN + path)
    assert page.status_code == 200
    assert browser.trail[-1].startswith(f"{BARE}/login/?next=")


@pytest.mark.parametrize("path", ["", "tenants/tenant/", "jobs/job/", "audit/auditevent/"])
def test_a_customer_does_not_get_in(db: None, member: Member, path: str) -> None:
    alice = member(Role.OWNER)
    assert alice.visit(ADMIN + path).status_code == 403


def test_a_customer_cannot_suspend_anybody(acme: TenantKey, globex: TenantKey, member: Member) -> None:
    alice = member(Role.OWNER)
    assert alice.submit(link("tenant_suspend", globex.id), {"reason": "rival"}).status_code == 403
    assert factories.tenant("globex").state == "active"


def test_the_console_is_not_on_a_tenants_host(db: None, member: Member) -> None:
    assert member(Role.OWNER).visit(f"{ACME}/admin/").status_code == 404


def test_the_operator_sees_no_tenants_own_tables(operator: Browser, acme: TenantKey) -> None:
    from django.db import ProgrammingError, connection, transaction

    with (
        system_scope("operator"),
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(),
    ):
        connection.cursor().execute(f'SELECT * FROM "{acme.schema}"."datasets_dataset"')
