"""Background work: a shared table that holds the truth; messages carry only ids."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from apps.core.ids import new_id, public_id


class JobState(models.TextChoices):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class Job(models.Model):
    """One piece of work for one tenant.

    A worker holds a lease on the row while it works and proves it by ``fencing_token`` in each write; whoever lost
    the lease can write nothing more. ``priority`` ranks a tenant's own jobs, the higher first. Nobody begins it before
    ``not_before``. ``holder`` is the process that works, or did: see
    ``holders``. ``dispatched_at`` says that a message rang for it. ``estimate`` is what it was expected to take when
    it was asked for; ``peak_rss_bytes`` the most memory that its process was seen to hold.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant_id = models.UUIDField()
    kind = models.CharField(max_length=60)
    title = models.CharField(max_length=200, blank=True)
    queue = models.CharField(max_length=20)
    state = models.CharField(max_length=12, choices=JobState, default=JobState.QUEUED)
    stage = models.CharField(max_length=120, blank=True)
    percent = models.FloatField(default=0)
    attempt = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=3)
    priority = models.SmallIntegerField(default=0)
    timeout_seconds = models.PositiveIntegerField(null=True)
    not_before = models.DateTimeField(null=True)
    fencing_token = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    holder = models.CharField(max_length=120, blank=True)
    dispatched_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    retry_requested_at = models.DateTimeField(null=True)
    peak_rss_bytes = models.BigIntegerField(default=0)
    estimate = models.JSONField(null=True)
    payload = models.JSONField(default=dict)
    result = models.JSONField(null=True)
    error = models.JSONField(null=True)
    request_id = models.CharField(max_length=80, blank=True)
    actor_type = models.CharField(max_length=12, blank=True)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_label = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[Job]]

    class Meta:
        ordering = ("-created_at", "-id")
        indexes = (
            models.Index(fields=("tenant_id", "-created_at"), name="jobs_by_tenant"),
            models.Index(
                fields=("state", "created_at"),
                name="jobs_open",
                condition=models.Q(state__in=("queued", "running")),
            ),
            models.Index(fields=("tenant_id", "queue", "-started_at"), name="jobs_served"),
            models.Index(
                fields=("retry_requested_at",),
                name="jobs_to_retry",
                condition=models.Q(retry_requested_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"

    @property
    def public_id(self) -> str:
        """``job_…``"""
        return public_id("job", self.id)

    @property
    def is_final(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.state in FINAL

    @property
    def duration_seconds(self) -> float | None:
        """Seconds of work so far, or in all; None before the start."""
        if self.started_at is None:
            return None
        return ((self.finished_at or timezone.now()) - self.started_at).total_seconds()

    @property
    def eta_seconds(self) -> float | None:
        """Seconds left at the pace so far; None where nothing can be said yet."""
        elapsed = self.duration_seconds
        if elapsed is None or self.is_final or self.percent < 5:
            return None
        return elapsed * (100 - self.percent) / self.percent


class Schedule(models.Model):
    """Work of one tenant that is queued again and again. ``key`` tells a kind's schedules apart.

    ``cron`` is read in ``zone``; ``next_run_at`` moves on in the transaction that queues the job. While ``paused_at`` is set
    nothing is queued.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant_id = models.UUIDField()
    kind = models.CharField(max_length=60)
    key = models.CharField(max_length=80)
    name = models.CharField(max_length=200)
    payload = models.JSONField(default=dict)
    cron = models.CharField(max_length=100)
    zone = models.CharField(max_length=60)
    next_run_at = models.DateTimeField()
    last_run_at = models.DateTimeField(null=True)
    last_job_id = models.UUIDField(null=True)
    paused_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[models.Manager[Schedule]]

    class Meta:
        ordering = ("next_run_at", "id")
        constraints = (
            models.UniqueConstraint(fields=("tenant_id", "kind", "key"), name="jobs_schedule_once"),
        )
        indexes = (models.Index(fields=("next_run_at",), name="jobs_schedule_due"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.cron}"

    @property
    def public_id(self) -> str:
        """``sch_…``"""
        return public_id("sch", self.id)


class EntryKind(models.TextChoices):
    """What an entry tells."""

    STATE = "state"  # the job's state changed, or it was asked to
    STAGE = "stage"  # it came to another stage
    LOG = "log"  # a line that its handler wrote


class JobEntry(models.Model):
    """A line of what became of a job, in order: its log, and the events that a stream of it repeats. Never changed."""

    id = models.BigAutoField(primary_key=True)
    tenant_id = models.UUIDField()
    job_id = models.UUIDField()
    kind = models.CharField(max_length=8, choices=EntryKind)
    level = models.CharField(max_length=8, default="info")
    text = models.CharField(max_length=500)
    attempt = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[models.Manager[JobEntry]]

    class Meta:
        ordering = ("id",)
        indexes = (
            models.Index(fields=("job_id", "id"), name="jobs_entry_by_job"),
            models.Index(fields=("created_at",), name="jobs_entry_by_age"),
        )

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"
