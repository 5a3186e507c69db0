"""``/v1/forecasts``.

The usual POST takes a plain path past DRF, whose dispatch alone costs as much as the prediction; whatever is
unusual about a request (another content type, ``Accept``, method, or a body that is not JSON) takes DRF's.
"""

from __future__ import annotations

import io
import json
from typing import Any, ClassVar, Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.exceptions import ParseError
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api_keys.permissions import check_scope, principal_of
from apps.api_keys.principal import Principal
from apps.core.api import StrictJSONParser
from apps.core.ids import parse_public_id, public_id
from apps.forecasts import queries, services
from apps.forecasts.api.parsing import parse
from apps.forecasts.services import Caller
from apps.usage.kinds import mode_of
from apps.usage.services import KeyBudget

UNUSUAL: Final = object()


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

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Our own errors on the plain path are turned into problems by the middleware."""
        body = _plain_body(request)
        if body is UNUSUAL:
            return super().dispatch(request, *args, **kwargs)
        principal: Principal = request.api_key  # type: ignore[attr-defined]
        check_scope(principal, self.required_scope["POST"])
        answer = _forecast(principal, body)
        content = JSONRenderer().render(answer.as_json())
        return HttpResponse(content, content_type="application/json", headers=_headers(answer))

    def post(self, request: Request) -> Response:
        """The forecast with its receipt; billed when it is answered with 200."""
        answer = _forecast(principal_of(request), request.data)
        return Response(answer.as_json(), headers=_headers(answer))

    def get(self, request: Request) -> Response:
        """The newest hundred receipts."""
        events = queries.list_forecasts()[:100]
        data = [
            {
                "id": public_id("fc", event.id),
                "made_at": event.occurred_at,
                "points": event.quantity,
                "mode": mode_of(event.kind),
                **_asked(event.receipt),
            }
            for event in events
        ]
        return Response({"data": data})


def _plain_body(request: HttpRequest) -> Any:
    """The JSON body of an ordinary POST, or ``UNUSUAL``."""
    charset = (request.content_params or {}).get("charset", "utf-8")
    ordinary = (
        request.method == "POST"
        and request.content_type == "application/json"
        and charset.lower() == "utf-8"
        and request.META.get("HTTP_ACCEPT", "*/*") in {"*/*", "application/json"}
        and not request.META.get("QUERY_STRING")
    )
    if not ordinary:
        return UNUSUAL
    try:
        return StrictJSONParser().parse(io.BytesIO(request.body))
    except ParseError:
        return UNUSUAL


def _forecast(principal: Principal, body: Any) -> services.Answer:
    model, query = parse(body)
    return services.forecast(model=model, query=query, caller=caller_of(principal))


def caller_of(principal: Principal) -> Caller:
    """Who is billed for a call with this key."""
    return Caller(
        limit=principal.limits.forecast_points_per_month,
        key_id=principal.key_id,
        mode=principal.mode,
        key_budget=KeyBudget(
            counter_id=principal.counter_id, name=principal.name, limit=principal.points_per_month
        ),
    )


def _headers(answer: services.Answer) -> dict[str, str]:
    return {"X-Model-Version": str(answer.version.number)}


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
