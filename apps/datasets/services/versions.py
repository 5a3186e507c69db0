"""Writing versions: every change of a data set ends here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from apps.audit import services as audit
from apps.core import request_context
from apps.core.errors import NotFound
from apps.datasets import lineage, news, openlineage
from apps.datasets.doctor.contracts import Finding, Step
from apps.datasets.errors import NameTaken
from apps.datasets.models import (
    Change,
    Dataset,
    DatasetVersion,
    Origin,
    Recipe,
    StoredFile,
    Upload,
    VersionPart,
)
from apps.datasets.reading.contracts import Reading
from apps.events import services as events
from apps.jobs import schedules

TIDY, DAILY = "datasets.tidy", "23 3 * * *"
RESERVED_SLUGS = ("new", "demo", "uploads", "sources")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a manifest that is to be written; see ``points.manifest.Entry``."""

    file: StoredFile
    columns: tuple[str, ...]
    not_before: datetime | None = None
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about a version's content, as its columns hold it."""

    rows: int
    series_count: int
    first_ds: str
    last_ds: str
    frequency: str
    season_length: int | None
    columns: dict[str, Any]
    findings: list[dict[str, Any]]
    samples: list[dict[str, Any]]
    report: StoredFile | None = None
    checked_at: datetime | None = None

    @classmethod
    def of_reading(cls, reading: Reading, report: StoredFile | None, frequency: str = "") -> Facts:
        """What a reading says; ``frequency``: the one that the customer confirmed instead of the inferred one."""
        table = reading.table
        assert table is not None
        return cls(
            rows=table.rows,
            series_count=table.series_count,
            first_ds=table.first_ds,
            last_ds=table.last_ds,
            frequency=frequency or table.frequency or "",
            season_length=table.season_length if frequency in ("", table.frequency) else None,
            columns=_columns(reading),
            findings=[finding_json(item) for item in reading.findings],
            samples=[asdict(item) for item in reading.samples],
            report=report,
            checked_at=timezone.now(),
        )

    @classmethod
    def of_version(cls, version: DatasetVersion) -> Facts:
        """What is known about a version."""
        names = ("rows", "series_count", "first_ds", "last_ds", "frequency", "season_length")
        kept = ("columns", "findings", "samples", "report", "checked_at")
        return cls(**{name: getattr(version, name) for name in (*names, *kept)})


@dataclass(frozen=True, slots=True)
class Reason:
    """Why there is a version: the kind of change, from which upload, how many rows it touched, in whose words."""

    change: Change
    upload: Upload | None = None
    counts: dict[str, int] = field(default_factory=dict)
    note: str = ""
    expected: list[dict[str, Any]] = field(default_factory=list)


def create_dataset(
    *, name: str, slug: str, origin: Origin, description: str = "", generated: bool = False
) -> Dataset:
    """A data set without a version, inside the caller's transaction. Raises ``NameTaken``."""
    actor = request_context.current().actor
    try:
        with transaction.atomic():
            dataset = Dataset.objects.create(
                name=name,
                slug=slug,
                origin=origin,
                description=description,
                generated=generated,
                created_by=actor.label,
            )
    except IntegrityError as error:
        raise NameTaken(name=name) from error
    audit.record(
        action="dataset.created",
        target_type="dataset",
        target_id=dataset.public_id,
        changes={"name": name, "slug": slug, "origin": str(origin)},
    )
    schedules.set_schedule(kind=TIDY, key=TIDY, payload={}, cron=DAILY, zone="UTC", name="Tidy data sets")
    return dataset


def free_slug(name: str) -> str:
    """A slug for the name that no data set has."""
    base = slugify(name)[:70].strip("-") or "dataset"
    taken = {*RESERVED_SLUGS, *Dataset.objects.filter(slug__startswith=base).values_list("slug", flat=True)}
    candidates = (base if number == 1 else f"{base}-{number}" for number in range(1, len(taken) + 2))
    return next(slug for slug in candidates if slug not in taken)


