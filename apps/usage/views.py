"""The page 'Usage': the quota's meter, calls and points by day and by key."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.permissions import require
from apps.core.ids import public_id
from apps.usage import queries
from apps.usage.kinds import mode_of

RECENT = 20


@require_GET
@require("usage:read")
def overview(request: HttpRequest) -> HttpResponse:
    """The month so far."""
    month = queries.month_summary()
    events = [
        {"id": public_id("fc", event.id), "event": event, "mode": mode_of(event.kind)}
        for event in queries.list_events(kind=queries.FORECAST_POINTS, with_test=True)[:RECENT]
    ]
    context = {
        "month": month,
        "quota": month.quota,
        "chart": bars(queries.daily_series()),
        "by_key": queries.by_key(),
        "by_test_key": queries.by_key(mode="test") if month.test_calls else [],
        "events": events,
    }
    return render(request, "usage/overview.html", context)


def bars(days: list[queries.Usage]) -> dict[str, Any]:
    """The data of the chart 'bars': forecast points by day."""
    points = {"name": "Forecast points", "values": [day.points for day in days]}
    return {"labels": [day.label for day in days], "series": [points], "unit": "points"}
