"""Bodies of requests about keys. What the values may be is decided by the services."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from apps.api_keys.errors import KeyNotMade
from apps.api_keys.services import DEFAULT_LIFE, MOST_POINTS, MOST_REQUESTS, OVERLAP
from apps.core.api import Body, read
from apps.core.errors import FieldError


class Settings(Body):
    """Body of ``PATCH /v1/keys/{id}``; null takes a limit away."""

    name = serializers.CharField(max_length=200, required=False)
    networks = serializers.ListField(
        child=serializers.CharField(max_length=60, allow_blank=True), required=False
    )
    requests_per_minute = serializers.IntegerField(
        min_value=1, max_value=MOST_REQUESTS, required=False, allow_null=True
    )
    points_per_month = serializers.IntegerField(
        min_value=1, max_value=MOST_POINTS, required=False, allow_null=True
    )


class NewKey(Settings):
    """Body of ``POST /v1/keys``. Without ``scopes`` it is a standard key; without ``expires_at`` it lasts a year,
    with null it does not end."""

    name = serializers.CharField(max_length=200)
    scopes = serializers.ListField(child=serializers.CharField(max_length=80), required=False)
    mode = serializers.ChoiceField(choices=("live", "test"), required=False)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class Rotation(Body):
    """Body of ``POST /v1/keys/{id}/rotate``."""

    overlap_seconds = serializers.IntegerField(
        min_value=0, max_value=10**9, default=int(OVERLAP.total_seconds())
    )


def read_new(data: Any, ends_at: datetime | None) -> dict[str, Any]:
    """A new key's settings; where no end is given it is a year ahead, or the end of the key that asks if that is
    sooner."""
    values = read(NewKey, data)
    if "expires_at" not in values:
        year = timezone.now() + DEFAULT_LIFE
        values["expires_at"] = min(year, ends_at) if ends_at else year
    return values


def read_overlap(data: Any) -> timedelta:
    """How long both texts work."""
    return timedelta(seconds=read(Rotation, data)["overlap_seconds"])


@contextmanager
def pointing() -> Iterator[None]:
    """Refusals of the services point at the body's field."""
    try:
        yield
    except KeyNotMade as error:
        if not error.errors:
            error.errors = [FieldError(error.code, error.detail, pointer=f"/{error.field}")]
        raise
