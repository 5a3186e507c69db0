"""Training runs: a table of the tenant's schema. Progress stands on the job, results here."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from apps.core.ids import new_id, public_id


class TrainingRun(models.Model):
    """One training: what was asked for and what came out of it."""

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
