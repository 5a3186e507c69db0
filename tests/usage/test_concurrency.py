"""Many threads against one quota, each with its own connection and committed for real."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable

import pytest
from django.db import DatabaseError, connections, transaction

from apps.core.tenancy import TenantKey
from apps.usage import services
from apps.usage.errors import QuotaExceeded
from apps.usage.models import UsageCounter, UsageEvent
from tenants.context import tenant_scope
from tests import factories

pytestmark = pytest.mark.usefixtures("committed")
Charge = Callable[..., uuid.UUID]


def test_twenty_threads_are_admitted_exactly_to_the_limit(charge: Charge) -> None:
    acme, admitted, refused = factories.tenant("acme").key, [], []

    def run() -> None:
        for _ in range(20):
            try:
                admitted.append(charge(acme, 3, limit=300))
            except QuotaExceeded as error:
                refused.append(error)

    began = time.perf_counter()
    _in_threads(20, run)
    print(f"400 charges by 20 threads in {time.perf_counter() - began:.2f} s")  # noqa: T201 - shown with -s
    assert (len(admitted), len(refused)) == (100, 300)
    assert _state(acme) == (100, 300, 300)


def test_twenty_threads_with_the_same_request_bill_it_once(charge: Charge) -> None:
    acme, ids = factories.tenant("acme").key, []
    _in_threads(20, lambda: ids.append(charge(acme, 5, request_id="one")))
    assert (len(ids), len(set(ids))) == (20, 1)
    assert _state(acme) == (1, 5, 5)


def test_mixed_retries_of_two_tenants_leave_counter_and_rows_equal(charge: Charge) -> None:
    tenants = [factories.tenant(slug).key for slug in ("acme", "globex")]

    def run() -> None:
        for number in range(20):
            charge(tenants[number % 2], 2, limit=None, request_id=f"r{number}")

    _in_threads(10, run)
    assert [_state(tenant) for tenant in tenants] == [(10, 20, 20)] * 2


def test_a_charge_inside_a_tenants_transaction_is_refused(charge: Charge) -> None:
    acme = factories.tenant("acme").key
    with tenant_scope(acme), transaction.atomic():
        UsageEvent.objects.count()
        with pytest.raises(DatabaseError, match="the transaction belongs to"):
            services.charge(kind="forecast_points", quantity=1, limit=None, receipt={}, request_id="r")
    assert _state(acme) == (0, 0, 0)


def _state(tenant: TenantKey) -> tuple[int, int, int]:
    """Rows, their sum, and the counter."""
    with tenant_scope(tenant):
        quantities = list(UsageEvent.objects.values_list("quantity", flat=True))
        counter = UsageCounter.objects.first()
    return len(quantities), sum(quantities), counter.used if counter else 0


def _in_threads(count: int, work: Callable[[], object]) -> None:
    failures: list[BaseException] = []
    start = threading.Barrier(count)

    def run() -> None:
        start.wait()
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            failures.append(error)
        finally:
            connections["default"].close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
