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
from apps.jobs import queries, schedules, services
from apps.jobs.errors import JobFinished, JobOpen
from apps.jobs.models import Schedule

PAGE: Final = 50
# kind of job: the page of what it makes, the prefix of its id, the payload's field that holds the id
RESULT_PAGES: Final = {
    "training.run": ("training:detail", "run", "run_id"),
    "explanations.explain": ("explanations:detail", "exp", "explanation_id"),
}

SCHEDULE_CHANGES: Final = {
    "pause": (schedules.pause, "is paused"),
    "resume": (schedules.resume, "goes on"),
}
MOST_LINES: Final = 200  # of a log that its page shows


@require_GET
@require("jobs:read")
def job_list(request: HttpRequest) -> HttpResponse:
    """The tenant's jobs, newest first, all or those in one state or of one kind."""
    state, kind, kinds = request.GET.get("state", ""), request.GET.get("kind", ""), queries.list_kinds()
    state = state if state in queries.JobState.values else ""
    kind = kind if kind in kinds else ""
    page = Paginator(queries.list_jobs(state=state, kind=kind), PAGE).get_page(request.GET.get("page"))
    shown = {"page": page, "states": queries.JobState.values, "state": state, "kind": kind, "kinds": kinds}
    return render(request, "jobs/list.html", shown)


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


@require_POST
@require("jobs:manage")
def retry(request: HttpRequest, job_id: str) -> HttpResponse:
    """Have a job that failed or was cancelled done after all."""
    try:
        services.retry(job_id=parse_public_id("job", job_id))
        messages.info(request, "The job is tried again.")
    except (JobFinished, JobOpen) as error:
        messages.warning(request, error.detail)
    return redirect("jobs:detail", job_id=job_id)


@require_GET
@require("jobs:read")
def schedule_list(request: HttpRequest) -> HttpResponse:
    """Work that comes round."""
    allowed = cast("TenantRequest", request).permissions
    rows = [_row(schedule) for schedule in queries.list_schedules()]
    return render(request, "jobs/schedules.html", {"rows": rows, "can_manage": "jobs:manage" in allowed})


@require_POST
@require("jobs:manage")
def change_schedule(request: HttpRequest, schedule_id: str, change: str) -> HttpResponse:
    """Pause or resume one, or do its work now."""
    found = parse_public_id("sch", schedule_id)
    if change == "run":
        job = schedules.run_now(schedule_id=found)
        return redirect("jobs:detail", job_id=job.public_id)
    act, said = SCHEDULE_CHANGES[change]
    messages.info(request, f"“{act(schedule_id=found).name}” {said}.")
    return redirect("jobs:schedules")


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
        "lines": list(queries.list_entries(job_id=job.id).reverse()[:MOST_LINES]),
    }


def _row(schedule: Schedule) -> dict[str, Any]:
    last = schedule.last_job_id
    return {
        "schedule": schedule,
        "last_job": public_id("job", last) if last else "",
        "coming": schedules.next_times(cron=schedule.cron, zone=schedule.zone, count=3),
    }
