"""``/v1/training-runs``."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api import page
from apps.core.ids import parse_public_id, public_id
from apps.engine.contracts import EFFORTS
from apps.training import queries, services
from apps.training.models import TrainingRun


class NewRun(serializers.Serializer[Any]):
    """Body of ``POST /v1/training-runs``."""

    dataset = serializers.SlugField()
    horizon = serializers.IntegerField(min_value=1, max_value=services.MAX_HORIZON)
    model = serializers.SlugField(required=False, default="", max_length=80)
    effort = serializers.ChoiceField(choices=EFFORTS, required=False, default="balanced")
    candidates = serializers.ListField(
        child=serializers.CharField(), required=False, allow_empty=False, max_length=50
    )
    seed = serializers.IntegerField(required=False, default=0, min_value=0, max_value=2**31 - 1)


class TrainingRuns(APIView):
    """Start a training, or list the runs."""

    required_scope: ClassVar = {"GET": "models:read", "POST": "models:train"}

    def get(self, request: Request) -> Response:
        """Newest first."""
        return page(request, queries.list_runs(), show)

    def post(self, request: Request) -> Response:
        """202 with the run; the job tells the progress."""
        body = NewRun(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        run = services.start(
            dataset_slug=asked["dataset"],
            horizon=asked["horizon"],
            model_name=asked["model"],
            effort=asked["effort"],
            candidates=asked.get("candidates"),
            seed=asked["seed"],
        )
        location = f"/v1/jobs/{public_id('job', run.job_id)}"
        return Response(show(run), status=202, headers={"Location": location, "Retry-After": "1"})


class TrainingRunDetail(APIView):
    """One run with its leaderboard."""

    required_scope: ClassVar = {"GET": "models:read"}

    def get(self, request: Request, run_id: str) -> Response:
        """404 where there is none."""
        return Response(show(queries.get_run(run_id=parse_public_id("run", run_id))))


def show(run: TrainingRun) -> dict[str, Any]:
    """A run as the API gives it."""
    return {
        "id": run.public_id,
        "job": public_id("job", run.job_id),
        "dataset": run.dataset.slug,
        "dataset_version": run.dataset_version.number,
        "model": run.model_name,
        "spec": run.spec,
        "leaderboard": run.leaderboard,
        "selected": run.selected or None,
        "model_version": run.model_version.number if run.model_version else None,
        "coverage": run.coverage,
        "notes": run.notes,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
    }
