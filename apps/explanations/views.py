"""Pages of explanations."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.permissions import require
from apps.core.errors import AppError
from apps.core.ids import parse_public_id, public_id
from apps.explanations import queries, services
from apps.explanations.models import Explanation
from apps.jobs import queries as jobs
from apps.usage import queries as usage


@require_POST
@require("explain:run")
def create(request: HttpRequest, forecast_id: str) -> HttpResponse:
    """Queue the explanation of one point."""
    step = request.POST.get("step", "")
    try:
        explanation = services.request(
            forecast_id=parse_public_id("fc", forecast_id),
            series_id=request.POST.get("series_id", ""),
            step=int(step) if step.isascii() and step.isdigit() and len(step) <= 9 else 0,
        )
    except AppError as error:
        messages.error(request, error.detail)
        return redirect("forecasts:detail", forecast_id=forecast_id)
    return redirect("explanations:detail", explanation_id=explanation.public_id)


@require_GET
@require("forecasts:read")
def detail(request: HttpRequest, explanation_id: str) -> HttpResponse:
    """One explanation, or its progress."""
    return render(request, "explanations/detail.html", _context(explanation_id))


@require_GET
@require("forecasts:read")
def status(request: HttpRequest, explanation_id: str) -> HttpResponse:
    """The part of the page that changes until the job is done."""
    return render(request, "explanations/_status.html", _context(explanation_id))


def rows_of(forecast_id: uuid.UUID) -> list[dict[str, Any]]:
    """Earlier explanations of a forecast, for its page."""
    found = list(queries.list_explanations(forecast_id=forecast_id)[:20])
    states = dict(jobs.list_jobs().filter(id__in=[each.job_id for each in found]).values_list("id", "state"))
    return [
        {
            "public_id": each.public_id,
            "series_id": each.series_id,
            "step": each.step,
            "state": states.get(each.job_id, ""),
        }
        for each in found
    ]


def waterfall(result: dict[str, Any]) -> dict[str, Any]:
    """The data of the chart 'waterfall'."""
    names = ("base", "base_label", "parts", "prediction")
    return {**{name: result[name] for name in names}, "prediction_label": "Forecast"}


def _context(explanation_id: str) -> dict[str, Any]:
    explanation = queries.get_explanation(explanation_id=parse_public_id("exp", explanation_id))
    receipt = usage.get_event(event_id=explanation.forecast_id).receipt
    return {
        "explanation": explanation,
        "forecast": {
            "public_id": public_id("fc", explanation.forecast_id),
            "model": receipt["model"],
            "version": receipt["model_version"],
        },
        "job": jobs.get_job(job_id=explanation.job_id),
        "status_url": reverse("explanations:status", args=[explanation.public_id]),
        **_result(explanation),
    }


def _result(explanation: Explanation) -> dict[str, Any]:
    result = explanation.result
    if result is None:
        return {"chart": None, "parts": []}
    return {
        "chart": waterfall(result),
        "parts": result["parts"],
        "base": result["base"],
        "prediction": result["prediction"],
        "ds_label": result["ds"].partition("T00:00:00")[0],
    }
