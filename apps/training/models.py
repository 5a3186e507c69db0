"""Training runs: a table of the tenant's schema. Progress stands on the job, results here."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from apps.core.ids import new_id, public_id


class Origin(models.TextChoices):
    """Why a training was started."""

    REQUEST = "request"
    DATA = "data"
    SCHEDULE = "schedule"


class Policy(models.TextChoices):
    """What becomes of the version that a training makes."""

    PROMOTE = "promote"
    CHALLENGER = "challenger"
    REGISTER = "register"


class TrainingRun(models.Model):
    """One training: what was asked for and what came out of it.

    While it runs, ``leaderboard`` holds the candidates that are done, ``standings`` where each stands, and ``checkpoints``
    where what they found is kept ({key: [sha256, path]}), for the next attempt. ``breakdown`` sums the backtest up, whose
    forecasts are the Parquet at ``backtest_path``. ``features`` and ``seconds`` are what estimates learn from.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    dataset = models.ForeignKey("datasets.Dataset", on_delete=models.CASCADE, related_name="+")
    dataset_version = models.ForeignKey("datasets.DatasetVersion", on_delete=models.CASCADE, related_name="+")
    model_name = models.SlugField(max_length=80)
    job_id = models.UUIDField(unique=True)
    spec = models.JSONField(default=dict)
    seed = models.BigIntegerField(default=0)
    leaderboard = models.JSONField(default=list)
    notes = models.JSONField(default=list)
    coverage = models.JSONField(default=dict)
    selected = models.CharField(max_length=60, blank=True)
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.REQUEST)
    policy = models.CharField(max_length=10, choices=Policy.choices, default=Policy.PROMOTE)
    refreshed = models.BooleanField(default=False)
    standings = models.JSONField(default=list)
    checkpoints = models.JSONField(default=dict)
    breakdown = models.JSONField(default=dict)
    backtest_path = models.CharField(max_length=200, blank=True)
    backtest_sha256 = models.CharField(max_length=64, blank=True)
    features = models.JSONField(default=dict)
    seconds = models.FloatField(null=True)
    model_version = models.ForeignKey(
        "registry.ModelVersion", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_by = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[TrainingRun]]

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        """``run_…``"""
        return public_id("run", self.id)


class TrainingPolicy(models.Model):
    """When a model is trained again by itself, and what becomes of the new version.

    ``on_new_data`` waits ``quiet_minutes`` after the last change of the data set, ``waiting_since`` says since when one waits;
    ``cron`` ("": never) is read in ``zone``. ``refresh`` only brings the new points in where nothing else changed.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    model_name = models.SlugField(max_length=80, unique=True)
    dataset = models.ForeignKey("datasets.Dataset", on_delete=models.CASCADE, related_name="+")
    on_new_data = models.BooleanField(default=False)
    quiet_minutes = models.PositiveIntegerField(default=15)
    waiting_since = models.DateTimeField(null=True)
    cron = models.CharField(max_length=100, blank=True)
    zone = models.CharField(max_length=60, default="UTC")
    policy = models.CharField(max_length=10, choices=Policy.choices, default=Policy.PROMOTE)
    warm_start = models.BooleanField(default=False)
    refresh = models.BooleanField(default=False)
    created_by = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager[TrainingPolicy]]

    class Meta:
        ordering = ("model_name",)

    def __str__(self) -> str:
        return self.model_name
