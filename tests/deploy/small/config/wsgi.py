"""Stands in for Django: ready when the database answers, and one forecast."""

from __future__ import annotations

import json
import os
from typing import Any

import psycopg


def application(environ: dict[str, Any], start: Any) -> list[bytes]:
    if environ["PATH_INFO"] == "/v1/forecasts":
        rows = [
            {"ds": "2025-01-01", "mean": 1.0, "lo-80": 0.0, "hi-80": 2.0, "lo-95": -1.0, "hi-95": 3.0}
        ] * 2
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"series": [{"series_id": "a", "forecast": rows}]}).encode()]
    with psycopg.connect(os.environ["ALMANAC_APP_DSN"]):
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"ready"]
