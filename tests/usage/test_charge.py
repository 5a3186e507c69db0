"""The ledger: one statement, exact at the limit, one row for one request, never changed."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.db import ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.core.scope import NoTenantScope
from apps.core.tenancy import TenantKey
from apps.usage import queries, services
from apps.usage.errors import QuotaExceeded, RequestReused
from apps.usage.models import UsageCounter, UsageEvent
from tenants.context import system_scope, tenant_scope

pytestmark = pytest.mark.django_db
Charge = Callable[..., uuid.UUID]


def test_writes_the_row_and_raises_the_counter_in_one_statement(acme: TenantKey, charge: Charge) -> None:
    key_id, user_id = uuid.uuid4(), uuid.uuid4()
    with CaptureQueriesContext(connection) as statements:
        event_id = charge(
            acme, 28, receipt={"model": "sales", "seed": 7}, request_id="r1", key_id=key_id, user_id=user_id
        )
    assert len(statements) == 1
    with tenant_scope(acme):
        event = queries.get_event(event_id=event_id)
        counter = UsageCounter.objects.get()
    assert (event.quantity, event.kind, event.request_id, event.receipt) == (
        28,
        "forecast_points",
        "r1",
        {"model": "sales", "seed": 7},
    )
    assert (event.key_id, event.user_id) == (key_id, user_id)
    assert (counter.used, counter.period) == (28, event.period)
    assert event.period == event.occurred_at.strftime("%Y-%m")


def test_takes_the_last_point_and_not_one_more(acme: TenantKey, charge: Charge) -> None:
    charge(acme, 99)
    charge(acme, 1)
    with pytest.raises(QuotaExceeded) as refusal:
        charge(acme, 1)
    assert refusal.value.fields["used"] == 100
    assert refusal.value.fields["limit"] == 100
    assert str(refusal.value.fields["resets_at"]).endswith("-01T00:00:00Z")
    assert "needs 1 forecast points, but 100 of this month's 100" in refusal.value.detail


def test_what_does_not_fit_changes_nothing_and_less_still_fits(acme: TenantKey, charge: Charge) -> None:
    charge(acme, 60)
    with pytest.raises(QuotaExceeded, match="but 60 of this month's 100"):
        charge(acme, 41)
    charge(acme, 40)
    with tenant_scope(acme):
        assert UsageEvent.objects.count() == 2


def test_a_first_charge_above_the_limit_is_refused(acme: TenantKey, charge: Charge) -> None:
    with pytest.raises(QuotaExceeded, match="but 0 of this month's 100"):
        charge(acme, 101)
    with tenant_scope(acme):
        assert not UsageCounter.objects.exists()


def test_no_limit_means_no_end(acme: TenantKey, charge: Charge) -> None:
    charge(acme, 10**12, limit=None)
    charge(acme, 10**12, limit=None)
    with tenant_scope(acme):
        assert UsageCounter.objects.get().used == 2 * 10**12


def test_a_limit_of_zero_admits_only_what_costs_nothing(acme: TenantKey, charge: Charge) -> None:
    charge(acme, 0, limit=0)
    with pytest.raises(QuotaExceeded):
        charge(acme, 1, limit=0)


def test_the_same_request_again_returns_the_earlier_row_and_bills_nothing(
    acme: TenantKey, charge: Charge
) -> None:
    first = charge(acme, 60, request_id="again", receipt={"n": 1})
    assert charge(acme, 60, request_id="again", receipt={"n": 2}) == first
    with tenant_scope(acme):
        assert queries.get_event(event_id=first).receipt == {"n": 1}
        assert UsageCounter.objects.get().used == 60


def test_the_same_request_is_answered_even_when_the_quota_is_used_up(acme: TenantKey, charge: Charge) -> None:
    first = charge(acme, 100, request_id="again")
    assert charge(acme, 100, request_id="again") == first


def test_a_request_id_with_another_charge_is_refused(acme: TenantKey, charge: Charge) -> None:
    charge(acme, 10, request_id="again")
    with pytest.raises(RequestReused, match="10 forecast_points instead of 20"):
        charge(acme, 20, request_id="again")


def test_tenants_have_requests_and_counters_of_their_own(
    acme: TenantKey, globex: TenantKey, charge: Charge
) -> None:
    ours, theirs = charge(acme, 100, request_id="same"), charge(globex, 100, request_id="same")
    assert ours != theirs
    with tenant_scope(globex):
        assert list(UsageEvent.objects.values_list("id", flat=True)) == [theirs]
        assert UsageCounter.objects.get().used == 100


@pytest.mark.parametrize(("quantity", "request_id"), [(-1, "r"), (1, ""), (1, "x" * 121)])
def test_nonsense_is_refused_before_anything_is_sent(
    acme: TenantKey, charge: Charge, quantity: int, request_id: str
) -> None:
    with CaptureQueriesContext(connection) as statements, pytest.raises(ValueError, match="a charge needs"):
        charge(acme, quantity, request_id=request_id)
    assert len(statements) == 0


def test_needs_a_tenant_in_scope(db: None) -> None:
    with pytest.raises(NoTenantScope):
        services.charge(kind="forecast_points", quantity=1, limit=1, receipt={}, request_id="r")


@pytest.mark.parametrize("role", ["tenant", "ledger", "operator", "billing", "edge", "dispatcher"])
def test_nobody_may_change_or_delete_a_row_of_the_ledger(acme: TenantKey, charge: Charge, role: str) -> None:
    charge(acme, 1)
    scope = tenant_scope(acme) if role == "tenant" else system_scope(role)
    with scope:
        for statement in (
            "UPDATE usage_usageevent SET quantity = 0",
            "DELETE FROM usage_usageevent",
            "TRUNCATE usage_usageevent",
        ):
            with (
                pytest.raises(ProgrammingError, match="permission denied"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(statement)


def test_a_tenant_may_not_write_its_own_ledger_or_counter(acme: TenantKey) -> None:
    with tenant_scope(acme):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            UsageEvent.objects.create(
                tenant_id=acme.id, request_id="r", kind="forecast_points", quantity=1, period="2026-11"
            )
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            UsageCounter.objects.update(used=0)
