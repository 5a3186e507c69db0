"""Models and their versions: tables of the tenant's schema. What they hold is the truth; MLflow mirrors it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from apps.core.ids import new_id, public_id
from apps.registry import gate

NOTHING_BETTER = "no candidate did better than repeating the last season in the backtest."


class Alias(models.TextChoices):
    """What a version may be called instead of by its number."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"
    PREVIOUS = "previous"


class Model(models.Model):
    """A name under which forecasts are asked for; its champion answers.

    ``challenger`` waits to be compared, ``previous`` was the champion before. ``retired`` holds ``[number, semver]`` of
    versions that were deleted, which are not given again.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.SlugField(max_length=80, unique=True)
    dataset = models.ForeignKey("datasets.Dataset", on_delete=models.PROTECT, related_name="+")
    champion = models.ForeignKey(
        "registry.ModelVersion", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    challenger = models.ForeignKey(
        "registry.ModelVersion", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    previous = models.ForeignKey(
        "registry.ModelVersion", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    retired = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Model]]

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def aliases_of(self, version: ModelVersion) -> list[str]:
        """What ``version`` is called here."""
        return [str(alias) for alias in Alias if getattr(self, f"{alias}_id") == version.id]


class ModelVersion(models.Model):
    """One trained model: where its bundle is, what it hashes to, what it was trained on, how it did.

    ``number`` counts a model's versions; ``semver`` says how much changed (see ``numbering``): ``schema`` is what it is
    compared by, ``params`` what was asked for. ``verdict`` is the publish gate's (see ``gate``), with its evidence, and with
    ``override`` where an owner overruled it; versions older than the gate have none. An archived version can be read and
    compared, and answers no more.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    semver = models.CharField(max_length=40)
    algorithm = models.CharField(max_length=60)
    label = models.CharField(max_length=120)
    bundle_sha256 = models.CharField(max_length=64)
    bundle_path = models.CharField(max_length=200)
    bundle_bytes = models.BigIntegerField()
    dataset_version = models.ForeignKey("datasets.DatasetVersion", on_delete=models.PROTECT, related_name="+")
    job_id = models.UUIDField(unique=True)
    metrics = models.JSONField(default=dict)
    notes = models.JSONField(default=list)
    params = models.JSONField(default=dict)
    schema = models.JSONField(default=dict)
    horizon_max = models.PositiveIntegerField()
    levels = models.JSONField(default=list)
    frequency = models.CharField(max_length=20)
    series_count = models.PositiveIntegerField()
    cutoff = models.CharField(max_length=40)
    seed = models.BigIntegerField()
    code_version = models.CharField(max_length=40)
    mlflow_run_id = models.CharField(max_length=64, blank=True)
    mlflow_name = models.CharField(max_length=160, blank=True)
    mlflow_version = models.CharField(max_length=20, blank=True)
    verdict = models.JSONField(default=dict)
    archived_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[ModelVersion]]

    class Meta:
        ordering = ("-number",)
        constraints = (
            models.UniqueConstraint(fields=("model", "number"), name="registry_version_number"),
            models.UniqueConstraint(fields=("model", "semver"), name="registry_version_semver"),
        )

    def __str__(self) -> str:
        return f"{self.model_id} v{self.number}"

    @property
    def public_id(self) -> str:
        """``mv_…``"""
        return public_id("mv", self.id)

    @property
    def is_naive(self) -> bool:
        """Whether nothing beat the seasonal naive, so that it serves."""
        return self.algorithm == "seasonal_naive"

    @property
    def is_refused(self) -> bool:
        """Whether the publish gate keeps it from answering."""
        return gate.is_refused(self.verdict)

    @property
    def because(self) -> str:
        """Why the seasonal naive serves, where this version is one that does; "" for others."""
        return (self.verdict.get("why") or NOTHING_BETTER) if self.is_naive else ""

    @property
    def notice(self) -> str:
        """What whoever reads its forecasts should know: that the seasonal naive serves, and why; "" for others."""
        return f"The seasonal naive serves: {self.because}" if self.is_naive else ""
