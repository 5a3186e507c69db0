"""Commands that work when pasted, but for the key, which the shell supplies."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest

from apps.core.addresses import base_url

KEY = '-H "Authorization: Bearer $ALMANAC_API_KEY"'


def to_forecast(request: HttpRequest, *, model: str, horizon: int, levels: list[int]) -> str:
    """``POST /v1/forecasts`` for all series of the model."""
    body: dict[str, Any] = {"model": model, "horizon": horizon, "levels": levels}
    return f"curl {base_url(request)}/v1/forecasts \\\n  {KEY} \\\n  -H \"Content-Type: application/json\" \\\n  -d '{json.dumps(body)}'"


def of_forecast(request: HttpRequest, forecast_id: str) -> str:
    """``GET`` of an earlier forecast, as CSV."""
    return f'curl {base_url(request)}/v1/forecasts/{forecast_id} \\\n  {KEY} \\\n  -H "Accept: text/csv"'
