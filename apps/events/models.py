"""The outbox: what happened and is to be told, written with the change itself. A shared table."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from apps.core.ids import new_id


class Event(models.Model):
    """Something that happened (``invitation.created``), with what a mail about it must say; never a secret.

    ``mailed_at`` is set once its mails are out, or at once where no mail belongs to its type. ``gave_up_at`` ends the
    tries; ``last_error`` says why. ``fanned_out_at`` is set once webhooks have what they are to send.
    Written by ``services.emit`` alone; the delivery columns by the courier.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant_id = models.UUIDField(null=True)
    type = models.CharField(max_length=60)
    data = models.JSONField()
    occurred_at = models.DateTimeField(db_default=Now())
    attempts = models.PositiveSmallIntegerField(db_default=0)
    next_attempt_at = models.DateTimeField(db_default=Now())
    mailed_at = models.DateTimeField(null=True)
    gave_up_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=300, blank=True, db_default="")
    fanned_out_at = models.DateTimeField(null=True)
    done_with = models.JSONField(db_default=[])  # addresses that got theirs, or refused it for good

    objects: ClassVar[models.Manager[Event]]

    class Meta:
        ordering = ("-occurred_at", "-id")
        indexes = (
            models.Index(
                fields=("next_attempt_at",),
                name="events_due",
                condition=models.Q(mailed_at__isnull=True, gave_up_at__isnull=True),
            ),
            models.Index(fields=("occurred_at",), name="events_by_age"),
            models.Index(
                fields=("occurred_at", "id"),
                name="events_to_fan_out",
                condition=models.Q(fanned_out_at__isnull=True),
            ),
        )

    def __str__(self) -> str:
        return f"{self.type} {self.id}"
