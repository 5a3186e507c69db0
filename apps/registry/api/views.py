"""``/v1/models``, and which version of one answers."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api import Body, read
from apps.registry import queries, services
from apps.registry.api import showing


class Choice(Body):
    """Body of a promotion or a rollback: what the caller believes to answer."""

    expected_champion = serializers.CharField(required=False, max_length=40, allow_null=True, default=None)


class Promotion(Choice):
    """Body of a promotion: for a version that the gate refused also why it is to answer all the same."""

    override_reason = serializers.CharField(
        required=False, max_length=500, allow_null=True, default=None, allow_blank=True
    )


class Models(APIView):
    """All models with the versions that their aliases name."""

    required_scope: ClassVar = {"GET": "models:read"}

    def get(self, _request: Request) -> Response:
        """By name; a tenant has few."""
        return Response({"data": [showing.model(model) for model in queries.list_models()]})


class ModelDetail(APIView):
    """One model."""

    required_scope: ClassVar = {"GET": "models:read", "DELETE": "models:deploy"}

    def get(self, _request: Request, name: str) -> Response:
        """404 where there is none of that name."""
        return Response(showing.model(queries.get_model(name=name)))

    def delete(self, _request: Request, name: str) -> Response:
        """The model with all its versions, the one that answers too: 204."""
        services.delete_model(model_name=name)
        return Response(status=204)


class Rollback(APIView):
    """Back to the version that answered before."""

    required_scope: ClassVar = {"POST": "models:deploy"}

    def post(self, request: Request, name: str) -> Response:
        """The version that answers now; 409 where none answered before."""
        asked = read(Choice, request.data)
        return shown(name, services.roll_back(model_name=name, **asked).semver)


def shown(name: str, ref: str, **more: Any) -> Response:
    """A version as it stands now."""
    version = queries.resolve(name=name, ref=ref)
    return Response({**showing.version(version, version.model), **more})
