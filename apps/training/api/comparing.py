"""``/v1/models/{name}/compare``."""

from __future__ import annotations

from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api import text_parameter
from apps.core.ids import public_id
from apps.registry.models import Alias, ModelVersion
from apps.training import comparing


class Compare(APIView):
    """Two versions of a model side by side."""

    required_scope: ClassVar = {"GET": "models:read"}

    def get(self, request: Request, name: str) -> Response:
        """``?a=`` (absent: the champion) and ``?b=`` (absent: the challenger)."""
        a, b = text_parameter(request, "a"), text_parameter(request, "b")
        found = comparing.compare(model_name=name, a=a or Alias.CHAMPION, b=b or Alias.CHALLENGER)
        versions = found.pop("versions")
        return Response({"model": name, **{side: _short(each) for side, each in versions.items()}, **found})


def _short(version: ModelVersion) -> dict[str, object]:
    return {
        "id": version.public_id,
        "version": version.number,
        "semver": version.semver,
        "algorithm": version.algorithm,
        "label": version.label,
        "horizon_max": version.horizon_max,
        "cutoff": version.cutoff,
        "data_version_id": public_id("dsv", version.dataset_version_id),
        "data_version": version.dataset_version.number,
    }
