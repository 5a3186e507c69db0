"""What a key uses is counted with what its tenant uses, and its own budget is exact."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

import pytest
from django.db import ProgrammingError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from apps.core.tenancy import TenantKey
from apps.usage import queries
from apps.usage.errors import KeyBudgetExceeded, QuotaExceeded
from apps.usage.models import UsageCounter, UsageEvent, UsageKeyCounter
from apps.usage.services import KeyBudget
from tenants.context import tenant_scope
from tests import factories

Charge = Callable[..., uuid.UUID]
SHOP = uuid.UUID(int=7)


def budget(limit: int | None, counter_id: uuid.UUID = SHOP) -> KeyBudget:
    return KeyBudget(counter_id=counter_id, name="Shop", limit=limit)


def counters(tenant: TenantKey) -> tuple[int, int, int]:
    """The ledger's sum, the tenant's counter, the key's counter."""
    with tenant_scope(tenant):
        events = sum(UsageEvent.objects.values_list("quantity", flat=True))
        whole = sum(UsageCounter.objects.values_list("used", flat=True))
        key = sum(UsageKeyCounter.objects.filter(key_id=SHOP).values_list("used", flat=True))
    return events, whole, key


@pytest.mark.django_db
class TestOneAfterTheOther:
    """Without anybody at the same time."""

    def test_a_key_without_a_budget_is_counted_in_the_same_statement(
        self, acme: TenantKey, charge: Charge
    ) -> None:
        with CaptureQueriesContext(connection) as statements:
            charge(acme, 28, key_budget=budget(None))
        assert len(statements) == 1
        assert counters(acme) == (28, 28, 28)

    def test_a_budget_costs_one_statement_but_for_the_months_first(
        self, acme: TenantKey, charge: Charge
    ) -> None:
        charge(acme, 1, key_budget=budget(10))
        with CaptureQueriesContext(connection) as statements:
            charge(acme, 1, key_budget=budget(10))
        assert len(statements) == 1
        assert counters(acme) == (2, 2, 2)

    def test_takes_the_last_point_and_names_the_keys_budget(self, acme: TenantKey, charge: Charge) -> None:
        charge(acme, 9, key_budget=budget(10))
        charge(acme, 1, key_budget=budget(10))
        with pytest.raises(KeyBudgetExceeded, match="key 'Shop' has used 10 of its own monthly budget of 10"):
            charge(acme, 1, key_budget=budget(10))
        assert counters(acme) == (10, 10, 10)

    def test_what_was_used_before_the_budget_was_set_counts(self, acme: TenantKey, charge: Charge) -> None:
        charge(acme, 8, key_budget=budget(None))
        with pytest.raises(KeyBudgetExceeded):
            charge(acme, 3, key_budget=budget(10))
        charge(acme, 2, key_budget=budget(10))
        assert counters(acme) == (10, 10, 10)

    def test_what_does_not_fit_the_quota_leaves_the_keys_counter_alone(
        self, acme: TenantKey, charge: Charge
    ) -> None:
        charge(acme, 95)
        with pytest.raises(QuotaExceeded):
            charge(acme, 6, key_budget=budget(50))
        assert counters(acme) == (95, 95, 0)
        charge(acme, 5, key_budget=budget(50))
        assert counters(acme) == (100, 100, 5)

    def test_a_first_charge_above_the_budget_is_refused(self, acme: TenantKey, charge: Charge) -> None:
        with pytest.raises(KeyBudgetExceeded):
            charge(acme, 11, key_budget=budget(10))
        assert counters(acme) == (0, 0, 0)

    def test_the_same_request_again_bills_nothing(self, acme: TenantKey, charge: Charge) -> None:
        first = charge(acme, 10, request_id="again", key_budget=budget(10))
        assert charge(acme, 10, request_id="again", key_budget=budget(10)) == first
        assert counters(acme) == (10, 10, 10)

    def test_other_keys_and_tenants_have_budgets_of_their_own(
        self, acme: TenantKey, globex: TenantKey, charge: Charge
    ) -> None:
        charge(acme, 10, key_budget=budget(10))
        charge(acme, 10, key_budget=budget(10, uuid.UUID(int=8)))
        charge(globex, 10, key_budget=budget(10))
        with tenant_scope(acme):
            assert queries.used_by_keys([SHOP, uuid.UUID(int=9)]) == {SHOP: 10}

    def test_a_tenant_cannot_change_what_its_keys_used(self, acme: TenantKey, charge: Charge) -> None:
        charge(acme, 10, key_budget=budget(10))
        with (
            tenant_scope(acme),
            pytest.raises(ProgrammingError, match="permission denied"),
            transaction.atomic(),
        ):
            UsageKeyCounter.objects.update(used=0)


