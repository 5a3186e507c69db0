"""Our mirror of what Stripe, the truth, holds: shared tables that only the role ``billing`` writes."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class StripeCustomer(models.Model):
    """A tenant's account at Stripe. Its row is also the lock under which the tenant is synchronised.

    ``customer_id`` is None until the account was made there.
    """

    tenant_id = models.UUIDField(primary_key=True)
    customer_id = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001 - unset is not unique
    created_at = models.DateTimeField(auto_now_add=True)
    synced_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[StripeCustomer]]

    def __str__(self) -> str:
        return self.customer_id or f"customer of {self.tenant_id}"


class StripeSubscription(models.Model):
    """A subscription as Stripe last told it. ``plan`` is empty for products that are not ours."""

    ACCESS: ClassVar = ("active", "trialing", "past_due")

    subscription_id = models.CharField(max_length=64, primary_key=True)
    tenant_id = models.UUIDField(db_index=True)
    customer_id = models.CharField(max_length=64)
    status = models.CharField(max_length=24)
    plan = models.CharField(max_length=30, blank=True)
    price_id = models.CharField(max_length=64, blank=True)
    current_period_end = models.DateTimeField(null=True)
    cancel_at_period_end = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager[StripeSubscription]]

    class Meta:
        ordering = ("-created_at", "subscription_id")

    def __str__(self) -> str:
        return f"{self.subscription_id} ({self.status})"

    @property
    def gives_access(self) -> bool:
        """Whether its plan holds now; a late payment keeps it while Stripe tries again."""
        return bool(self.plan) and self.status in self.ACCESS


class StripeEvent(models.Model):
    """An event that was taken, so that a second delivery changes nothing. Written with its effect."""

    event_id = models.CharField(max_length=64, primary_key=True)
    tenant_id = models.UUIDField(db_index=True)
    type = models.CharField(max_length=80)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(auto_now_add=True, db_index=True)

    objects: ClassVar[models.Manager[StripeEvent]]

    class Meta:
        ordering = ("-received_at", "event_id")

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
