"""Reads of the ledger, inside the tenant's scope."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from apps.api_keys import queries as api_keys
from apps.core import scope
from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.usage import kinds
from apps.usage.kinds import TEST_FORECAST_POINTS, TRAINING_SECONDS, Mode, kind_in
from apps.usage.models import UsageCounter, UsageEvent, UsageKeyCounter
from apps.usage.periods import end_of, period_of
from tenants import queries as tenants

FORECAST_POINTS: Final = kinds.FORECAST_POINTS
WARNING_SHARE: Final = 0.8
QuotaState = Literal["ok", "warning", "hard_exceeded"]


@dataclass(frozen=True, slots=True)
class Quota:
    """How much of the month's forecast points is used. ``share`` may pass 1 after a plan was made smaller."""

    used: int
    limit: int
    resets_at: datetime

    @property
    def remaining(self) -> int:
        """What can still be billed this month."""
        return max(0, self.limit - self.used)

    @property
    def share(self) -> float:
        """Used of the limit; 1 where nothing is allowed at all."""
        return self.used / self.limit if self.limit else 1.0

    @property
    def state(self) -> QuotaState:
        """``warning`` from 80 %, ``hard_exceeded`` when nothing is left."""
        if self.remaining == 0:
            return "hard_exceeded"
        return "warning" if self.share >= WARNING_SHARE else "ok"


@dataclass(frozen=True, slots=True)
class MonthSummary:
    """One month: billed calls and their points, those of test keys, which nobody pays, and what trainings took."""

    period: str
    plan: str
    calls: int
    points: int
    quota: Quota
    test_calls: int = 0
    test_points: int = 0
    training_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """Billed calls and points of one day or one key."""

    label: str
    calls: int
    points: int


def get_quota(*, moment: datetime | None = None) -> Quota:
    """The tenant's quota of forecast points: one look at the counter, one at the limits."""
    return _quota(tenants.get_limits(tenant_id=scope.current_tenant().id).forecast_points_per_month, moment)


def month_summary(*, moment: datetime | None = None) -> MonthSummary:
    """The month that holds ``moment`` (now if not given)."""
    limits = tenants.get_limits(tenant_id=scope.current_tenant().id)
    period = period_of(moment or timezone.now())
    live, test = Q(kind=FORECAST_POINTS), Q(kind=TEST_FORECAST_POINTS)
    trained = Q(kind=TRAINING_SECONDS)
    sums = UsageEvent.objects.filter(live | test | trained, period=period).aggregate(
        calls=Count("id", filter=live),
        points=Sum("quantity", filter=live, default=0),
        test_calls=Count("id", filter=test),
        test_points=Sum("quantity", filter=test, default=0),
        training_seconds=Sum("quantity", filter=trained, default=0),
    )
    quota = _quota(limits.forecast_points_per_month, moment)
    return MonthSummary(period=period, plan=limits.plan, quota=quota, **sums)


def daily_series(*, days: int = 30, today: date | None = None) -> list[Usage]:
    """Calls and points of each of the last ``days`` days (UTC), oldest first; days without calls are zero."""
    last = today or timezone.now().astimezone(UTC).date()
    wanted = [last - timedelta(days=back) for back in reversed(range(days))]
    since = datetime(wanted[0].year, wanted[0].month, wanted[0].day, tzinfo=UTC)
    rows = (
        list_events(kind=FORECAST_POINTS)
        .filter(occurred_at__gte=since)
        .order_by()
        .annotate(day=TruncDate("occurred_at", tzinfo=UTC))
        .values("day")
        .annotate(calls=Count("id"), points=Sum("quantity"))
    )
    known = {row["day"]: (row["calls"], row["points"]) for row in rows}
    return [Usage(day.isoformat(), *known.get(day, (0, 0))) for day in wanted]


def by_key(*, moment: datetime | None = None, mode: Mode = "live") -> list[Usage]:
    """The month's calls and points by API key, most points first; calls from the web pages stand together."""
    kind, period = kind_in(mode, FORECAST_POINTS), period_of(moment or timezone.now())
    events = list_events(kind=kind).filter(period=period).order_by()
    rows = list(
        events.values("key_id")
        .annotate(calls=Count("id"), points=Sum("quantity"))
        .order_by("-points", "key_id")
    )
    names = api_keys.names_of(key_ids={row["key_id"] for row in rows if row["key_id"]})
    return [Usage(_key_label(row["key_id"], names), row["calls"], row["points"]) for row in rows]


def used_by_keys(counter_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Points that keys of the tenant used this month, by the first key of their chain of rotations."""
    rows = UsageKeyCounter.objects.filter(
        key_id__in=counter_ids,
        period=period_of(timezone.now()),
        kind__in=(FORECAST_POINTS, TEST_FORECAST_POINTS),
    )
    return {row["key_id"]: row["all"] for row in rows.values("key_id").annotate(all=Sum("used"))}


def list_events(*, kind: str | None = None, with_test: bool = False) -> QuerySet[UsageEvent]:
    """The tenant's ledger rows, newest first; ``with_test``: also those of the same kind by test keys."""
    events = UsageEvent.objects.order_by("-occurred_at", "-id")
    if kind is None:
        return events
    return events.filter(kind__in=[kind, kind_in("test", kind)] if with_test else [kind])


def get_event(*, event_id: uuid.UUID) -> UsageEvent:
    """One of the tenant's ledger rows; raises ``NotFound``."""
    event = find_event(event_id=event_id)
    if event is None:
        raise NotFound(what="forecast", name=public_id("fc", event_id))
    return event


def find_event(*, event_id: uuid.UUID) -> UsageEvent | None:
    """One of the tenant's ledger rows, or None."""
    return UsageEvent.objects.filter(id=event_id).first()


def find_by_request(*, request_id: str) -> UsageEvent | None:
    """The row that a request id was billed with, or None."""
    return UsageEvent.objects.filter(request_id=request_id).first()


def _quota(limit: int, moment: datetime | None) -> Quota:
    period = period_of(moment or timezone.now())
    counter = UsageCounter.objects.filter(period=period, kind=FORECAST_POINTS).first()
    return Quota(used=counter.used if counter else 0, limit=limit, resets_at=end_of(period))


def _key_label(key_id: uuid.UUID | None, names: dict[uuid.UUID, str]) -> str:
    if key_id is None:
        return "Web pages"
    return names.get(key_id, public_id("key", key_id))
