"""The usage ledger and its monthly counters: shared tables that only the role ``ledger`` writes."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from apps.core.ids import new_id


class UsageEvent(models.Model):
    """One billed call. Written once; nobody may change or delete it.

    ``receipt`` is what the call's answer is rebuilt from.

    ``quantity`` counts what ``kind`` names (``forecast_points``: series x steps; ``test_forecast_points``: the same
    by a test key, which nobody pays); ``period`` is the month of ``occurred_at`` in UTC, such as ``2026-11``.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant_id = models.UUIDField()
    request_id = models.CharField(max_length=120)
    kind = models.CharField(max_length=30)
    quantity = models.BigIntegerField()
    occurred_at = models.DateTimeField(db_default=Now())
    period = models.CharField(max_length=7)
    key_id = models.UUIDField(null=True)
    user_id = models.UUIDField(null=True)
    receipt = models.JSONField(default=dict)

    objects: ClassVar[models.Manager[UsageEvent]]

    class Meta:
        ordering = ("-occurred_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=("tenant_id", "request_id"), name="usage_event_request_once"),
            models.CheckConstraint(condition=models.Q(quantity__gte=0), name="usage_event_quantity"),
        )
        indexes = (models.Index(fields=("tenant_id", "kind", "-occurred_at"), name="usage_event_by_time"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.quantity}"


class UsageCounter(models.Model):
    """The sum of a tenant's events of one kind in one month; raised with the event, in one statement."""

    tenant_id = models.UUIDField()
    period = models.CharField(max_length=7)
    kind = models.CharField(max_length=30)
    used = models.BigIntegerField()

    objects: ClassVar[models.Manager[UsageCounter]]

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("tenant_id", "period", "kind"), name="usage_counter_once"),
            models.CheckConstraint(condition=models.Q(used__gte=0), name="usage_counter_used"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.period}: {self.used}"


class UsageKeyCounter(models.Model):
    """What one API key used of one kind in one month; raised with the tenant's counter, in the same statement.

    ``key_id`` is the first key of a chain of rotations: a new text does not begin a new budget.
    """

    tenant_id = models.UUIDField()
    key_id = models.UUIDField()
    period = models.CharField(max_length=7)
    kind = models.CharField(max_length=30)
    used = models.BigIntegerField()

    objects: ClassVar[models.Manager[UsageKeyCounter]]

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("tenant_id", "key_id", "period", "kind"), name="usage_key_counter_once"
            ),
            models.CheckConstraint(condition=models.Q(used__gte=0), name="usage_key_counter_used"),
        )

    def __str__(self) -> str:
        return f"{self.key_id} {self.kind} {self.period}: {self.used}"
