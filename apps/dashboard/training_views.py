"""Pages of training runs; they stand here as their charts come from an app above training."""

from __future__ import annotations

from typing import Any, cast

from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from apps.accounts.http import TenantRequest
from apps.accounts.permissions import require
from apps.core.errors import AppError, NotFound
from apps.core.ids import parse_public_id
from apps.datasets import queries as datasets
from apps.forecasts import charts
from apps.jobs import queries as jobs
from apps.training import charts as backtest_charts
from apps.training import downloads, queries, services
from apps.training.forms import TrainForm
from apps.training.models import TrainingRun

FIELDS = {"model": "model_name", "hierarchy": "totals"}  # where the form calls them otherwise


@require_http_methods(["GET", "POST"])
@require("models:train")
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """The form; posted, a training is queued and its progress shown, or the form says what is wrong in which field."""
    dataset = datasets.get_dataset(slug=slug)
    version = datasets.get_current_version(dataset=dataset)
    if request.method == "GET":
        horizon = services.default_horizon(season_length=version.season_length or 1)
        form = TrainForm(version=version, initial={"horizon": horizon, "model_name": slug})
        return render(request, "training/new.html", {"dataset": dataset, "train_form": form})
    form = TrainForm(request.POST, version=version)
    if form.is_valid():
        try:
            run = services.start(dataset_slug=slug, **form.wishes())
            return redirect("training:detail", run_id=run.public_id)
        except AppError as error:
            _point_out(form, error)
    return render(request, "training/new.html", {"dataset": dataset, "train_form": form}, status=422)


@require_GET
@require("models:train")
def estimate(request: HttpRequest, slug: str) -> HttpResponse:
    """What a training as the form stands would take; said beside the button while the form is filled in."""
    version = datasets.get_current_version(dataset=datasets.get_dataset(slug=slug))
    form, found, fault = TrainForm(request.GET, version=version), None, ""
    if form.is_valid():
        try:
            found = services.estimate(dataset_slug=slug, **form.wishes())
        except AppError as error:
            fault = error.detail
    return render(request, "training/_estimate.html", {"estimate": found, "fault": fault})


@require_GET
@require("models:read")
def detail(request: HttpRequest, run_id: str) -> HttpResponse:
    """One run: progress, then leaderboard, backtest and chart."""
    return render(request, "training/detail.html", _context(request, run_id))


@require_GET
@require("models:read")
def progress(request: HttpRequest, run_id: str) -> HttpResponse:
    """The part of the page that changes while the run is under way."""
    return render(request, "training/_progress.html", _context(request, run_id))


@require_GET
@require("models:read")
def backtest(request: HttpRequest, run_id: str) -> HttpResponse:
    """How far off the model was on the past: by step, window, segment, and on which series most."""
    run = queries.get_run(run_id=parse_public_id("run", run_id))
    queries.check_kept(run)
    context = {
        "run": run,
        "dataset": run.dataset,
        "formats": list(downloads.FORMATS),
        **backtest_charts.page(run),
    }
    return render(request, "training/backtest.html", context)


@require_GET
@require("models:read")
def download(request: HttpRequest, run_id: str, form: str) -> FileResponse:  # noqa: ARG001 - the signature is Django's
    """Every forecast of the backtest as a file."""
    run = queries.get_run(run_id=parse_public_id("run", run_id))
    if form not in downloads.FORMATS:
        raise NotFound(what="format", name=form[:20])
    return downloads.response(run, form)


def _point_out(form: TrainForm, error: AppError) -> None:
    for fault in error.errors:
        field = (fault.pointer or "").strip("/").split("/")[0]
        field = FIELDS.get(field, field)
        form.add_error(field if field in form.fields else None, fault.detail)
    if not error.errors:
        form.add_error("model_name" if error.code == "model_name_taken" else None, error.detail)


def _context(request: HttpRequest, run_id: str) -> dict[str, Any]:
    run = queries.get_run(run_id=parse_public_id("run", run_id))
    version = run.model_version
    return {
        "run": run,
        "dataset": run.dataset,
        "version_number": run.dataset_version.number,
        "job": jobs.get_job(job_id=run.job_id),
        "model_url": reverse("registry:detail", args=[run.model_name]) if version else "",
        "answers": _answers(run),
        "chart": charts.of_version(version) if version else None,
        "value": backtest_charts.value(run),
        "can_manage": "jobs:manage" in cast("TenantRequest", request).permissions,
    }


def _answers(run: TrainingRun) -> bool:
    """Whether what the run made is what answers for the model's name."""
    version = run.model_version
    return version is not None and version.model.champion_id == version.id
