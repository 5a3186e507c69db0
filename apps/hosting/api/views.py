"""``/v1/hosted-models`` and ``/v1/models/{name}/predict``."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api_keys.permissions import principal_of
from apps.core.api import Body, read
from apps.core.errors import FieldError
from apps.hosting import admission, queries, services
from apps.hosting.api import showing
from apps.hosting.errors import ModelRefused
from apps.hosting.models import HostedVersion


class Asked(Body):
    """Body of a prediction; the instances are looked at against the model's signature."""

    instances = serializers.JSONField()
    version = serializers.IntegerField(
        required=False, min_value=1, max_value=2**31 - 1, allow_null=True, default=None
    )


class HostedModels(APIView):
    """Bring a model, or list those that were brought."""

    required_scope: ClassVar = {"GET": "models:read", "POST": "models:deploy"}
    takes_uploads: ClassVar = {"POST": admission.new_model}
    parser_classes = (MultiPartParser,)

    def get(self, _request: Request) -> Response:
        """By name; a tenant has few."""
        return Response({"data": [showing.model(model) for model in queries.list_models()]})

    def post(self, request: Request) -> Response:
        """The fields ``file``, ``name`` and ``signature``: 201 with the version; 422 with a pointer at each fault."""
        file = request.FILES.get("file")
        if file is None:
            detail = "Send the model's file as the multipart field 'file'."
            raise ModelRefused(first=detail, errors=[FieldError("required", detail, "/file")])
        version = services.bring(
            name=_text(request, "name"), signature=_text(request, "signature"), stream=cast("Any", file)
        )
        location = f"/v1/hosted-models/{version.model.name}/versions/{version.number}"
        return Response(_shown(version), status=201, headers={"Location": location})


class HostedModelDetail(APIView):
    """One model."""

    required_scope: ClassVar = {"GET": "models:read", "DELETE": "models:deploy"}

    def get(self, _request: Request, name: str) -> Response:
        """With all its versions, newest first."""
        model = queries.get_model(name=name)
        versions = [showing.version(each, model) for each in queries.list_versions(model=model)]
        return Response({**showing.model(model), "versions": versions})

    def delete(self, _request: Request, name: str) -> Response:
        """The model with all its versions, the one that answers too: 204."""
        services.delete_model(name=name)
        return Response(status=204)


class Version(APIView):
    """One version."""

    required_scope: ClassVar = {"GET": "models:read", "DELETE": "models:deploy"}

    def get(self, _request: Request, name: str, number: int) -> Response:
        """With its signature and the report of the sandbox."""
        return Response(_shown(queries.get_version(model=queries.get_model(name=name), number=number)))

    def delete(self, _request: Request, name: str, number: int) -> Response:
        """204; 409 while it answers."""
        services.delete_version(name=name, number=number)
        return Response(status=204)


class Promote(APIView):
    """Have a version answer."""

    required_scope: ClassVar = {"POST": "models:deploy"}

    def post(self, _request: Request, name: str, number: int) -> Response:
        """The version as it stands now; 409 where it is archived."""
        return Response(_shown(services.promote(name=name, number=number)))


class Archive(APIView):
    """Set a version aside."""

    required_scope: ClassVar = {"POST": "models:deploy"}

    def post(self, _request: Request, name: str, number: int) -> Response:
        """The version as it stands now; 409 while it answers."""
        return Response(_shown(services.archive(name=name, number=number)))


class Unarchive(APIView):
    """Take a version back out of the archive."""

    required_scope: ClassVar = {"POST": "models:deploy"}

    def post(self, _request: Request, name: str, number: int) -> Response:
        """The version as it stands now."""
        return Response(_shown(services.unarchive(name=name, number=number)))


class Predict(APIView):
    """Ask a hosted model."""

    required_scope: ClassVar = {"POST": "forecasts:run"}

    def post(self, request: Request, name: str) -> Response:
        """``predictions``, one for each row, and what they were made with; counted when it is answered with 200."""
        asked, principal = read(Asked, request.data), principal_of(request)
        answer = services.predict(
            name=name,
            instances=asked["instances"],
            number=asked["version"],
            caller=services.Caller(key_id=principal.key_id, mode=principal.mode),
        )
        return Response(answer.as_json(), headers={"X-Model-Version": str(answer.version.number)})


def _shown(version: HostedVersion) -> dict[str, Any]:
    return showing.version(version, version.model)


def _text(request: Request, field: str) -> str:
    value = cast("Any", request.data).get(field)
    return value if isinstance(value, str) else ""
