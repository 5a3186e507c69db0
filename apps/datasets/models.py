"""Uploads, data sets and their versions: tables of the tenant's schema. The points are Parquet files."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from apps.core.ids import new_id, public_id


class UploadState(models.TextChoices):
    """``received`` files wait for their mapping to be accepted."""

    RECEIVED = "received"
    ACCEPTED = "accepted"


class Origin(models.TextChoices):
    """Where a data set came from."""

    UPLOAD = "upload"
    DEMO = "demo"


class Upload(models.Model):
    """A file as it came, and what the first reading of it said (``reading``: ``Reading.to_json``)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    filename = models.CharField(max_length=200)
    path = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    reading = models.JSONField()
    state = models.CharField(max_length=10, choices=UploadState.choices, default=UploadState.RECEIVED)
    dataset = models.ForeignKey("datasets.Dataset", on_delete=models.SET_NULL, null=True, related_name="+")
    created_by = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    objects: ClassVar[models.Manager[Upload]]

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.filename

    @property
    def public_id(self) -> str:
        """The id in addresses: ``up_…``."""
        return public_id("up", self.id)


class Dataset(models.Model):
    """A named panel of series; its newest version is what training takes."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=80, unique=True)
    description = models.TextField(blank=True)
    origin = models.CharField(max_length=10, choices=Origin.choices)
    generated = models.BooleanField(default=False)
    created_by = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Dataset]]

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        """The id that the API shows: ``ds_…``."""
        return public_id("ds", self.id)


class DatasetVersion(models.Model):
    """An immutable state of a data set: one Parquet file by content hash, and what is known about it.

    ``columns`` holds the mapping, the covariates, the accepted ``gap_rule`` and how the file was read;
    ``findings`` the check's findings as the pages show them; ``samples`` some series for plots, so that no
    page reads Parquet.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    path = models.CharField(max_length=200)
    rows = models.BigIntegerField()
    series_count = models.PositiveIntegerField()
    first_ds = models.CharField(max_length=40)
    last_ds = models.CharField(max_length=40)
    frequency = models.CharField(max_length=20, blank=True)
    season_length = models.PositiveIntegerField(null=True)
    columns = models.JSONField()
    findings = models.JSONField()
    samples = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[DatasetVersion]]

    class Meta:
        ordering = ("dataset", "-number")
        constraints = (models.UniqueConstraint(fields=("dataset", "number"), name="datasets_version_number"),)

    def __str__(self) -> str:
        return f"{self.dataset_id} version {self.number}"

    @property
    def public_id(self) -> str:
        """The id that the API shows: ``dsv_…``."""
        return public_id("dsv", self.id)
