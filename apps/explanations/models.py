"""Explanations of single forecast points: a table of the tenant's schema."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from apps.core.ids import new_id, public_id


class Explanation(models.Model):
    """Why one point of one forecast is what it is; ``result`` is set by the worker."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    forecast_id = models.UUIDField()
    series_id = models.TextField()
    step = models.PositiveIntegerField()
    job_id = models.UUIDField(unique=True)
    method = models.CharField(max_length=60, blank=True)
    result = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Explanation]]

    class Meta:
        ordering = ("-created_at",)
        indexes = (models.Index(fields=("forecast_id", "series_id", "step"), name="explanations_by_point"),)

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        """``exp_…``"""
        return public_id("exp", self.id)
