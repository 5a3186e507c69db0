"""The life cycle: each step in its states only, by the service and by the database."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import Error, IntegrityError, ProgrammingError, connections, transaction
from django.utils import timezone

from apps.audit.models import AuditEvent
from apps.core.tenancy import TenantKey
from tenants import queries, services
from tenants.context import system_scope
from tenants.errors import ErasureStarted, GraceOutOfRange, SlugTaken, TooManyAddresses, WrongState
from tenants.lifecycle import TRANSITIONS
from tenants.models import Domain, Tenant, TenantState

STEPS = list(itertools.product(TenantState, TenantState))


def find(key: TenantKey) -> Tenant:
    return queries.get_tenant(tenant_id=key.id)


@pytest.mark.parametrize(("before", "after"), STEPS, ids=[f"{a}-{b}" for a, b in STEPS])
def test_the_database_allows_the_steps_of_the_table_and_no_others(
    django_db_setup: None, django_db_blocker: Callable[..., object], before: TenantState, after: TenantState
) -> None:
    with (
        django_db_blocker.unblock(),  # type: ignore[attr-defined]
        transaction.atomic(using="owner"),
        connections["owner"].cursor() as cursor,
    ):
        cursor.execute(
            "INSERT INTO tenants_tenant (id, schema_name, name, state, suspended_reason, created_at, erasure_started_at) "
            "VALUES (gen_random_uuid(), 't_step', '', %s, '', now(), %s) RETURNING id",
            [before, timezone.now() if after == "gone" else None],
        )
        tenant_id = cursor.fetchone()[0]
        try:
            with transaction.atomic(using="owner"):
                cursor.execute("UPDATE tenants_tenant SET state = %s WHERE id = %s", [after, tenant_id])
            allowed = True
        except IntegrityError:
            allowed = False
        transaction.set_rollback(True, using="owner")
    assert allowed == (after in TRANSITIONS[before] or after == before)


@pytest.mark.parametrize("before", ["active", "suspended"])
def test_a_deletion_waits_for_its_grace_and_can_be_cancelled(acme: TenantKey, before: str) -> None:
    with system_scope("operator"):
        if before == "suspended":
            services.suspend(tenant_id=acme.id, reason="The invoice is open")
    asked = services.request_deletion(
        tenant_id=acme.id, reason="We moved on", notify=["alice@acme.example"]
    )  # as the edge
    assert (asked.state, asked.deletion_reason, asked.deletion_notify) == (
        "deleting",
        "We moved on",
        ["alice@acme.example"],
    )
    assert asked.erase_after is not None
    assert timedelta(days=29, hours=23) < asked.erase_after - timezone.now() <= timedelta(days=30)

    kept = services.cancel_deletion(tenant_id=acme.id, reason="We stay")
    assert kept.state == before
    assert (kept.erase_after, kept.delete_requested_at, kept.deletion_notify) == (None, None, [])
    with system_scope("operator"):
        told = AuditEvent.objects.filter(tenant_id=acme.id, action__startswith="tenant.deletion").order_by(
            "occurred_at"
        )
        assert [event.action for event in told] == ["tenant.deletion_requested", "tenant.deletion_cancelled"]


def test_what_is_being_deleted_is_not_deleted_suspended_or_renamed_again(acme: TenantKey) -> None:
    services.request_deletion(tenant_id=acme.id, reason="over")
    with pytest.raises(WrongState, match="needs it to be active or suspended"):
        services.request_deletion(tenant_id=acme.id, reason="again")
    with pytest.raises(WrongState):
        services.rename(tenant_id=acme.id, slug="acme-new")
    with system_scope("operator"), pytest.raises(WrongState, match="needs it to be active"):
        services.suspend(tenant_id=acme.id, reason="late")


def test_only_a_deletion_can_be_cancelled(acme: TenantKey) -> None:
    with pytest.raises(WrongState, match="needs it to be deleting"):
        services.cancel_deletion(tenant_id=acme.id)


@pytest.mark.parametrize("days", [-1, 366])
def test_a_grace_is_at_most_a_year(acme: TenantKey, days: int) -> None:
    with pytest.raises(GraceOutOfRange):
        services.request_deletion(tenant_id=acme.id, reason="x", grace_days=days)
    assert find(acme).state == "active"


def test_once_the_erasure_has_begun_nothing_brings_the_tenant_back(committed: None) -> None:
    key = queries.find_by_slug(slug="acme").key  # type: ignore[union-attr]
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute("SAVEPOINT before")
        cursor.execute("UPDATE tenants_tenant SET state = 'deleting' WHERE id = %s", [key.id])
        cursor.execute("UPDATE tenants_tenant SET erasure_started_at = now() WHERE id = %s", [key.id])
        for change in ("state = 'active'", "erasure_started_at = NULL"):
            with (
                pytest.raises(IntegrityError, match="the erasure has begun"),
                transaction.atomic(using="owner"),
            ):
                cursor.execute(f"UPDATE tenants_tenant SET {change} WHERE id = %s", [key.id])
        transaction.set_rollback(True, using="owner")


def test_a_renamed_tenant_is_found_under_both_addresses(acme: TenantKey) -> None:
    renamed = services.rename(tenant_id=acme.id, slug="acme-works", name="Acme Works")
    assert (renamed.slug, renamed.name, renamed.schema_name) == ("acme-works", "Acme Works", acme.schema)
    hosts = {domain.domain: domain.is_primary for domain in Domain.objects.filter(tenant_id=acme.id)}
    assert hosts == {f"acme-works.{settings.BASE_DOMAIN}": True, f"acme.{settings.BASE_DOMAIN}": False}
    for host in hosts:
        found = queries.find_by_host(host=host)
        assert found is not None
        assert found.id == acme.id


def test_an_address_that_was_given_up_is_nobody_elses(acme: TenantKey, globex: TenantKey) -> None:
    services.rename(tenant_id=acme.id, slug="acme-works")
    with pytest.raises(SlugTaken):
        services.rename(tenant_id=globex.id, slug="acme")
    back = services.rename(tenant_id=acme.id, slug="acme")
    assert back.slug == "acme"
    primary = Domain.objects.get(tenant_id=acme.id, is_primary=True)
    assert primary.domain == f"acme.{settings.BASE_DOMAIN}"


def test_nobody_collects_addresses(acme: TenantKey) -> None:
    for number in range(services.ADDRESSES_KEPT - 1):
        services.rename(tenant_id=acme.id, slug=f"acme-{number + 2}")
    with pytest.raises(TooManyAddresses):
        services.rename(tenant_id=acme.id, slug="acme-99")
    assert services.rename(tenant_id=acme.id, slug="acme-2").slug == "acme-2"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE tenants_tenant SET schema_name = 't_aaaaaaaaaaaaaaaa' WHERE slug = 'acme'",
        "UPDATE tenants_tenant SET erasure_started_at = now() WHERE slug = 'acme'",
        "UPDATE tenants_tenant SET suspended_reason = 'x' WHERE slug = 'acme'",
        "UPDATE tenants_tenant SET state = 'gone' WHERE slug = 'acme'",
        "UPDATE tenants_tenant SET state = 'ready' WHERE slug = 'acme'",
        "UPDATE tenants_domain SET domain = 'x.localhost' WHERE domain = 'acme.localhost'",
        "DELETE FROM tenants_tenant WHERE slug = 'acme'",
        "DELETE FROM tenants_domain WHERE domain = 'acme.localhost'",
        "INSERT INTO tenants_tenanterasure (id) VALUES (gen_random_uuid())",
    ],
)
def test_the_edge_may_change_only_what_an_owners_page_changes(acme: TenantKey, change: str) -> None:
    with (
        pytest.raises(Error, match=r"permission denied|row-level security|does not go"),
        transaction.atomic(),
        connections["default"].cursor() as cursor,
    ):
        cursor.execute(change)


def test_a_tenant_may_change_nothing_of_its_own_row(acme: TenantKey) -> None:
    from tenants.context import tenant_scope

    with tenant_scope(acme), pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        Tenant.objects.filter(id=acme.id).update(state="suspended")


def test_an_erasure_that_has_begun_cannot_be_cancelled(committed: None) -> None:
    tenant = queries.find_by_slug(slug="acme")
    assert tenant is not None
    services.request_deletion(tenant_id=tenant.id, reason="over", grace_days=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queries, "get_tenant", lambda *, tenant_id: _begun(tenant_id))
        with pytest.raises(ErasureStarted, match="cannot be undone"):
            services.cancel_deletion(tenant_id=tenant.id)
    services.cancel_deletion(tenant_id=tenant.id)


def _begun(tenant_id: object) -> Tenant:
    tenant = Tenant.objects.get(id=tenant_id)
    tenant.erasure_started_at = timezone.now()
    return tenant
