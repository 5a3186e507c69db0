"""Health (``/livez``: the process answers; ``/readyz``: it can work), and what the problems' codes mean."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from redis import RedisError

from apps.core import redis
from apps.core.problem_catalogue import list_problems


@require_safe
def livez(request: HttpRequest) -> JsonResponse:
    """Alive."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Ready when PostgreSQL answers; Redis away means degraded, not dead."""
    checks = {"database": _database(), "redis": _redis()}
    ready = checks["database"] == "ok"
    status = "ok" if set(checks.values()) == {"ok"} else "degraded" if ready else "unavailable"
    return JsonResponse({"status": status, "checks": checks}, status=200 if ready else 503)


@require_safe
def problems(request: HttpRequest) -> HttpResponse:
    """The page that a problem document's ``type`` leads to."""
    return render(request, "core/problems.html", {"problems": list_problems()})


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"unavailable: {type(error).__name__}"
    return "ok"


def _redis() -> str:
    try:
        redis.client().ping()
    except RedisError as error:
        return f"unavailable: {type(error).__name__}"
    return "ok"
