"""``/v1/webhooks``."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api import Body, page, read, text_parameter
from apps.core.ids import parse_public_id
from apps.webhooks import queries, services
from apps.webhooks.models import Attempt, Delivery, Endpoint

MANAGE = "webhooks:manage"
NO_STORE = {"Cache-Control": "no-store"}


class Settings(Body):
    """Body of ``PATCH /v1/webhooks/{id}``; no ``types`` are all types."""

    url = serializers.CharField(max_length=2000, required=False)
    types = serializers.ListField(child=serializers.CharField(max_length=60), max_length=100, required=False)
    description = serializers.CharField(max_length=200, allow_blank=True, required=False)
    enabled = serializers.BooleanField(required=False)


class NewWebhook(Settings):
    """Body of ``POST /v1/webhooks``."""

    url = serializers.CharField(max_length=2000)
    enabled = None  # type: ignore[assignment] # a new one is


class Webhooks(APIView):
    """The tenant's webhooks."""

    required_scope: ClassVar = {"GET": MANAGE, "POST": MANAGE}

    def get(self, request: Request) -> Response:
        """Newest first."""
        return page(request, queries.list_endpoints(), show)

    def post(self, request: Request) -> Response:
        """201 with the secret, which is shown here and never again."""
        endpoint, secret = services.create(**read(NewWebhook, request.data))
        headers = {**NO_STORE, "Location": f"/v1/webhooks/{endpoint.public_id}"}
        return Response({**show(endpoint), "secret": secret}, status=201, headers=headers)


class Webhook(APIView):
    """One webhook."""

    required_scope: ClassVar = {"GET": MANAGE, "PATCH": MANAGE, "DELETE": MANAGE}

    def get(self, request: Request, webhook_id: str) -> Response:
        """404 where there is none."""
        return Response(show(queries.get_endpoint(endpoint_id=_id(webhook_id))))

    def patch(self, request: Request, webhook_id: str) -> Response:
        """Change its settings; ``enabled`` switches it off or on."""
        changes = read(Settings, request.data)
        enabled = changes.pop("enabled", None)
        endpoint = services.change(endpoint_id=_id(webhook_id), changes=changes)
        if enabled is not None:
            switch = services.enable if enabled else services.disable
            endpoint = switch(endpoint_id=endpoint.id)
        return Response(show(endpoint))

    def delete(self, request: Request, webhook_id: str) -> Response:
        """204; the log of its deliveries goes too."""
        services.delete(endpoint_id=_id(webhook_id))
        return Response(status=204)


class Rotation(APIView):
    """A new secret."""

    required_scope: ClassVar = {"POST": MANAGE}

    def post(self, request: Request, webhook_id: str) -> Response:
        """201 with the secret; for 24 hours what is sent is signed with the old one too."""
        endpoint, secret = services.rotate(endpoint_id=_id(webhook_id))
        return Response({**show(endpoint), "secret": secret}, status=201, headers=NO_STORE)


class Test(APIView):
    """An event that says it is a test."""

    required_scope: ClassVar = {"POST": MANAGE}

    def post(self, request: Request, webhook_id: str) -> Response:
        """202 with the delivery; 409 where the webhook is switched off."""
        return _begun(services.send_test(endpoint_id=_id(webhook_id)))


class Deliveries(APIView):
    """What was sent to a webhook."""

    required_scope: ClassVar = {"GET": MANAGE}

    def get(self, request: Request, webhook_id: str) -> Response:
        """Newest first; ``?state=`` pending, delivered or failed narrows."""
        endpoint = queries.get_endpoint(endpoint_id=_id(webhook_id))
        rows = queries.list_deliveries(endpoint=endpoint, state=text_parameter(request, "state"))
        return page(request, rows, show_delivery)


class DeliveryDetail(APIView):
    """One delivery with each attempt."""

    required_scope: ClassVar = {"GET": MANAGE}

    def get(self, request: Request, delivery_id: str) -> Response:
        """What was sent, and what was answered."""
        delivery = queries.get_delivery(delivery_id=parse_public_id("whd", delivery_id))
        attempts = [show_attempt(each) for each in queries.list_attempts(delivery=delivery)]
        return Response({**show_delivery(delivery), "body": json.loads(delivery.body), "log": attempts})


class Replay(APIView):
    """A delivery, once more."""

    required_scope: ClassVar = {"POST": MANAGE}

    def post(self, request: Request, delivery_id: str) -> Response:
        """202: under the same ``webhook-id``, signed with the secret of now."""
        return _begun(services.replay(delivery_id=parse_public_id("whd", delivery_id)))


class EventTypes(APIView):
    """What can be heard of."""

    required_scope: ClassVar = {"GET": MANAGE}

    def get(self, request: Request) -> Response:
        """Each type with an example of its ``data``."""
        found = [
            {"type": each.type, "description": each.description, "example": dict(each.example)}
            for each in queries.list_types()
        ]
        return Response({"data": found})


def show(endpoint: Endpoint) -> dict[str, Any]:
    """A webhook as the API gives it; never its secret."""
    old, now = endpoint.old_secret_until, timezone.now()
    return {
        "id": endpoint.public_id,
        "url": endpoint.url,
        "description": endpoint.description,
        "types": endpoint.types,
        "enabled": endpoint.disabled_at is None,
        "disabled_reason": endpoint.disabled_reason or None,
        "old_secret_until": old if old and old > now else None,
        "last_success_at": endpoint.last_success_at,
        "created_at": endpoint.created_at,
    }


def show_delivery(delivery: Delivery) -> dict[str, Any]:
    """A delivery as the API gives it."""
    return {
        "id": delivery.public_id,
        "message_id": delivery.message_id,
        "type": delivery.type,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "next_attempt_at": delivery.next_attempt_at if delivery.ended_at is None else None,
        "created_at": delivery.created_at,
        "ended_at": delivery.ended_at,
    }


def show_attempt(attempt: Attempt) -> dict[str, Any]:
    """An attempt as the API gives it."""
    return {
        "at": attempt.created_at,
        "status": attempt.status,
        "answer": attempt.answer,
        "error": attempt.error or None,
        "milliseconds": attempt.milliseconds,
    }


def _begun(delivery: Delivery) -> Response:
    location = f"/v1/webhooks/deliveries/{delivery.public_id}"
    return Response(show_delivery(delivery), status=202, headers={"Location": location, "Retry-After": "1"})


def _id(text: str) -> Any:
    return parse_public_id("wh", text)
