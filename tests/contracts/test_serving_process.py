"""The web process stays small: what only workers need is never imported there."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from django.conf import settings

from apps.api_keys import services as api_keys
from tenants.context import tenant_scope
from tests import factories, trained

HEAVY = (
    "mlflow",
    "shap",
    "statsforecast",
    "pandas",
    "lightgbm",
    "sklearn",
    "scipy",
    "numba",
    "polars",
    "pyarrow",
    "matplotlib",
)
CALLS = """
import io, json, sys
from config.wsgi import application

def call(method, path, body=None):
    data = json.dumps(body).encode() if body else b""
    environ = {
        "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "localhost", "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "localhost", "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(data)), "wsgi.input": io.BytesIO(data), "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http", "HTTP_AUTHORIZATION": "Bearer " + sys.argv[1],
    }
    told = []
    answer = application(environ, lambda status, headers: told.append(status))
    text = b"".join(answer).decode()
    answer.close()
    return told[0][:3], text

asked = [
    call("GET", "/readyz"),
    call("POST", "/v1/forecasts", {"model": "ets", "horizon": 3}),
    call("POST", "/v1/forecasts", {"model": "trees", "horizon": 3}),
    call("GET", "/v1/models"),
    call("POST", "/v1/training-runs", {"dataset": "ets", "horizon": 3, "candidates": ["auto_ets"]}),
]
print(json.dumps({"statuses": [status for status, _text in asked], "modules": sorted(sys.modules), "last": asked[-1][1]}))
"""


@pytest.fixture
def key(committed: None) -> str:
    """A key of acme, which has a model of components and one of trees."""
    with tenant_scope(factories.tenant("acme").key):
        trained.model("ets", trained.result("auto_ets"))
        trained.model("trees", trained.result("lightgbm_global"))
        scopes = ["forecasts:run", "models:read", "models:train"]
        return api_keys.create(name="Test", scopes=scopes)[1]


def test_a_web_process_that_served_forecasts_has_imported_nothing_heavy(key: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CALLS, key],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["statuses"] == ["200", "200", "200", "200", "202"], told["last"]
    assert "apps.forecasts.runtime" in told["modules"]
    assert [module for module in HEAVY if module in told["modules"]] == []
