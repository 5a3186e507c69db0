"""``GET /v1/audit``. Here, as keys and scopes stand above the app audit, and the page's filters stand in this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import StreamingHttpResponse
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.audit import queries
from apps.core import api
from apps.dashboard import audit_reading, audit_views


class _FileRenderer(BaseRenderer):
    """Only names the type for the negotiation: the view itself sends the file."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Never called for a file."""
        return JSONRenderer().render(data, accepted_media_type, renderer_context)


class NdjsonRenderer(_FileRenderer):
    """A line an event."""

    media_type = "application/x-ndjson"
    format = "ndjson"


class CsvRenderer(_FileRenderer):
    """A row an event."""

    media_type = "text/csv"
    format = "csv"


class AuditView(APIView):
    """The audit log: a page of it as JSON, or all that the filter lets through as NDJSON or CSV, by ``Accept``."""

    required_scope: ClassVar = {"GET": "audit:read"}
    renderer_classes = [JSONRenderer, NdjsonRenderer, CsvRenderer]

    def get(self, request: Request) -> Response | StreamingHttpResponse:
        """Newest first. Taking a file is itself noted."""
        wanted = audit_reading.filter_of(request.query_params)
        form = request.accepted_renderer.format
        if form in audit_reading.CONTENT_TYPES:
            return audit_views.as_file(wanted, form)
        return api.page(request, queries.list_events(wanted), audit_reading.as_json)
