"""API keys: a shared table, as a key names its tenant."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import ClassVar, Final

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from apps.api_keys import text
from apps.core.ids import new_id

EXPIRING_SOON: Final = timedelta(days=30)
UNUSED_AFTER: Final = timedelta(days=90)


class ApiKey(models.Model):
    """One key. Its text is shown once and not kept: ``digest`` is its HMAC under version ``pepper`` of the
    secret.

    ``owner_id`` and ``membership_id`` are set for a personal key: it ends with that very membership, and never may
    more than the membership's role. Rotated, a key is valid until ``rotating_until``; ``replaced_by`` is the next
    key of the chain, and ``origin_id`` its first one, under which rate and budget are counted. ``expiry_notice``: how
    many days before the end its people were last told.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant_id = models.UUIDField(db_index=True)
    public_id = models.CharField(max_length=8, unique=True)
    pepper = models.PositiveSmallIntegerField()
    digest = models.CharField(max_length=64)
    last4 = models.CharField(max_length=4)
    name = models.CharField(max_length=80)
    mode = models.CharField(max_length=4, default="live", db_default="live")
    restricted = models.BooleanField(default=False, db_default=False)
    scopes = ArrayField(models.CharField(max_length=40))
    networks = ArrayField(models.CharField(max_length=50), default=list, db_default=[])
    requests_per_minute = models.PositiveIntegerField(null=True)
    points_per_month = models.BigIntegerField(null=True)
    owner_id = models.UUIDField(null=True)
    membership_id = models.UUIDField(null=True)
    created_by = models.UUIDField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    rotated_at = models.DateTimeField(null=True)
    rotating_until = models.DateTimeField(null=True)
    replaced_by = models.UUIDField(null=True)
    origin_id = models.UUIDField(null=True)
    last_used_at = models.DateTimeField(null=True)
    last_used_ip = models.GenericIPAddressField(null=True)
    expiry_notice = models.PositiveSmallIntegerField(null=True)

    objects: ClassVar[models.Manager[ApiKey]]

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.CheckConstraint(condition=models.Q(mode__in=["live", "test"]), name="api_key_mode"),
            models.CheckConstraint(
                condition=models.Q(owner_id__isnull=True) | models.Q(membership_id__isnull=False),
                name="api_key_owner_is_a_member",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.masked})"

    @property
    def masked(self) -> str:
        """What may be shown of the key: enough to know it again."""
        return f"{text.prefix(self.mode, restricted=self.restricted)}{self.public_id}_…{self.last4}"

    @property
    def counter_id(self) -> uuid.UUID:
        """Under which rate and budget are counted: a new text does not begin them anew."""
        return self.origin_id or self.id

    @property
    def ends_at(self) -> datetime | None:
        """When it stops by itself."""
        ends = [moment for moment in (self.expires_at, self.rotating_until) if moment is not None]
        return min(ends, default=None)

    @property
    def state(self) -> str:
        """``active``, ``rotating`` (replaced, and still valid), ``rotated``, ``expired``, ``revoked``, or
        ``owner_gone``."""
        now = timezone.now()
        if self.revoked_at is not None:
            return "revoked"
        if getattr(self, "orphaned", False):  # the queries annotate it: personal, and the membership is gone
            return "owner_gone"
        if self.expires_at is not None and self.expires_at <= now:
            return "expired"
        if self.rotating_until is not None:
            return "rotating" if self.rotating_until > now else "rotated"
        return "active"

    @property
    def expires_soon(self) -> bool:
        """Whether an active key's end is near."""
        return (
            self.state == "active"
            and self.expires_at is not None
            and self.expires_at - timezone.now() <= EXPIRING_SOON
        )

    @property
    def unused(self) -> bool:
        """Whether nobody has used an active key for so long that it should perhaps be revoked."""
        return (
            self.state == "active" and timezone.now() - (self.last_used_at or self.created_at) > UNUSED_AFTER
        )


class AccessVersion(models.Model):
    """One row, whose number grows with each change that a check of a key depends on; triggers raise it at commit.

    Whoever remembers the outcome of a check may use it as long as this number is what it was before the check.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    version = models.BigIntegerField()

    objects: ClassVar[models.Manager[AccessVersion]]

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="api_keys_one_version"),)

    def __str__(self) -> str:
        return str(self.version)
