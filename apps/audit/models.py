"""The append-only log of who changed what: a shared table."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from apps.core.ids import new_id


class AuditEvent(models.Model):
    """One change of state, written in the transaction that made it. Nobody may update or delete it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant_id = models.UUIDField(null=True, db_index=True)
    occurred_at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor_type = models.CharField(max_length=12)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_label = models.CharField(max_length=254, blank=True)
    action = models.CharField(max_length=60, db_index=True)
    target_type = models.CharField(max_length=40, blank=True)
    target_id = models.CharField(max_length=200, blank=True)
    changes = models.JSONField(default=dict)
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=300, blank=True)
    request_id = models.CharField(max_length=80, blank=True)
    outcome = models.CharField(max_length=12, default="success")

    objects: ClassVar[models.Manager[AuditEvent]]

    class Meta:
        ordering = ("-occurred_at", "-id")
        indexes = (models.Index(fields=("tenant_id", "-occurred_at"), name="audit_by_tenant"),)

    def __str__(self) -> str:
        return f"{self.action} {self.target_id}"
