"""``/v1/training-runs``."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.http import FileResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api import InvalidPage, JSONOnly, page, read, whole_parameter
from apps.core.errors import FieldError
from apps.core.ids import parse_public_id, public_id
from apps.training import downloads, queries, services
from apps.training.api import reading
from apps.training.models import TrainingRun

MOST_ROWS: Final = 1000


class TrainingRuns(APIView):
    """Start a training, or list the runs."""

    required_scope: ClassVar = {"GET": "models:read", "POST": "models:train"}

    def get(self, request: Request) -> Response:
        """Newest first."""
        return page(request, queries.list_runs(), show)

    def post(self, request: Request) -> Response:
        """202 with the run; the job tells the progress. ``dry_run``: 200 with what it would take, and nothing is started."""
        asked = read(reading.NewRun, request.data)
        wishes = reading.wishes(asked)
        if asked["dry_run"]:
            return Response({"dry_run": True, **services.estimate(**wishes).as_json()})
        run = services.start(**wishes, policy=asked["policy"])
        location = f"/v1/jobs/{public_id('job', run.job_id)}"
        return Response(show(run), status=202, headers={"Location": location, "Retry-After": "1"})


class TrainingRunDetail(APIView):
    """One run with its leaderboard, which grows while it runs."""

    required_scope: ClassVar = {"GET": "models:read", "DELETE": "models:train"}

    def get(self, request: Request, run_id: str) -> Response:
        """404 where there is none."""
        return Response(show(_run(run_id)))

    def delete(self, request: Request, run_id: str) -> Response:
        """A run that is over and made no version which is still there, with the forecasts it kept: 204."""
        services.delete_run(run_id=parse_public_id("run", run_id))
        return Response(status=204)


class Backtest(APIView):
    """What the run forecast of the past, and how far off it was."""

    content_negotiation_class = JSONOnly
    required_scope: ClassVar = {"GET": "models:read"}

    def get(self, request: Request, run_id: str) -> Response | FileResponse:
        """``?by=`` series, horizon, segment or window: errors beside the naive's, and what they cost; ``?offset=``, ``?limit=``.
        ``?format=`` csv, ndjson or parquet: every forecast as a file."""
        run = _run(run_id)
        if form := request.query_params.get("format"):
            return downloads.response(run, _one_of("format", form, tuple(downloads.FORMATS)))
        by = _one_of("by", request.query_params.get("by", "horizon"), queries.WAYS)
        offset, limit = (
            whole_parameter(request, "offset", most=10**9),
            whole_parameter(request, "limit", default=100, most=MOST_ROWS),
        )
        found = queries.backtest_by(run=run, by=by, offset=offset, limit=max(limit, 1))
        more = offset + len(found["rows"]) < found["total"]
        return Response(
            {
                "training_run": run.public_id,
                "by": by,
                "currency": run.spec.get("currency"),
                "overall": run.breakdown["all"][0],
                "data": found["rows"],
                "pagination": {
                    "total": found["total"],
                    "has_more": more,
                    "next_offset": offset + len(found["rows"]) if more else None,
                },
            }
        )


def show(run: TrainingRun) -> dict[str, Any]:
    """A run as the API gives it."""
    return {
        "id": run.public_id,
        "job": public_id("job", run.job_id),
        "dataset": run.dataset.slug,
        "dataset_version": run.dataset_version.number,
        "model": run.model_name,
        "spec": run.spec,
        "origin": run.origin,
        "policy": run.policy,
        "refreshed": run.refreshed,
        "candidates": run.standings,
        "leaderboard": run.leaderboard,
        "selected": run.selected or None,
        "model_version": run.model_version.number if run.model_version else None,
        "gate": run.model_version.verdict.get("outcome") if run.model_version else None,
        "coverage": run.coverage,
        "has_backtest": bool(run.backtest_path),
        "notes": run.notes,
        "seconds": run.seconds,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
    }


def _run(run_id: str) -> TrainingRun:
    return queries.get_run(run_id=parse_public_id("run", run_id))


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str:
    if value in known:
        return value
    detail = f"{name} must be one of {', '.join(known)}."
    raise InvalidPage(detail=detail, errors=[FieldError("invalid_choice", detail, pointer=f"?{name}")])
