"""``/v1/models/{name}/training-policy``: when a model is trained again by itself."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api import read
from apps.registry import queries as registry
from apps.training import policies, queries
from apps.training.api import reading
from apps.training.models import TrainingPolicy


class ModelPolicy(APIView):
    """One model's policy."""

    required_scope: ClassVar = {"GET": "models:read", "PUT": "models:train", "DELETE": "models:train"}

    def get(self, _request: Request, name: str) -> Response:
        """What was set; ``enabled`` is false where nothing is."""
        registry.get_model(name=name)
        return Response(show(name, queries.find_policy(model_name=name)))

    def put(self, request: Request, name: str) -> Response:
        """Replace it: ``on_new_data``, ``quiet_minutes``, ``cron``, ``timezone``, ``policy``, ``warm_start``, ``refresh``."""
        asked = read(reading.NewPolicy, request.data)
        asked["zone"] = asked.pop("timezone")
        return Response(show(name, policies.set_policy(model_name=name, **asked)))

    def delete(self, _request: Request, name: str) -> Response:
        """Train by hand only: 204."""
        policies.remove_policy(model_name=name)
        return Response(status=204)


def show(name: str, policy: TrainingPolicy | None) -> dict[str, Any]:
    """A policy as the API gives it."""
    if policy is None:
        return {"model": name, "enabled": False}
    return {
        "model": name,
        "enabled": True,
        "on_new_data": policy.on_new_data,
        "quiet_minutes": policy.quiet_minutes,
        "waiting_since": policy.waiting_since,
        "cron": policy.cron,
        "timezone": policy.zone,
        "policy": policy.policy,
        "warm_start": policy.warm_start,
        "refresh": policy.refresh,
        "updated_at": policy.updated_at,
    }
