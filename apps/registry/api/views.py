"""``/v1/models``."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.ids import public_id
from apps.registry import queries
from apps.registry.models import Model


class Models(APIView):
    """All models with the version that answers."""

    required_scope: ClassVar = {"GET": "models:read"}

    def get(self, request: Request) -> Response:
        """By name; a tenant has few."""
        return Response({"data": [show(model) for model in queries.list_models()]})


class ModelDetail(APIView):
    """One model."""

    required_scope: ClassVar = {"GET": "models:read"}

    def get(self, request: Request, name: str) -> Response:
        """404 where there is none of that name."""
        return Response(show(queries.get_model(name=name)))


def show(model: Model) -> dict[str, Any]:
    """A model as the API gives it."""
    champion = model.champion
    return {
        "id": public_id("mdl", model.id),
        "name": model.name,
        "dataset": model.dataset.slug,
        "created_at": model.created_at,
        "champion": champion
        and {
            "id": champion.public_id,
            "version": champion.number,
            "algorithm": champion.algorithm,
            "label": champion.label,
            "metrics": champion.metrics,
            "horizon_max": champion.horizon_max,
            "levels": champion.levels,
            "frequency": champion.frequency,
            "series_count": champion.series_count,
            "cutoff": champion.cutoff,
            "sha256": champion.bundle_sha256,
            "created_at": champion.created_at,
        },
    }
