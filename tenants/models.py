"""Tenants, their host names and their limits: shared tables."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django_tenants.models import DomainMixin, TenantMixin

from apps.core.ids import new_id
from apps.core.tenancy import TenantKey


class TenantState(models.TextChoices):
    """The life cycle: creating → ready (in the warm pool) → active ⇄ suspended → deleting (its grace) → gone.

    ``tenants.lifecycle.TRANSITIONS`` says which steps there are; a trigger keeps the database to them.
    """

    CREATING = "creating"
    READY = "ready"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETING = "deleting"
    GONE = "gone"


class Tenant(TenantMixin):  # type: ignore[misc] # the library has no types
    """One customer. ``schema_name`` is also the name of its PostgreSQL role; neither ever changes.

    ``schema_version`` is the fingerprint of the migrations that the schema has had, written in their transaction.
    The row of an erased tenant stays, without name and address, for the ledger's and the audit log's rows point to it.
    """

    auto_create_schema = False
    auto_drop_schema = False

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.CharField(max_length=40, unique=True, null=True)  # noqa: DJ001 - '' is not unique, a tenant in the pool has none
    name = models.CharField(max_length=120, blank=True)
    state = models.CharField(max_length=12, choices=TenantState, default=TenantState.CREATING, db_index=True)
    suspended_reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    activated_at = models.DateTimeField(null=True)
    schema_version = models.CharField(max_length=40, blank=True, db_default="")
    delete_requested_at = models.DateTimeField(null=True)
    erase_after = models.DateTimeField(null=True)
    deletion_reason = models.CharField(max_length=200, blank=True, db_default="")
    deletion_notify = models.JSONField(
        default=list, db_default=[]
    )  # addresses to tell; emptied with the erasure
    state_before_deletion = models.CharField(max_length=12, blank=True, db_default="")
    erasure_started_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[Tenant]]

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.slug or self.schema_name

    @property
    def key(self) -> TenantKey:
        """How the tenant is named outside ORM code."""
        return TenantKey(id=self.id, schema=self.schema_name)


class Domain(DomainMixin):  # type: ignore[misc]
    """A host name that leads to a tenant; one that is not primary is an earlier address, kept for its links."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="domains")

    objects: ClassVar[models.Manager[Domain]]


class TenantLimits(models.Model):
    """What the tenant may use; written by billing and the operator, read by usage and jobs."""

    tenant = models.OneToOneField(Tenant, primary_key=True, on_delete=models.CASCADE, related_name="limits")
    plan = models.CharField(max_length=30)
    forecast_points_per_month = models.BigIntegerField()
    running_jobs = models.PositiveSmallIntegerField()
    datasets = models.PositiveIntegerField()
    rows = models.BigIntegerField()
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager[TenantLimits]]


class TenantErasure(models.Model):
    """The certificate of an erasure: what was removed, and what was looked for afterwards and not found."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant_id = models.UUIDField(unique=True)
    slug = models.CharField(max_length=40)
    schema_name = models.CharField(max_length=63)
    reason = models.CharField(max_length=200, blank=True)
    requested_at = models.DateTimeField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    removed = models.JSONField(default=dict)  # what -> how many
    kept = models.JSONField(default=dict)  # shared table -> how many rows the law wants kept
    checks = models.JSONField(default=list)  # [{"name", "left": [...]}]

    objects: ClassVar[models.Manager[TenantErasure]]

    class Meta:
        ordering = ("-started_at",)
        verbose_name = "certificate of erasure"
        verbose_name_plural = "certificates of erasure"

    def __str__(self) -> str:
        return self.slug