def lock(slug: str) -> tuple[Dataset, DatasetVersion]:
    """The data set, locked until the caller's transaction ends, and its newest version. Raises ``NotFound``."""
    dataset = Dataset.objects.select_for_update().filter(slug=slug).first()
    newest = (
        dataset and dataset.versions.select_related("recipe", "statics", "report").order_by("-number").first()
    )
    if not dataset or not newest:
        raise NotFound(what="dataset", name=slug[:80])
    return dataset, newest


def add_version(
    dataset: Dataset,
    parts: Sequence[Part],
    facts: Facts,
    reason: Reason,
    *,
    parent: DatasetVersion | None = None,
    recipe: Recipe | None = None,
    statics: StoredFile | None = None,
) -> DatasetVersion:
    """Write a version and its manifest, inside the caller's transaction; the caller holds the data set's lock."""
    version = DatasetVersion.objects.create(
        dataset=dataset,
        number=parent.number + 1 if parent else 1,
        change=reason.change,
        parent=parent,
        recipe=recipe,
        upload=reason.upload,
        statics=statics,
        sha256=manifest_sha256(parts, statics, recipe),
        expected=reason.expected,
        counts=reason.counts,
        note=reason.note,
        created_by=request_context.current().actor.label,
        **{name: getattr(facts, name) for name in Facts.__slots__},
    )
    VersionPart.objects.bulk_create(
        VersionPart(
            version=version,
            position=position,
            file=part.file,
            columns=list(part.columns),
            not_before=part.not_before,
            reset=part.reset,
        )
        for position, part in enumerate(parts)
    )
    _tell(version, reason)
    return version


def parts_of(version: DatasetVersion) -> list[Part]:
    """The manifest of a version."""
    rows = VersionPart.objects.filter(version=version).select_related("file").order_by("position")
    return [Part(row.file, tuple(row.columns), row.not_before, row.reset) for row in rows]


def add_recipe(dataset: Dataset, steps: Sequence[Step]) -> Recipe:
    """The data set's next recipe, inside the caller's transaction."""
    newest = dataset.recipes.order_by("-number").values_list("number", flat=True).first()
    return Recipe.objects.create(
        dataset=dataset,
        number=(newest or 0) + 1,
        steps=[step.to_json() for step in steps],
        created_by=request_context.current().actor.label,
    )


def manifest_sha256(parts: Sequence[Part], statics: StoredFile | None, recipe: Recipe | None) -> str:
    """The hash that names a version's content: its parts in order, its static attributes, its recipe's steps."""
    said = {
        "parts": [
            [
                part.file.sha256,
                list(part.columns),
                part.not_before and part.not_before.isoformat(),
                part.reset,
            ]
            for part in parts
        ],
        "statics": statics.sha256 if statics else None,
        "steps": recipe.steps if recipe else [],
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def finding_json(finding: Finding) -> dict[str, Any]:
    """A finding as it is stored and shown; ``row`` and ``series_id`` are the first ones concerned."""
    row = finding.rows[0] if finding.rows else None
    series = finding.series[0] if finding.series else None
    return {**asdict(finding), "row": row, "series_id": series}


def _columns(reading: Reading) -> dict[str, Any]:
    table = reading.table
    assert table is not None
    mapping = reading.mapping
    return {
        "mapping": mapping.to_json() if mapping else None,
        "covariates": list(table.covariates),
        "past": list(table.past),
        "utc": table.utc,
        "known_at": table.known_at,
        "faults": list(reading.faults),
        "static": list(mapping.static) if mapping else [],
        "hierarchy": list(mapping.hierarchy) if mapping else [],
        "missing_steps": table.missing_steps,
        "proposed_gap_rule": table.gap_rule,
        "said": list(reading.said),
    }


def _tell(version: DatasetVersion, reason: Reason) -> None:
    dataset = version.dataset
    audit.record(
        action="dataset.version_created",
        target_type="dataset_version",
        target_id=version.public_id,
        changes={
            "dataset": dataset.slug,
            "number": version.number,
            "change": str(reason.change),
            "sha256": version.sha256,
            "rows": version.rows,
            **reason.counts,
        },
    )
    openlineage.announce(kind=lineage.VERSION, id=version.public_id)
    news.tell(version)
    events.emit(
        type="dataset.version_created",
        data={"dataset": dataset.slug, "version": version.public_id, "change": str(reason.change)},
    )
