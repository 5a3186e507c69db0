"""``/v1/models/{name}/versions/{ref}/card``."""

from __future__ import annotations

from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.training import card


class Card(APIView):
    """The model card of a version."""

    required_scope: ClassVar = {"GET": "models:read"}

    def get(self, _request: Request, name: str, ref: str) -> Response:
        """404 where there is no such version."""
        return Response(card.of(model_name=name, ref=ref))
