"""A Django view with nothing around it, behind the same entry as Almanac: what serving.py compares with."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from config.rsgi import Entry
from config.rsgi_request import Limits

if not settings.configured:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], MIDDLEWARE=[], LOGGING_CONFIG=None)


def answer(request: HttpRequest) -> JsonResponse:
    """Read the JSON body, answer with a little JSON."""
    return JsonResponse({"read": len(json.loads(request.body))})


urlpatterns = [path("", answer)]
app = Entry(get_wsgi_application, Limits.from_environment())
