"""``/v1/sources``: where rows are fetched from."""

from __future__ import annotations

from typing import ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api import Body, page, read
from apps.core.ids import parse_public_id
from apps.datasets import queries, services
from apps.datasets.api import showing
from apps.datasets.api.datasets import accepted


class SourceSettings(Body):
    """Body of ``PATCH /v1/sources/{id}``; ``secret`` replaces the one that is kept."""

    name = serializers.CharField(max_length=120, required=False)
    config = serializers.DictField(required=False)
    secret = serializers.DictField(required=False, allow_null=True)
    mode = serializers.ChoiceField(choices=("append", "replace"), required=False)
    cron = serializers.CharField(max_length=100, required=False, allow_blank=True)
    timezone = serializers.CharField(max_length=60, required=False)


class NewSource(SourceSettings):
    """Body of ``POST /v1/sources``."""

    name = serializers.CharField(max_length=120)
    kind = serializers.CharField(max_length=20)
    config = serializers.DictField()
    dataset = serializers.SlugField(required=False, allow_null=True)


class Sources(APIView):
    """The tenant's sources."""

    required_scope: ClassVar = {"GET": "datasets:read", "POST": "datasets:write"}

    def get(self, request: Request) -> Response:
        """Newest first."""
        return page(request, queries.list_sources().order_by("-created_at", "-id"), showing.source)

    def post(self, request: Request) -> Response:
        """201; what is fetched first becomes an upload to be accepted, unless ``dataset`` names where it goes."""
        source = services.create_source(**read(NewSource, request.data))
        return Response(
            showing.source(source), status=201, headers={"Location": f"/v1/sources/{source.public_id}"}
        )


class SourceDetail(APIView):
    """One source."""

    required_scope: ClassVar = {
        "GET": "datasets:read",
        "PATCH": "datasets:write",
        "DELETE": "datasets:write",
    }

    def get(self, request: Request, source_id: str) -> Response:
        """Its settings and its last fetch."""
        return Response(showing.source(queries.get_source(source_id=parse_public_id("src", source_id))))

    def patch(self, request: Request, source_id: str) -> Response:
        """Change some settings."""
        changes = read(SourceSettings, request.data)
        source = services.change_source(source_id=parse_public_id("src", source_id), changes=changes)
        return Response(showing.source(source))

    def delete(self, request: Request, source_id: str) -> Response:
        """204: nothing is fetched any more; what was fetched stays."""
        services.delete_source(source_id=parse_public_id("src", source_id))
        return Response(status=204)


class SourceFetch(APIView):
    """A fetch now."""

    required_scope: ClassVar = {"POST": "datasets:write"}

    def post(self, request: Request, source_id: str) -> Response:
        """202 with the job."""
        return accepted(services.fetch_source(source_id=parse_public_id("src", source_id)))
