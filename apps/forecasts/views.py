"""Pages of forecasts: the list of receipts, one forecast, its CSV, and the form that makes one."""

from __future__ import annotations

import uuid
from typing import Any, cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from apps.accounts import queries as accounts
from apps.accounts.http import TenantRequest
from apps.accounts.permissions import require
from apps.api_keys import queries as api_keys
from apps.core.errors import AppError
from apps.core.ids import parse_public_id, public_id
from apps.forecasts import charts, curl, panels, queries, services
from apps.forecasts.forms import ExplainForm, ForecastForm
from apps.forecasts.services import Answer, Caller
from apps.forecasts.serving.contracts import ForecastQuery
from apps.registry import queries as registry
from apps.usage import queries as usage

PAGE = 50
MOST_SERIES_TO_CHOOSE = 1000


@require_GET
@require("forecasts:read")
def forecast_list(request: HttpRequest) -> HttpResponse:
    """Every answer that was given, newest first."""
    page = Paginator(queries.list_forecasts(), PAGE).get_page(request.GET.get("page"))
    sources = _sources([*page.object_list])
    page.object_list = [_row(event, sources[event.id]) for event in page.object_list]  # type: ignore[misc] # rows of the page, as the template wants them
    return render(request, "forecasts/list.html", {"page": page})


@require_POST
@require("forecasts:run")
def create(request: HttpRequest, name: str) -> HttpResponse:
    """Make a forecast with the model's champion and show it."""
    page = cast("TenantRequest", request)
    version = registry.get_champion(name=name)
    form = ForecastForm(request.POST, horizon_max=version.horizon_max)
    if not form.is_valid():
        messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
        return redirect("registry:detail", name=name)
    query = ForecastQuery(
        horizon=form.cleaned_data["horizon"], levels=tuple(version.levels), series=form.series_ids()
    )
    limit = usage.get_quota().limit
    try:
        answer = services.forecast(model=name, query=query, caller=Caller(limit=limit, user_id=page.user.id))
    except AppError as error:
        messages.error(request, error.detail)
        return redirect("registry:detail", name=name)
    return redirect("forecasts:detail", forecast_id=answer.public_id)


@require_GET
@require("forecasts:read")
def detail(request: HttpRequest, forecast_id: str) -> HttpResponse:
    """One forecast, rebuilt from its receipt."""
    event = usage.get_event(event_id=parse_public_id("fc", forecast_id))
    answer = queries.get_forecast(forecast_id=event.id)
    context = {
        "forecast": _row(event, _sources([event])[event.id]),
        "chart": charts.of_series(answer.version, answer.series),
        "receipt": _receipt(answer, event.receipt),
        "explain_form": _explain_form(cast("TenantRequest", request), answer),
        "explanations": panels.explanations(event.id),
        "curl": curl.of_forecast(request, forecast_id),
    }
    return render(request, "forecasts/detail.html", context)


@require_GET
@require("forecasts:read")
def as_csv(request: HttpRequest, forecast_id: str) -> HttpResponse:
    """The forecast as a file."""
    answer = queries.get_forecast(forecast_id=parse_public_id("fc", forecast_id))
    response = HttpResponse(queries.as_csv(answer=answer), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{answer.version.model.name}-{forecast_id}.csv"'
    return response


def _row(event: Any, source: str) -> dict[str, Any]:
    receipt = event.receipt
    return {
        "public_id": public_id("fc", event.id),
        "occurred_at": event.occurred_at,
        "model": receipt["model"],
        "version": receipt["model_version"],
        "series_count": event.quantity // receipt["horizon"],
        "horizon": receipt["horizon"],
        "levels": receipt["levels"],
        "points": event.quantity,
        "source": source,
    }


def _sources(events: list[Any]) -> dict[uuid.UUID, str]:
    people = accounts.emails_of(user_ids={event.user_id for event in events if event.user_id})
    keys = {key.id: key.name for key in api_keys.list_keys()}
    return {
        event.id: people.get(event.user_id, "a former member")
        if event.user_id
        else f"API key {keys.get(event.key_id, '')}".strip()
        for event in events
    }


def _receipt(answer: Answer, receipt: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        ("Receipt", answer.public_id),
        *([("Mode", "test, not billed")] if answer.mode == "test" else []),
        ("Model", f"{receipt['model']} version {receipt['model_version']} ({answer.version.label})"),
        ("Model SHA-256", receipt["model_sha256"]),
        ("Data version", public_id("dsv", uuid.UUID(receipt["data_version_id"]))),
        ("Cutoff", receipt["cutoff"]),
        ("Seed", receipt["seed"]),
        ("Engine", receipt["code_version"]),
        ("Request", receipt["request_id"]),
    ]


def _explain_form(request: TenantRequest, answer: Answer) -> ExplainForm | None:
    if "explain:run" not in request.permissions:
        return None
    series = [each.series_id for each in answer.series[:MOST_SERIES_TO_CHOOSE]]
    return ExplainForm(series=series, horizon=answer.query.horizon)
