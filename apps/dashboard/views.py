"""The overview: a page that belongs to no single app."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.permissions import require
from apps.api_keys import queries as api_keys
from apps.core.ids import public_id
from apps.dashboard.context import address
from apps.datasets import queries as datasets
from apps.forecasts import charts
from apps.jobs import queries as jobs
from apps.registry import queries as registry
from apps.usage import queries as usage

LATEST = 6


@require_GET
@require("tenant:read")
def overview(request: HttpRequest) -> HttpResponse:
    """Where the company stands: first steps, this month's use, latest jobs and forecasts."""
    month = usage.month_summary()
    counts = _counts()
    events = usage.list_events(kind=usage.FORECAST_POINTS)[:LATEST]
    context = {
        "steps": first_steps(counts, called=month.calls > 0),
        "counts": counts,
        "month": month,
        "quota": month.quota,
        "resets": month.quota.resets_at.strftime("%-d %B"),
        "open_jobs": jobs.count_open(),
        "jobs": jobs.list_jobs()[:LATEST],
        "events": [{"id": public_id("fc", event.id), "event": event} for event in events],
        "chart": _bars(usage.daily_series()),
    }
    return render(request, "dashboard/overview.html", context)


@require_GET
@require("models:read")
def glance(request: HttpRequest) -> HttpResponse:
    """The part of the overview that costs a prediction: what the newest model expects."""
    model = registry.list_models().filter(champion__isnull=False).order_by("-champion__created_at").first()
    version = model.champion if model else None
    chart = charts.of_version(version) if version else None
    return render(request, "dashboard/_glance.html", {"model": model, "version": version, "chart": chart})


def first_steps(counts: dict[str, int], *, called: bool) -> list[dict[str, Any]]:
    """What leads from data to a forecast in a program, with what is done; empty when all is."""
    steps = [
        ("Bring a data set", "Upload a CSV, or load a demo.", "datasets:list", counts["datasets"] > 0),
        ("Train a model", "Open the data set and press Train.", "datasets:list", counts["models"] > 0),
        ("Make an API key", "One for each program.", "api_keys:list", counts["keys"] > 0),
        ("Ask for a forecast", "The model's page has a curl that works.", "registry:list", called),
    ]
    rows = [
        {"label": label, "text": text, "url": address(name), "done": done}
        for label, text, name, done in steps
    ]
    return [] if all(row["done"] for row in rows) else rows


def _counts() -> dict[str, int]:
    models = registry.list_models().filter(champion__isnull=False).count()
    return {"datasets": datasets.count_datasets(), "models": models, "keys": api_keys.count_valid()}


def _bars(days: list[usage.Usage]) -> dict[str, Any]:
    points = {"name": "Forecast points", "values": [day.points for day in days]}
    return {"labels": [day.label for day in days], "series": [points], "unit": "points"}
