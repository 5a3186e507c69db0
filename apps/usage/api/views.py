"""``GET /v1/usage``: the month so far."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.usage import queries


class UsageView(APIView):
    """What was used of the quota, in all, by day and by key; and apart from it, what test keys used."""

    required_scope: ClassVar = {"GET": "usage:read"}

    def get(self, request: Request) -> Response:
        """This month's calls and forecast points."""
        return Response(describe(queries.month_summary()))


def describe(month: queries.MonthSummary) -> dict[str, Any]:
    """The answer of ``GET /v1/usage``; days are UTC, points are what quotas and bills count."""
    quota = month.quota
    days = [day for day in queries.daily_series(days=31) if day.label.startswith(month.period)]
    return {
        "period": month.period,
        "resets_at": quota.resets_at,
        "plan": month.plan,
        "state": quota.state,
        "calls": month.calls,
        "forecast_points": {"used": quota.used, "limit": quota.limit, "remaining": quota.remaining},
        "training_seconds": {"used": month.training_seconds},
        "test": {"calls": month.test_calls, "forecast_points": month.test_points},
        "by_day": [{"date": day.label, "calls": day.calls, "forecast_points": day.points} for day in days],
        "by_key": [
            {"key": row.label, "calls": row.calls, "forecast_points": row.points} for row in queries.by_key()
        ],
    }
