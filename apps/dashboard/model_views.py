"""Pages of models; they stand here as they show what training and forecasts, above the registry, know."""

from __future__ import annotations

from typing import Any, cast

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.http import TenantRequest
from apps.accounts.permissions import require
from apps.api_keys import queries as api_keys
from apps.core.errors import NotFound
from apps.forecasts import charts, curl
from apps.forecasts.forms import ForecastForm
from apps.registry import queries
from apps.registry.models import Model, ModelVersion
from apps.training import queries as training
from apps.training.models import TrainingRun

PAGE = 50


@require_GET
@require("models:read")
def model_list(request: HttpRequest) -> HttpResponse:
    """All models with what serves."""
    page = Paginator(queries.list_models(), PAGE).get_page(request.GET.get("page"))
    page.object_list = [_row(model) for model in page.object_list]  # type: ignore[misc] # rows of the page, as the template wants them
    return render(request, "registry/list.html", {"page": page})


@require_GET
@require("models:read")
def detail(request: HttpRequest, name: str) -> HttpResponse:
    """One model: what its champion forecasts, how it did, and how programs ask it."""
    model = queries.get_model(name=name)
    if model.champion is None:
        raise NotFound(what="trained model", name=name)
    return render(
        request, "registry/detail.html", _context(cast("TenantRequest", request), model, model.champion)
    )


def _context(request: TenantRequest, model: Model, version: ModelVersion) -> dict[str, Any]:
    run = training.find_run_that_tried(version=version)
    can_forecast = "forecasts:run" in request.permissions
    return {
        "model": model,
        "version": version,
        "versions": list(queries.list_versions(model=model)),
        "dataset": model.dataset,
        "series_count": version.series_count,
        "leaderboard": run.leaderboard if run else [],
        "intervals": _intervals(version, training.find_run_of_version(version_id=version.id)),
        "notes": version.notes,
        "chart": charts.of_version(version),
        "can_forecast": can_forecast,
        "forecast_form": ForecastForm(horizon_max=version.horizon_max) if can_forecast else None,
        "curl": curl.to_forecast(
            request, model=model.name, horizon=version.horizon_max, levels=version.levels
        ),
        "has_key": api_keys.count_valid() > 0,
    }


def _intervals(version: ModelVersion, run: TrainingRun | None) -> list[dict[str, Any]]:
    coverage = run.coverage if run else _told(version)
    return [{**each, "coverage": coverage.get(str(each["level"]))} for each in charts.intervals(version)]


def _told(version: ModelVersion) -> dict[str, Any]:
    """What the gate's evidence says of bands, for a version that no run names."""
    evidence = version.verdict.get("evidence", {})
    return {str(each["level"]): each["share"] for each in evidence.get("coverage", [])}


def _row(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "created_at": model.created_at,
        "version": model.champion,
        "dataset_name": model.dataset.name,
        "dataset_slug": model.dataset.slug,
    }
