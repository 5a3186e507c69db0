"""Endpoints of tenants, and what was sent to them: shared tables, as whoever sends is in no tenant's scope."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from apps.core.ids import new_id, public_id


class Endpoint(models.Model):
    """An address that hears of a tenant's events. ``types`` empty: of all that are published.

    ``secret`` and ``old_secret`` are sealed; until ``old_secret_until`` both sign. ``disabled_at`` stops the sending, and
    what waits goes on waiting.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant_id = models.UUIDField()
    url = models.CharField(max_length=2000)
    description = models.CharField(max_length=200, blank=True)
    types = models.JSONField(default=list)
    secret = models.BinaryField()
    old_secret = models.BinaryField(null=True)
    old_secret_until = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True)
    disabled_reason = models.CharField(max_length=300, blank=True)
    last_success_at = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[models.Manager[Endpoint]]

    class Meta:
        ordering = ("-created_at", "-id")
        indexes = (models.Index(fields=("tenant_id", "-created_at"), name="webhooks_endpoint_of"),)

    def __str__(self) -> str:
        return self.url

    @property
    def public_id(self) -> str:
        """``wh_…``"""
        return public_id("wh", self.id)


class DeliveryState(models.TextChoices):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Delivery(models.Model):
    """One event on its way to one endpoint. ``message_id`` and ``body`` stay the same however often it is sent."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant_id = models.UUIDField()
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="+")
    event_id = models.UUIDField()
    type = models.CharField(max_length=60)
    message_id = models.CharField(max_length=40)
    body = models.TextField()
    state = models.CharField(max_length=10, choices=DeliveryState, default=DeliveryState.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[Delivery]]

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=("endpoint", "event_id"), name="webhooks_delivery_once"),
        )
        indexes = (
            models.Index(
                fields=("next_attempt_at",), name="webhooks_due", condition=models.Q(state="pending")
            ),
            models.Index(fields=("tenant_id", "endpoint", "-created_at"), name="webhooks_delivery_of"),
            models.Index(fields=("created_at",), name="webhooks_by_age"),
        )

    def __str__(self) -> str:
        return f"{self.type} {self.message_id}"

    @property
    def public_id(self) -> str:
        """``whd_…``"""
        return public_id("whd", self.id)


class Attempt(models.Model):
    """One try of a delivery: what was answered, or why nothing was. Never changed."""

    id = models.BigAutoField(primary_key=True)
    tenant_id = models.UUIDField()
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="+")
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.TextField(blank=True)
    error = models.CharField(max_length=300, blank=True)
    milliseconds = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[models.Manager[Attempt]]

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.status or self.error}"
