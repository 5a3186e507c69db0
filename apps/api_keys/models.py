"""API keys: a shared table, as a key names its tenant."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from apps.core.ids import new_id


class ApiKey(models.Model):
    """One key. Its text is shown once and not kept: ``digest`` is its HMAC under version ``pepper`` of the
    secret."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant_id = models.UUIDField(db_index=True)
    public_id = models.CharField(max_length=8, unique=True)
    pepper = models.PositiveSmallIntegerField()
    digest = models.CharField(max_length=64)
    last4 = models.CharField(max_length=4)
    name = models.CharField(max_length=80)
    scopes = ArrayField(models.CharField(max_length=40))
    created_by = models.UUIDField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[ApiKey]]

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return f"{self.name} ({self.masked})"

    @property
    def masked(self) -> str:
        """What may be shown of the key: enough to know it again."""
        return f"alm_live_{self.public_id}_…{self.last4}"

    @property
    def state(self) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        expired = self.expires_at is not None and self.expires_at <= timezone.now()
        return "expired" if expired else "active"
