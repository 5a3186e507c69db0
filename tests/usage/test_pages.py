"""What a tenant sees of its usage: sums, days, keys, the quota's state, the page and the API."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.core.tenancy import TenantKey
from apps.usage import queries
from apps.usage.models import UsageEvent
from apps.usage.periods import end_of, period_of, start_of
from apps.usage.queries import Quota
from tenants.context import system_scope, tenant_scope
from tests.accounts.browser import Browser
from tests.accounts.conftest import PASSWORD
from tests.api_keys.conftest import Made

pytestmark = pytest.mark.django_db
Charge = Callable[..., uuid.UUID]


def _write(tenant: TenantKey, at: datetime, quantity: int) -> None:
    with system_scope("ledger"):
        UsageEvent.objects.create(
            tenant_id=tenant.id,
            request_id=uuid.uuid4().hex,
            kind="forecast_points",
            quantity=quantity,
            occurred_at=at,
            period=period_of(at),
        )


class TestQueries:
    """Reads of the ledger."""

    def test_the_month_sums_calls_and_points(
        self, acme: TenantKey, globex: TenantKey, charge: Charge
    ) -> None:
        charge(acme, 10)
        charge(acme, 20)
        charge(globex, 50)
        with tenant_scope(acme):
            month = queries.month_summary()
        assert (month.calls, month.points, month.plan) == (2, 30, "free")
        assert (month.quota.used, month.quota.limit, month.quota.remaining) == (30, 10_000, 9_970)
        assert month.quota.resets_at == end_of(month.period)

    def test_a_new_tenant_has_used_nothing(self, acme: TenantKey) -> None:
        with tenant_scope(acme):
            month = queries.month_summary()
            assert (month.calls, month.points, month.quota.used, month.quota.state) == (0, 0, 0, "ok")
            assert queries.by_key() == []
            assert sum(day.calls for day in queries.daily_series()) == 0

    def test_other_months_are_not_counted(self, acme: TenantKey, charge: Charge) -> None:
        charge(acme, 5)
        last_month = start_of(period_of(timezone.now())) - timedelta(seconds=1)
        _write(acme, last_month, 1000)
        with tenant_scope(acme):
            assert queries.month_summary().points == 5
            assert queries.month_summary(moment=last_month).points == 1000

    def test_days_are_in_order_without_gaps_and_end_at_midnight_utc(self, acme: TenantKey) -> None:
        _write(acme, datetime(2026, 2, 27, 23, 59, 59, tzinfo=UTC), 1)
        _write(acme, datetime(2026, 2, 28, 0, 0, 0, tzinfo=UTC), 2)
        _write(acme, datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC), 4)
        _write(acme, datetime(2026, 3, 1, 13, 0, 0, tzinfo=UTC), 8)
        with tenant_scope(acme):
            days = queries.daily_series(days=4, today=date(2026, 3, 2))
        assert [(day.label, day.calls, day.points) for day in days] == [
            ("2026-02-27", 1, 1),
            ("2026-02-28", 1, 2),
            ("2026-03-01", 2, 12),
            ("2026-03-02", 0, 0),
        ]

    def test_keys_have_their_names_and_the_web_pages_stand_together(
        self, acme: TenantKey, charge: Charge, make_key: Callable[..., Made]
    ) -> None:
        row, _ = make_key(acme, name="Shop")
        gone = uuid.uuid4()
        charge(acme, 5, key_id=row.id)
        charge(acme, 6, key_id=row.id)
        charge(acme, 3)
        charge(acme, 1, key_id=gone)
        with tenant_scope(acme):
            rows = [(usage.label, usage.calls, usage.points) for usage in queries.by_key()]
        assert rows == [("Shop", 2, 11), ("Web pages", 1, 3), (public_id("key", gone), 1, 1)]

    def test_another_tenants_row_is_not_there(
        self, acme: TenantKey, globex: TenantKey, charge: Charge
    ) -> None:
        event_id = charge(acme, 1)
        with tenant_scope(globex), pytest.raises(NotFound):
            queries.get_event(event_id=event_id)

    @pytest.mark.parametrize(
        ("used", "limit", "state"),
        [
            (0, 100, "ok"),
            (79, 100, "ok"),
            (80, 100, "warning"),
            (99, 100, "warning"),
            (100, 100, "hard_exceeded"),
            (150, 100, "hard_exceeded"),
            (0, 0, "hard_exceeded"),
        ],
    )
    def test_the_quotas_state(self, used: int, limit: int, state: str) -> None:
        quota = Quota(used=used, limit=limit, resets_at=timezone.now())
        assert quota.state == state
        assert quota.remaining == max(0, limit - used)


@pytest.mark.parametrize(
    ("period", "end"),
    [("2026-11", datetime(2026, 12, 1, tzinfo=UTC)), ("2026-12", datetime(2027, 1, 1, tzinfo=UTC))],
)
def test_a_month_ends_where_the_next_begins(period: str, end: datetime) -> None:
    assert end_of(period) == end
    assert period_of(end - timedelta(microseconds=1)) == period
    assert period_of(end) != period


class TestTheDoors:
    """The page and ``GET /v1/usage``."""

    def test_the_page_shows_meter_and_chart(
        self, browser: Browser, alice: User, acme: TenantKey, charge: Charge
    ) -> None:
        charge(acme, 8_500, limit=10_000)
        browser.log_in(alice.email, PASSWORD)
        response = browser.visit("http://acme.localhost/usage/")
        page = response.content.decode()
        assert response.status_code == 200
        assert response.context["quota"].state == "warning"
        assert 'data-chart="bars"' in page
        assert "8,500" in page
        assert (
            len(response.context["chart"]["labels"])
            == len(response.context["chart"]["series"][0]["values"])
            == 30
        )

    def test_the_api_tells_the_month_by_day_and_key(
        self, acme: TenantKey, charge: Charge, make_key: Callable[..., Made]
    ) -> None:
        row, text = make_key(acme, name="Shop")
        charge(acme, 28, key_id=row.id)
        body = _get(text).json()
        assert (body["calls"], body["state"], body["plan"]) == (1, "ok", "free")
        assert body["forecast_points"] == {"used": 28, "limit": 10_000, "remaining": 9_972}
        assert body["by_key"] == [{"key": "Shop", "calls": 1, "forecast_points": 28}]
        assert sum(day["forecast_points"] for day in body["by_day"]) == 28
        assert all(day["date"].startswith(body["period"]) for day in body["by_day"])
        assert body["resets_at"].endswith("-01T00:00:00Z")

    def test_the_api_wants_the_scope(self, acme: TenantKey, make_key: Callable[..., Made]) -> None:
        _, text = make_key(acme, scopes=["forecasts:run"])
        answer = _get(text)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def _get(text: str) -> Any:
    return Client(headers={"host": "localhost", "Authorization": f"Bearer {text}"}).get("/v1/usage")
