"""``/v1/jobs``."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api import page, text_parameter
from apps.core.ids import parse_public_id
from apps.jobs import queries, services
from apps.jobs.models import Job


class Jobs(APIView):
    """The tenant's jobs."""

    required_scope: ClassVar = {"GET": "jobs:read"}

    def get(self, request: Request) -> Response:
        """Newest first; ``?state=`` and ``?kind=`` narrow."""
        rows = queries.list_jobs(kind=text_parameter(request, "kind"), state=text_parameter(request, "state"))
        return page(request, rows, show)


class JobDetail(APIView):
    """One job."""

    required_scope: ClassVar = {"GET": "jobs:read"}

    def get(self, request: Request, job_id: str) -> Response:
        """State, progress and result; ``Retry-After`` while it is under way."""
        job = queries.get_job(job_id=parse_public_id("job", job_id))
        return Response(show(job), headers={} if job.is_final else {"Retry-After": "1"})


class JobCancellation(APIView):
    """The end of a job."""

    required_scope: ClassVar = {"POST": "jobs:manage"}

    def post(self, request: Request, job_id: str) -> Response:
        """202: the worker stops within seconds; 409 where the job has ended."""
        job = services.cancel(job_id=parse_public_id("job", job_id))
        return Response(show(job), status=202)


def show(job: Job) -> dict[str, Any]:
    """A job as the API gives it."""
    return {
        "id": job.public_id,
        "type": job.kind,
        "title": job.title,
        "status": job.state,
        "progress": {"pct": round(job.percent, 1), "stage": job.stage, "eta_seconds": job.eta_seconds},
        "attempt": job.attempt,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "result": job.result,
        "error": job.error,
    }
