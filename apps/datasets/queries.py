"""Reads of data sets."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery, Sum

from apps.core import scope, storage
from apps.core.errors import NotFound
from apps.datasets.models import Dataset, DatasetVersion, Upload

if TYPE_CHECKING:
    from apps.engine.panel import Panel


def list_datasets() -> QuerySet[Dataset]:
    """All data sets by name; ``latest_of`` gives each one's newest version without another query."""
    newest = DatasetVersion.objects.filter(dataset=OuterRef("dataset")).order_by("-number").values("id")[:1]
    light = DatasetVersion.objects.filter(id=Subquery(newest)).defer("samples", "findings")
    return Dataset.objects.order_by("name", "id").prefetch_related(
        Prefetch("versions", light, to_attr="newest")
    )


def latest_of(dataset: Dataset) -> DatasetVersion | None:
    """The newest version of a data set that ``list_datasets`` gave."""
    newest: list[DatasetVersion] = getattr(dataset, "newest", [])
    return newest[0] if newest else None


def count_datasets() -> int:
    """How many data sets the tenant has."""
    return Dataset.objects.count()


def count_rows() -> int:
    """How many rows all versions hold."""
    return DatasetVersion.objects.aggregate(total=Sum("rows"))["total"] or 0


def find_dataset(*, slug: str) -> Dataset | None:
    """The data set of that slug."""
    return Dataset.objects.filter(slug=slug).first()


def get_dataset(*, slug: str) -> Dataset:
    """The data set of that slug; raises ``NotFound``."""
    dataset = find_dataset(slug=slug)
    if dataset is None:
        raise NotFound(what="dataset", name=slug[:80])
    return dataset


def get_current_version(*, dataset: Dataset) -> DatasetVersion:
    """The newest version; raises ``NotFound`` where none was accepted."""
    version = dataset.versions.order_by("-number").first()
    if version is None:
        raise NotFound(what="version of dataset", name=dataset.slug)
    return version


def list_versions(*, dataset: Dataset) -> QuerySet[DatasetVersion]:
    """The versions, newest first, without their samples and findings."""
    return dataset.versions.order_by("-number").defer("samples", "findings")


def get_upload(*, upload_id: uuid.UUID) -> Upload:
    """The upload of that id; raises ``NotFound``."""
    try:
        return Upload.objects.get(id=upload_id)
    except Upload.DoesNotExist:
        raise NotFound(what="upload", name=str(upload_id)) from None


def read_panel(*, version: DatasetVersion) -> Panel:
    """The version's series on a regular grid, missing steps filled by its accepted rule. For workers only.

    Raises ``NotTrainable``, and ``StorageCorrupted`` when the file is not what was written.
    """
    from apps.datasets import panel

    parquet = storage.read_content(scope.current_tenant(), version.path, version.sha256)
    return panel.make_panel(
        parquet, panel.recipe_of(version.frequency, version.season_length, version.columns)
    )