@pytest.mark.django_db
class TestTestMode:
    """What test keys use stands apart from quota and bill."""

    def test_it_is_neither_in_the_quota_nor_in_the_months_points(
        self, acme: TenantKey, charge: Charge
    ) -> None:
        charge(acme, 7)
        charge(acme, 30, mode="test", key_budget=budget(None))
        with tenant_scope(acme):
            month = queries.month_summary()
            assert [(row.label[:4], row.points) for row in queries.by_key(mode="test")] == [("Web ", 30)]
            assert queries.used_by_keys([SHOP]) == {SHOP: 30}
            assert sum(day.points for day in queries.daily_series()) == 7
        assert (month.calls, month.points, month.quota.used) == (1, 7, 7)
        assert (month.test_calls, month.test_points) == (1, 30)

    def test_it_goes_on_when_the_quota_is_used_up(self, acme: TenantKey, charge: Charge) -> None:
        charge(acme, 100)
        event_id = charge(acme, 100, mode="test")
        with tenant_scope(acme):
            assert queries.get_event(event_id=event_id).kind == "test_forecast_points"

    def test_as_much_as_the_plan_has_and_no_more(self, acme: TenantKey, charge: Charge) -> None:
        charge(acme, 100, mode="test")
        with pytest.raises(QuotaExceeded, match="1 test forecast points, but 100 of this month's 100"):
            charge(acme, 1, mode="test")
        charge(acme, 100)


@pytest.mark.usefixtures("committed")
@pytest.mark.parametrize(("quota", "limit", "admitted"), [(300, 150, 50), (150, 300, 50), (150, 150, 50)])
def test_twenty_threads_are_admitted_exactly_to_the_smaller_of_quota_and_budget(
    charge: Charge, quota: int, limit: int, admitted: int
) -> None:
    acme, done, refused = factories.tenant("acme").key, [], []

    def run() -> None:
        for _ in range(10):
            try:
                done.append(charge(acme, 3, limit=quota, key_budget=budget(limit)))
            except (QuotaExceeded, KeyBudgetExceeded) as error:
                refused.append(error)

    _in_threads(20, run)
    assert (len(done), len(refused)) == (admitted, 200 - admitted)
    assert counters(acme) == (admitted * 3,) * 3


@pytest.mark.usefixtures("committed")
def test_keys_with_and_without_a_budget_share_the_quota_exactly(charge: Charge) -> None:
    acme, done = factories.tenant("acme").key, []
    wishes = [budget(90), budget(None, uuid.UUID(int=8)), None]

    def run(number: int) -> None:
        for _ in range(15):
            try:
                done.append(charge(acme, 2, limit=240, key_budget=wishes[number % 3]))
            except (QuotaExceeded, KeyBudgetExceeded):
                continue

    _in_threads(12, run)
    events, whole, key = counters(acme)
    assert (len(done) * 2, events, whole) == (240, 240, 240)
    assert key <= 90


def _in_threads(count: int, work: Callable[..., object]) -> None:
    failures: list[BaseException] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        start.wait()
        try:
            work(*([number] if work.__code__.co_argcount else []))
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            failures.append(error)
        finally:
            connections["default"].close()

    threads = [threading.Thread(target=run, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
