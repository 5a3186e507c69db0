"""Commands that work when pasted, but for the key, which the shell supplies."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port

KEY = '-H "Authorization: Bearer $ALMANAC_API_KEY"'


def to_forecast(request: HttpRequest, *, model: str, horizon: int, levels: list[int]) -> str:
    """``POST /v1/forecasts`` for all series of the model."""
    body: dict[str, Any] = {"model": model, "horizon": horizon, "levels": levels}
    return f"curl {base_url(request)}/v1/forecasts \\\n  {KEY} \\\n  -H \"Content-Type: application/json\" \\\n  -d '{json.dumps(body)}'"


def of_forecast(request: HttpRequest, forecast_id: str) -> str:
    """``GET`` of an earlier forecast, as CSV."""
    return f'curl {base_url(request)}/v1/forecasts/{forecast_id} \\\n  {KEY} \\\n  -H "Accept: text/csv"'


def base_url(request: HttpRequest) -> str:
    """Where the API answers for programs: the bare host, as not every resolver knows names below localhost."""
    port = split_domain_port(request.get_host())[1]
    host = "127.0.0.1" if settings.BASE_DOMAIN == "localhost" else settings.BASE_DOMAIN
    return f"{request.scheme}://{host}{f':{port}' if port else ''}"
