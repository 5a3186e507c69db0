"""``/v1/models/{name}/versions``: a version is called by an alias, ``3``, ``v3`` or ``1.2.0``."""

from __future__ import annotations

from typing import ClassVar

from django.http import FileResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api_keys.permissions import principal_of
from apps.core.api import JSONOnly, page, read
from apps.registry import dependants, downloads, queries, services
from apps.registry.api import showing
from apps.registry.api.views import Promotion, shown


class Versions(APIView):
    """All versions of a model."""

    required_scope: ClassVar = {"GET": "models:read"}

    def get(self, request: Request, name: str) -> Response:
        """Newest first."""
        model = queries.get_model(name=name)
        versions = queries.list_versions(model=model).order_by("-created_at", "-id")
        return page(request, versions, lambda version: showing.version(version, model))


class VersionDetail(APIView):
    """One version."""

    required_scope: ClassVar = {"GET": "models:read", "DELETE": "models:deploy"}

    def get(self, _request: Request, name: str, ref: str) -> Response:
        """With what hangs on it, and what would become of that."""
        version = queries.resolve(name=name, ref=ref)
        return shown(name, version.semver, dependants=dependants.describe(version))

    def delete(self, _request: Request, name: str, ref: str) -> Response:
        """204; 409 while it answers."""
        services.delete_version(model_name=name, ref=ref)
        return Response(status=204)


class Promote(APIView):
    """Have a version answer."""

    required_scope: ClassVar = {"POST": "models:deploy"}

    def post(self, request: Request, name: str, ref: str) -> Response:
        """The version; 409 where another answers than ``expected_champion``, where it is archived, and where the gate
        refused it and no ``override_reason`` is given, which needs ``models:override`` (403)."""
        asked = read(Promotion, request.data)
        reason = asked.pop("override_reason")
        if reason is not None:
            permitted = services.OVERRIDE in principal_of(request).scopes
            asked["override"] = services.Override(reason, permitted)
        return shown(name, services.promote(model_name=name, ref=ref, **asked).semver)


class Archive(APIView):
    """Set a version aside."""

    required_scope: ClassVar = {"POST": "models:deploy"}

    def post(self, _request: Request, name: str, ref: str) -> Response:
        """The version; 409 while it answers."""
        return shown(name, services.archive(model_name=name, ref=ref).semver)


class Unarchive(APIView):
    """Bring a version back from the archive."""

    required_scope: ClassVar = {"POST": "models:deploy"}

    def post(self, _request: Request, name: str, ref: str) -> Response:
        """The version."""
        return shown(name, services.unarchive(model_name=name, ref=ref).semver)


class Bundle(APIView):
    """The file that answers."""

    content_negotiation_class = JSONOnly
    required_scope: ClassVar = {"GET": "models:read"}

    def get(self, _request: Request, name: str, ref: str) -> FileResponse:
        """Checked against its hash, which stands in ``X-Content-SHA256``."""
        return downloads.bundle(queries.resolve(name=name, ref=ref))
