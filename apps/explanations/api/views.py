"""``/v1/explanations``."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.ids import parse_public_id, public_id
from apps.explanations import queries, services
from apps.explanations.models import Explanation
from apps.jobs import queries as jobs


class NewExplanation(serializers.Serializer[Any]):
    """Body of ``POST /v1/explanations``."""

    forecast = serializers.CharField()
    series_id = serializers.CharField(max_length=2000)
    step = serializers.IntegerField(min_value=1)


class Explanations(APIView):
    """Ask why one point of a forecast is what it is."""

    required_scope: ClassVar = {"POST": "explain:run"}

    def post(self, request: Request) -> Response:
        """202; ``GET`` the explanation until its state is ``succeeded``."""
        body = NewExplanation(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        forecast_id = parse_public_id("fc", asked["forecast"])
        explanation = services.request(
            forecast_id=forecast_id, series_id=asked["series_id"], step=asked["step"]
        )
        location = f"/v1/explanations/{explanation.public_id}"
        return Response(show(explanation), status=202, headers={"Location": location, "Retry-After": "1"})


class ExplanationDetail(APIView):
    """One explanation: base, parts and prediction once a worker made them."""

    required_scope: ClassVar = {"GET": "forecasts:read"}

    def get(self, request: Request, explanation_id: str) -> Response:
        """404 where there is none."""
        return Response(show(queries.get_explanation(explanation_id=parse_public_id("exp", explanation_id))))


def show(explanation: Explanation) -> dict[str, Any]:
    """An explanation as the API gives it."""
    job = jobs.get_job(job_id=explanation.job_id)
    return {
        "id": explanation.public_id,
        "forecast": public_id("fc", explanation.forecast_id),
        "series_id": explanation.series_id,
        "step": explanation.step,
        "job": job.public_id,
        "state": job.state,
        "method": explanation.method or None,
        "result": explanation.result,
        "error": job.error,
        "created_at": explanation.created_at,
    }
