"""``/v1/forecasts``."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api_keys.permissions import principal_of
from apps.core.ids import parse_public_id, public_id
from apps.forecasts import queries, services
from apps.forecasts.api.parsing import parse
from apps.forecasts.services import Caller


class CsvRenderer(BaseRenderer):
    """Text that is CSV already; problems stay JSON."""

    media_type = "text/csv"
    format = "csv"

    def render(self, data: Any, _media_type: str | None = None, _context: Any = None) -> bytes:
        """As it is."""
        return data.encode() if isinstance(data, str) else json.dumps(data).encode()


class Forecasts(APIView):
    """Make a forecast, or list earlier ones."""

    required_scope: ClassVar = {"POST": "forecasts:run", "GET": "forecasts:read"}

    def post(self, request: Request) -> Response:
        """The forecast with its receipt; billed when it is answered with 200."""
        principal = principal_of(request)
        model, query = parse(request.data)
        caller = Caller(limit=principal.limits.forecast_points_per_month, key_id=principal.key_id)
        answer = services.forecast(model=model, query=query, caller=caller)
        return Response(answer.as_json(), headers={"X-Model-Version": str(answer.version.number)})

    def get(self, request: Request) -> Response:
        """The newest hundred receipts."""
        events = queries.list_forecasts()[:100]
        data = [
            {
                "id": public_id("fc", event.id),
                "made_at": event.occurred_at,
                "points": event.quantity,
                **_asked(event.receipt),
            }
            for event in events
        ]
        return Response({"data": data})


class Forecast(APIView):
    """One earlier forecast, rebuilt from its receipt."""

    required_scope: ClassVar = {"GET": "forecasts:read"}
    renderer_classes = (JSONRenderer, CsvRenderer)

    def get(self, request: Request, forecast_id: str) -> Response:
        """JSON, or CSV where ``Accept`` asks for ``text/csv`` (or ``?format=csv``)."""
        answer = queries.get_forecast(forecast_id=parse_public_id("fc", forecast_id))
        as_csv = request.accepted_renderer.format == CsvRenderer.format
        return Response(queries.as_csv(answer=answer) if as_csv else answer.as_json())


def _asked(receipt: dict[str, object]) -> dict[str, object]:
    return {name: receipt[name] for name in ("model", "model_version", "horizon", "levels")}
