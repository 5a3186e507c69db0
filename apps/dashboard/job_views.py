"""Pages of background work; they stand here as the app ``jobs`` lies below accounts and knows no roles."""

from __future__ import annotations

import uuid
from typing import Any, Final, cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.http import TenantRequest
from apps.accounts.permissions import require
from apps.core.ids import parse_public_id, public_id
from apps.dashboard.context import address
from apps.jobs import queries, services
from apps.jobs.errors import JobFinished

PAGE: Final = 50
# kind of job: the page of what it makes, the prefix of its id, the payload's field that holds the id
RESULT_PAGES: Final = {
    "training.run": ("training:detail", "run", "run_id"),
    "explanations.explain": ("explanations:detail", "exp", "explanation_id"),
}


@require_GET
@require("jobs:read")
def job_list(request: HttpRequest) -> HttpResponse:
    """The tenant's jobs, newest first, all or those in one state."""
    state = request.GET.get("state", "")
    state = state if state in queries.JobState.values else ""
    page = Paginator(queries.list_jobs(state=state), PAGE).get_page(request.GET.get("page"))
    return render(
        request, "jobs/list.html", {"page": page, "states": queries.JobState.values, "state": state}
    )


@require_GET
@require("jobs:read")
def detail(request: HttpRequest, job_id: str) -> HttpResponse:
    """One job."""
    return render(request, "jobs/detail.html", _context(request, job_id))


@require_GET
@require("jobs:read")
def status(request: HttpRequest, job_id: str) -> HttpResponse:
    """The part of a job's page that changes while it is under way."""
    return render(request, "jobs/_status.html", _context(request, job_id))


@require_POST
@require("jobs:manage")
def cancel(request: HttpRequest, job_id: str) -> HttpResponse:
    """Ask for a job's end; one that is over by now stays as it is."""
    try:
        services.cancel(job_id=parse_public_id("job", job_id))
        messages.info(request, "The job is being cancelled.")
    except JobFinished as error:
        messages.warning(request, error.detail)
    return redirect("jobs:detail", job_id=job_id)


def result_url(kind: str, payload: dict[str, Any]) -> str:
    """The page of what a job of that kind makes, or '' where there is none."""
    if kind not in RESULT_PAGES:
        return ""
    url_name, prefix, field = RESULT_PAGES[kind]
    made = payload.get(field)
    return address(url_name, public_id(prefix, uuid.UUID(made))) if made else ""


def _context(request: HttpRequest, job_id: str) -> dict[str, Any]:
    job = queries.get_job(job_id=parse_public_id("job", job_id))
    allowed = cast("TenantRequest", request).permissions
    return {
        "job": job,
        "result_url": result_url(job.kind, job.payload),
        "can_manage": "jobs:manage" in allowed,
    }
