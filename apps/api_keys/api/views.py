"""``GET /v1/key``: what the key that was sent is and may do."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api_keys.permissions import HasKey, principal_of
from apps.api_keys.principal import Principal
from apps.core.ids import public_id


class KeyView(APIView):
    """Needs no scope: a key may always ask about itself."""

    permission_classes = [HasKey]

    def get(self, request: Request) -> Response:
        """The key's name, scopes, tenant and limits; never its secret."""
        response = Response(describe(principal_of(request)))
        response["Cache-Control"] = "no-store"
        return response


def describe(principal: Principal) -> dict[str, Any]:
    """The answer of ``GET /v1/key``."""
    limits = principal.limits
    return {
        "id": public_id("key", principal.key_id),
        "name": principal.name,
        "mode": "live",
        "scopes": sorted(principal.scopes),
        "tenant": {
            "id": public_id("ten", principal.tenant_key.id),
            "slug": principal.tenant_slug,
            "name": principal.tenant_name,
        },
        "limits": {
            "plan": limits.plan,
            "forecast_points_per_month": limits.forecast_points_per_month,
            "running_jobs": limits.running_jobs,
            "datasets": limits.datasets,
            "rows": limits.rows,
        },
        "created_at": principal.created_at,
        "expires_at": principal.expires_at,
        "last_used_at": principal.last_used_at,
    }
