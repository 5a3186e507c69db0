"""Uploads, data sets and their versions: tables of the tenant's schema. The points are Parquet files."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from apps.core.ids import new_id, public_id


class UploadState(models.TextChoices):
    """``announced``: its bytes are to come by themselves; ``reading``: a worker reads it; ``received`` files wait for
    their mapping to be accepted."""

    ANNOUNCED = "announced"
    READING = "reading"
    RECEIVED = "received"
    ACCEPTED = "accepted"


class Origin(models.TextChoices):
    """Where a data set came from."""

    UPLOAD = "upload"
    DEMO = "demo"
    SOURCE = "source"


class Change(models.TextChoices):
    """What made a version."""

    UPLOAD = "upload"
    APPEND = "append"
    DELETE = "delete"
    REPLACE = "replace"
    RESTORE = "restore"
    RECIPE = "recipe"
    COMPACTION = "compaction"


class FileKind(models.TextChoices):
    """What a stored file holds."""

    POINTS = "points"
    STATICS = "statics"
    REPORT = "report"
    EXPORT = "export"


class StoredFile(models.Model):
    """A file of the tenant's by its content, which several versions may share. Never changed; deleted with its row once
    nothing names it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=10, choices=FileKind.choices)
    path = models.CharField(max_length=200, unique=True)
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[StoredFile]]

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.path

    @property
    def public_id(self) -> str:
        """The id in addresses: ``file_…``."""
        return public_id("file", self.id)


class Upload(models.Model):
    """A file as it came, and what the first reading of it said (``reading``: ``Reading.to_json``).

    ``points``, ``statics`` and ``report`` are what that reading wrote, so that accepting it need not read again.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    filename = models.CharField(max_length=200)
    path = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.BigIntegerField()
    reading = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=UploadState.choices, default=UploadState.RECEIVED)
    dataset = models.ForeignKey("datasets.Dataset", on_delete=models.SET_NULL, null=True, related_name="+")
    source = models.ForeignKey("datasets.Source", on_delete=models.SET_NULL, null=True, related_name="+")
    points = models.ForeignKey(StoredFile, on_delete=models.SET_NULL, null=True, related_name="+")
    statics = models.ForeignKey(StoredFile, on_delete=models.SET_NULL, null=True, related_name="+")
    report = models.ForeignKey(StoredFile, on_delete=models.SET_NULL, null=True, related_name="+")
    job_id = models.UUIDField(null=True)
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
    """A named panel of series; its newest version is what training takes.

    ``expectations`` are what each new version is tested against. ``keep_versions`` and ``keep_days`` bound how long older
    versions are kept (None: for ever); what a model was trained on is kept anyway.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=80, unique=True)
    description = models.TextField(blank=True)
    origin = models.CharField(max_length=10, choices=Origin.choices)
    generated = models.BooleanField(default=False)
    expectations = models.JSONField(default=list)
    keep_versions = models.PositiveIntegerField(null=True)
    keep_days = models.PositiveIntegerField(null=True)
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


class Recipe(models.Model):
    """What the customer accepted to be done about findings, in order (``steps``: ``Step.to_json``). Never changed; another
    choice is another number."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="recipes")
    number = models.PositiveIntegerField()
    steps = models.JSONField()
    created_by = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Recipe]]

    class Meta:
        ordering = ("dataset", "-number")
        constraints = (models.UniqueConstraint(fields=("dataset", "number"), name="datasets_recipe_number"),)

    def __str__(self) -> str:
        return f"recipe {self.number} of {self.dataset_id}"


class DatasetVersion(models.Model):
    """An immutable state of a data set: which parts it is made of (``parts``), and what is known about it.

    ``sha256`` is the hash of the manifest, which names each part by its own. ``columns`` holds the mapping, the covariates
    and how the file was read; ``findings`` the doctor's summary, ``report`` all of it by series; ``samples`` some series
    for plots, so that no page reads Parquet; ``expected`` the results of the data set's expectations; ``counts`` how many
    rows the change added, changed and removed. ``checked_at`` is None while the doctor has yet to see the whole.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    change = models.CharField(max_length=10, choices=Change.choices, default=Change.UPLOAD)
    parent = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="+")
    recipe = models.ForeignKey(Recipe, on_delete=models.PROTECT, null=True, related_name="+")
    upload = models.ForeignKey(Upload, on_delete=models.SET_NULL, null=True, related_name="+")
    statics = models.ForeignKey(StoredFile, on_delete=models.PROTECT, null=True, related_name="+")
    report = models.ForeignKey(StoredFile, on_delete=models.PROTECT, null=True, related_name="+")
    sha256 = models.CharField(max_length=64)
    rows = models.BigIntegerField()
    series_count = models.PositiveIntegerField()
    first_ds = models.CharField(max_length=40)
    last_ds = models.CharField(max_length=40)
    frequency = models.CharField(max_length=20, blank=True)
    season_length = models.PositiveIntegerField(null=True)
    columns = models.JSONField()
    findings = models.JSONField()
    samples = models.JSONField()
    expected = models.JSONField(default=list)
    counts = models.JSONField(default=dict)
    note = models.CharField(max_length=300, blank=True)
    checked_at = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=254, blank=True)
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


class VersionPart(models.Model):
    """One part in a version's manifest: see ``points.manifest.Entry`` for what the columns mean."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    version = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="parts")
    position = models.PositiveIntegerField()
    file = models.ForeignKey(StoredFile, on_delete=models.PROTECT, related_name="+")
    columns = models.JSONField()
    not_before = models.DateTimeField(null=True)
    reset = models.BooleanField(default=False)

    objects: ClassVar[models.Manager[VersionPart]]

    class Meta:
        ordering = ("version", "position")
        constraints = (
            models.UniqueConstraint(fields=("version", "position"), name="datasets_part_position"),
        )

    def __str__(self) -> str:
        return f"part {self.position} of {self.version_id}"


class Source(models.Model):
    """Where a data set's rows are fetched from, by hand or on a schedule (``jobs.schedules``).

    ``secret`` is sealed and never shown again. ``marker`` is what the last fetch saw (an ETag, a newest time), so that an
    unchanged source is not read twice. Until its first upload is accepted it has no data set.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, null=True, related_name="sources")
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20)
    config = models.JSONField()
    secret = models.BinaryField(null=True)
    mode = models.CharField(max_length=10, default="append")
    cron = models.CharField(max_length=100, blank=True)
    timezone = models.CharField(max_length=60, default="UTC")
    marker = models.JSONField(default=dict)
    job_id = models.UUIDField(null=True)
    fetched_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=12, blank=True)
    message = models.CharField(max_length=500, blank=True)
    created_by = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Source]]

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        """The id in addresses: ``src_…``."""
        return public_id("src", self.id)
