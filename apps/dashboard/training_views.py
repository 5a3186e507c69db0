"""Pages of training runs; they stand here as their charts come from an app above training."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.http import TenantRequest
from apps.accounts.permissions import require
from apps.core.errors import AppError
from apps.core.ids import parse_public_id
from apps.forecasts import charts
from apps.jobs import queries as jobs
from apps.training import queries, services
from apps.training.forms import TrainForm


@require_POST
@require("models:train")
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """Queue a training and show its progress."""
    form = TrainForm(request.POST)
    if not form.is_valid():
        faults = [
            f"{form.fields[name].label}: {error}" for name, errors in form.errors.items() for error in errors
        ]
        messages.error(request, " ".join(faults))
        return redirect("datasets:detail", slug=slug)
    try:
        run = services.start(dataset_slug=slug, **form.cleaned_data)
    except AppError as error:
        messages.error(request, error.detail)
        return redirect("datasets:detail", slug=slug)
    return redirect("training:detail", run_id=run.public_id)


@require_GET
@require("models:read")
def detail(request: HttpRequest, run_id: str) -> HttpResponse:
    """One run: progress, then leaderboard and chart."""
    return render(request, "training/detail.html", _context(request, run_id))


@require_GET
@require("models:read")
def progress(request: HttpRequest, run_id: str) -> HttpResponse:
    """The part of the page that changes while the run is under way."""
    return render(request, "training/_progress.html", _context(request, run_id))


def _context(request: HttpRequest, run_id: str) -> dict[str, Any]:
    run = queries.get_run(run_id=parse_public_id("run", run_id))
    version = run.model_version
    return {
        "run": run,
        "dataset": run.dataset,
        "version_number": run.dataset_version.number,
        "job": jobs.get_job(job_id=run.job_id),
        "model_url": reverse("registry:detail", args=[run.model_name]) if version else "",
        "chart": charts.of_version(version) if version else None,
        "can_manage": "jobs:manage" in cast("TenantRequest", request).permissions,
    }
