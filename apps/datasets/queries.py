"""Reads of data sets."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery, Sum

from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.datasets.doctor import catalogue
from apps.datasets.doctor.contracts import Finding, Step
from apps.datasets.errors import NotTrainable
from apps.datasets.models import (
    Dataset,
    DatasetVersion,
    FileKind,
    Recipe,
    Source,
    StoredFile,
    Upload,
    UploadState,
)
from apps.datasets.reading.contracts import ColumnMapping, Reading

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
    """How many rows the data sets hold in their newest versions: what a plan's rows are counted by."""
    return DatasetVersion.objects.filter(id__in=_newest_ids()).aggregate(total=Sum("rows"))["total"] or 0


def _newest_ids() -> QuerySet[Any]:
    newest = DatasetVersion.objects.filter(dataset=OuterRef("id")).order_by("-number").values("id")[:1]
    return Dataset.objects.annotate(newest=Subquery(newest)).values("newest")


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
    version = dataset.versions.select_related("recipe", "report").order_by("-number").first()
    if version is None:
        raise NotFound(what="version of dataset", name=dataset.slug)
    return version


def get_version(*, slug: str, number: int) -> DatasetVersion:
    """A version by its number; raises ``NotFound``."""
    found = DatasetVersion.objects.select_related("dataset", "recipe", "report", "parent", "upload")
    version = found.filter(dataset__slug=slug, number=number).first()
    if version is None:
        get_dataset(slug=slug)
        raise NotFound(what="version", name=str(number))
    return version


def get_version_by_id(*, version_id: uuid.UUID) -> DatasetVersion:
    """The version of that id; raises ``NotFound``."""
    found = DatasetVersion.objects.select_related("dataset", "recipe", "report")
    version = found.filter(id=version_id).first()
    if version is None:
        raise NotFound(what="dataset version", name=public_id("dsv", version_id))
    return version


def list_versions(*, dataset: Dataset) -> QuerySet[DatasetVersion]:
    """The versions, newest first, without their samples and findings."""
    light = dataset.versions.select_related("recipe", "upload").defer("samples", "findings")
    return light.order_by("-number")


def list_uploads() -> QuerySet[Upload]:
    """Uploads that nobody has accepted yet, newest first."""
    return Upload.objects.exclude(state=UploadState.ACCEPTED).order_by("-created_at", "-id")


def get_upload(*, upload_id: uuid.UUID) -> Upload:
    """The upload of that id; raises ``NotFound``."""
    upload = Upload.objects.select_related("dataset", "source", "points", "statics", "report").filter(
        id=upload_id
    )
    if (found := upload.first()) is None:
        raise NotFound(what="upload", name=public_id("up", upload_id))
    return found


def mapping_of(upload: Upload) -> ColumnMapping | None:
    """The mapping under which the upload was read; None where it was not."""
    return Reading.from_json(upload.reading).mapping if upload.reading else None


def list_sources() -> QuerySet[Source]:
    """All sources by name, with their data sets."""
    return Source.objects.select_related("dataset").order_by("name", "id")


def get_source(*, source_id: uuid.UUID) -> Source:
    """The source of that id; raises ``NotFound``."""
    source = Source.objects.select_related("dataset").filter(id=source_id).first()
    if source is None:
        raise NotFound(what="source", name=public_id("src", source_id))
    return source


def get_export(*, file_id: uuid.UUID) -> StoredFile:
    """A file that was made for download; raises ``NotFound``."""
    file = StoredFile.objects.filter(id=file_id, kind=FileKind.EXPORT).first()
    if file is None:
        raise NotFound(what="file", name=public_id("file", file_id))
    return file


def list_recipes(*, dataset: Dataset) -> QuerySet[Recipe]:
    """The data set's recipes, newest first."""
    return dataset.recipes.order_by("-number")


def steps_of(version: DatasetVersion) -> list[Step]:
    """The steps of the version's recipe."""
    return [Step.from_json(step) for step in version.recipe.steps] if version.recipe else []


def open_findings(version: DatasetVersion) -> list[Finding]:
    """The findings that keep the version from being trained on, as its recipe does not deal with them."""
    found = [Finding.from_json(known) for known in map(finding_fields, version.findings)]
    return catalogue.blocking(found, steps_of(version))


def finding_fields(stored: dict[str, Any]) -> dict[str, Any]:
    """A stored finding without what pages need beside it."""
    return {name: value for name, value in stored.items() if name not in ("row", "series_id")}


def read_panel(
    *, version: DatasetVersion, as_of: datetime | None = None, covariates: Collection[str] | None = None
) -> Panel:
    """The version's series on a regular grid, as its recipe makes them. For workers only.

    ``as_of`` (aware): as everything was known then; ``covariates``: only these of its columns (None: all).
    Raises ``NotTrainable``, and ``StorageCorrupted`` when a file is not what was written.
    """
    from apps.datasets import panel
    from apps.datasets.points import state
    from apps.datasets.services import files

    blocking = open_findings(version)
    if blocking:
        raise NotTrainable(
            reason=f"{blocking[0].title}: {blocking[0].detail} Accept a fix, or correct the data."
        )
    columns = _value_columns(version)
    recipe = panel.recipe_of(version.frequency, version.season_length, version.columns, steps_of(version))
    with files.entries(version) as entries:
        if as_of is None:
            table = state.current(entries, covariates=columns)
        else:
            table = state.as_of(entries, as_of, covariates=columns, past=recipe.past)
        late = len(entries) > 1 or version.columns.get("known_at")
        history = state.history(entries, covariates=columns, until=as_of) if late else None
    chosen = panel.chosen(recipe, covariates)
    return panel.make_panel(table, chosen, history=history, statics=_statics(version))


def _statics(version: DatasetVersion) -> bytes | None:
    """The Parquet with the attributes of the series; None where there are none."""
    from apps.datasets.services import files

    if version.statics is None:
        return None
    with files.lent(version.statics) as path:
        return path.read_bytes()


def _value_columns(version: DatasetVersion) -> tuple[str, ...]:
    return (*version.columns.get("covariates", []), *version.columns.get("past", []))
