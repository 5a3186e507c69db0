"""The append-only log of who changed what, its chain of hashes, and what of it is about people: shared tables."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from apps.core.ids import new_id


class AuditEvent(models.Model):
    """One change of state, written in the transaction that made it. Nobody may update or delete it.

    It names nobody: who acted is an id. What is about people stands in ``AuditPersonal`` and may be erased;
    ``personal_digest`` binds that to the event without holding it (empty where there is none).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant_id = models.UUIDField(null=True, db_index=True)
    occurred_at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor_type = models.CharField(max_length=12)
    actor_id = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=60, db_index=True)
    target_type = models.CharField(max_length=40, blank=True)
    target_id = models.CharField(max_length=200, blank=True)
    changes = models.JSONField(default=dict)
    request_id = models.CharField(max_length=80, blank=True)
    outcome = models.CharField(max_length=12, default="success")
    personal_digest = models.BinaryField(max_length=32, default=bytes)

    objects: ClassVar[models.Manager[AuditEvent]]

    class Meta:
        ordering = ("-occurred_at", "-id")
        indexes = (models.Index(fields=("tenant_id", "-occurred_at"), name="audit_by_tenant"),)

    def __str__(self) -> str:
        return f"{self.action} {self.target_id}"

    @property
    def about_people(self) -> dict[str, Any]:
        """``actor_label``, ``ip``, ``user_agent`` and ``details``, as far as known and not erased."""
        try:
            return dict(self.personal.data)
        except AuditPersonal.DoesNotExist:
            return {}

    @property
    def is_erased(self) -> bool:
        """Whether there was something about people, and it is gone."""
        return bool(self.personal_digest) and not self.about_people

    @property
    def actor_label(self) -> str:
        """By what a person recognises who acted; '' once erased."""
        return str(self.about_people.get("actor_label", ""))

    @property
    def ip(self) -> str | None:
        """From where, where known."""
        return self.about_people.get("ip")

    @property
    def user_agent(self) -> str:
        """With what program, where known."""
        return str(self.about_people.get("user_agent", ""))

    @property
    def sealed_number(self) -> int | None:
        """The event's place in its tenant's chain; None in the moment before it is sealed."""
        try:
            return self.seal.number
        except AuditSeal.DoesNotExist:
            return None


class AuditPersonal(models.Model):
    """What of an event is about people. May be deleted: the event's digest then says that something was here."""

    event = models.OneToOneField(
        AuditEvent, models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="personal"
    )
    tenant_id = models.UUIDField(null=True, db_index=True)
    salt = models.BinaryField(max_length=16)
    data = models.JSONField()

    objects: ClassVar[models.Manager[AuditPersonal]]

    class Meta:
        db_table = "audit_personal"

    def __str__(self) -> str:
        return str(self.data.get("actor_label", ""))


class AuditSeal(models.Model):
    """An event's place in a chain: ``hash`` covers the event, its place, and the hash before.

    A chain is a tenant's, or the instance's own (``apps.audit.chain.INSTANCE``); its numbers have no gaps.
    """

    event = models.OneToOneField(
        AuditEvent, models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="seal"
    )
    chain = models.UUIDField()
    number = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)
    sealed_at = models.DateTimeField()

    objects: ClassVar[models.Manager[AuditSeal]]

    class Meta:
        db_table = "audit_seal"
        constraints = (
            models.UniqueConstraint(fields=("chain", "number"), name="audit_seal_place"),
            models.CheckConstraint(condition=models.Q(number__gte=1), name="audit_seal_counts_from_one"),
        )

    def __str__(self) -> str:
        return f"{self.chain} {self.number}"


class AuditUnsealed(models.Model):
    """The sealer's queue, filled by a trigger; the column is not called ``tenant_id``, as no erasure may empty it."""

    event_id = models.UUIDField(primary_key=True)
    chain = models.UUIDField()

    objects: ClassVar[models.Manager[AuditUnsealed]]

    class Meta:
        db_table = "audit_unsealed"

    def __str__(self) -> str:
        return str(self.event_id)
