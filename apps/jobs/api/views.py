"""``/v1/jobs``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar, Final

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core import holding
from apps.core.api import InvalidPage, JSONOnly, page, text_parameter, whole_parameter
from apps.core.errors import FieldError
from apps.core.ids import parse_public_id
from apps.jobs import queries, services
from apps.jobs.models import Job, JobEntry

MOST_LINES: Final = 1000


class Jobs(APIView):
    """The tenant's jobs."""

    required_scope: ClassVar = {"GET": "jobs:read"}

    def get(self, request: Request) -> Response:
        """Newest first; ``?state=``, ``?kind=``, ``?created_after=`` and ``?created_before=`` narrow."""
        rows = queries.list_jobs(
            kind=text_parameter(request, "kind"),
            state=text_parameter(request, "state"),
            created_after=_moment(request, "created_after"),
            created_before=_moment(request, "created_before"),
        )
        return page(request, rows, show)


class JobDetail(APIView):
    """One job."""

    required_scope: ClassVar = {"GET": "jobs:read"}

    def get(self, request: Request, job_id: str) -> Response:
        """State, progress and result; ``Retry-After`` while it is under way. ``?wait=20`` answers once it has ended, or after
        that many seconds (60 at most)."""
        job = queries.get_job(job_id=parse_public_id("job", job_id))
        wait = whole_parameter(request, "wait", most=holding.MOST_SECONDS)
        response = Response(show(job), headers={} if job.is_final else {"Retry-After": "1"})
        if wait and not job.is_final:
            holding.hold(response, wait)
        return response


class JobCancellation(APIView):
    """The end of a job."""

    required_scope: ClassVar = {"POST": "jobs:manage"}

    def post(self, request: Request, job_id: str) -> Response:
        """202: the worker stops within seconds; 409 where the job has ended."""
        job = services.cancel(job_id=parse_public_id("job", job_id))
        return Response(show(job), status=202)


class JobRetry(APIView):
    """A job that is done after all."""

    required_scope: ClassVar = {"POST": "jobs:manage"}

    def post(self, request: Request, job_id: str) -> Response:
        """202: the same job with three more attempts; 409 where it has not ended, or succeeded."""
        job = services.retry(job_id=parse_public_id("job", job_id))
        return Response(
            show(job), status=202, headers={"Location": f"/v1/jobs/{job.public_id}", "Retry-After": "1"}
        )


class JobLogs(APIView):
    """What became of a job, line by line."""

    content_negotiation_class = JSONOnly
    required_scope: ClassVar = {"GET": "jobs:read"}

    def get(self, request: Request, job_id: str) -> Response | HttpResponse:
        """Oldest first; ``?after=`` the id of the last line read. ``?format=text``: as text, a line each."""
        job = queries.get_job(job_id=parse_public_id("job", job_id))
        found = queries.list_entries(job_id=job.id, after=whole_parameter(request, "after"))[: MOST_LINES + 1]
        lines = list(found)[:MOST_LINES]
        if request.query_params.get("format") == "text":
            text = "".join(
                f"{line.created_at:%Y-%m-%dT%H:%M:%SZ} {line.level} {line.text}\n" for line in lines
            )
            return HttpResponse(text, content_type="text/plain; charset=utf-8")
        return Response({"data": [show_line(line) for line in lines], "has_more": len(found) > len(lines)})


class JobEvents(APIView):
    """A job's life as server-sent events, from its beginning or after ``Last-Event-ID``."""

    content_negotiation_class = JSONOnly
    required_scope: ClassVar = {"GET": "jobs:read"}

    def get(self, request: Request, job_id: str) -> HttpResponse:
        """``entry`` events carry an id; ``progress`` tells where the job stands, ``end`` that no more will come."""
        job = queries.get_job(job_id=parse_public_id("job", job_id))
        given = request.headers.get("Last-Event-ID", "").strip()
        after = int(given) if given.isascii() and given.isdigit() and len(given) < 19 else 0
        lines = list(queries.list_entries(job_id=job.id, after=after)[:MOST_LINES])
        last = str(lines[-1].id) if lines else str(after)
        over = job.is_final and len(lines) < MOST_LINES
        text = "".join(_events(job, lines, opening=not holding.is_again(request._request), over=over))
        response = HttpResponse(text, content_type="text/event-stream; charset=utf-8")
        response["Cache-Control"] = "no-store"
        response["X-Accel-Buffering"] = "no"
        if not over:
            holding.follow(response, last)
        return response


def _events(job: Job, lines: list[JobEntry], *, opening: bool, over: bool) -> Iterator[str]:
    if opening:
        yield "retry: 1000\n\n"
    for line in lines:
        yield f"id: {line.id}\nevent: entry\ndata: {json.dumps(show_line(line), cls=DjangoJSONEncoder)}\n\n"
    where = {"status": job.state, **_progress(job)}
    yield f"event: progress\ndata: {json.dumps(where)}\n\n"
    if over:
        yield f"event: end\ndata: {json.dumps({'status': job.state})}\n\n"


def _progress(job: Job) -> dict[str, Any]:
    return {"pct": round(job.percent, 1), "stage": job.stage, "eta_seconds": job.eta_seconds}


def show(job: Job) -> dict[str, Any]:
    """A job as the API gives it."""
    return {
        "id": job.public_id,
        "type": job.kind,
        "title": job.title,
        "status": job.state,
        "progress": _progress(job),
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "priority": job.priority,
        "timeout_seconds": job.timeout_seconds,
        "cost_estimate": job.estimate,
        "peak_memory_bytes": job.peak_rss_bytes or None,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "result": job.result,
        "error": job.error,
    }


def show_line(line: JobEntry) -> dict[str, Any]:
    """A line of a job's log as the API gives it."""
    return {
        "id": line.id,
        "at": line.created_at,
        "kind": line.kind,
        "level": line.level,
        "attempt": line.attempt or None,
        "text": line.text,
    }


def _moment(request: Request, name: str) -> datetime | None:
    text = text_parameter(request, name)
    if not text:
        return None
    try:
        moment = parse_datetime(text) or parse_datetime(f"{text}T00:00:00")
    except ValueError:
        moment = None
    if moment is None:
        expected = "a date or a time, such as 2026-01-31 or 2026-01-31T12:00:00Z"
        fault = FieldError("out_of_range", expected, pointer=f"?{name}")
        raise InvalidPage(detail=f"{name} must be {expected}.", errors=[fault])
    return moment if timezone.is_aware(moment) else moment.replace(tzinfo=timezone.get_default_timezone())
