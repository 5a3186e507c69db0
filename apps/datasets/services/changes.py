"""Changing the points of a data set: each use case writes one version, or none where nothing changes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.core.errors import FieldError, NotFound
from apps.datasets import queries
from apps.datasets.errors import (
    ExpectationsFailed,
    MappingInvalid,
    ObservationsInvalid,
    WorkRefused,
)
from apps.datasets.models import Change, Dataset, DatasetVersion, FileKind, Upload, UploadState
from apps.datasets.points import manifest
from apps.datasets.points.manifest import Entry
from apps.datasets.reading.contracts import ColumnMapping
from apps.datasets.sandbox import runner
from apps.datasets.services import files, rooms, uploads, versions
from apps.datasets.services.versions import Facts, Part, Reason
from apps.jobs import Progress
from apps.jobs import services as jobs
from apps.jobs.models import Job

MAX_PROBLEMS = 100
COMPACT_PARTS = 24


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change did: the version that stands now, and how many rows were added, changed, removed or left alone."""

    version: DatasetVersion
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """The rows that are different now."""
        return {"added": self.added, "changed": self.changed, "removed": self.removed}


def append(
    *,
    slug: str,
    rows: Sequence[dict[str, Any]] | Path,
    known_at: datetime | None = None,
    upload: Upload | None = None,
    columns: Sequence[str] = (),
    faults: Sequence[Mapping[str, Any]] = (),
) -> Changed:
    """Add or correct observations: rows with ``unique_id`` (or the one series), ``ds``, ``y`` and covariates.

    ``rows`` is a list, or a Parquet part, of which ``faults`` are the cells that were no number. What a row does not give stays
    as it was; ``known_at`` is now unless given. Rows that say what is known already change nothing, so that a repeat is
    harmless. Raises ``ObservationsInvalid`` naming each bad row (nothing is written then), ``TooManyRows`` and
    ``ExpectationsFailed``.
    """
    at = known_at or timezone.now()
    with transaction.atomic():
        dataset, parent = versions.lock(slug)
        with files.entries(parent) as entries, files.temporary(".parquet") as target:
            said = _upsert(entries, parent, rows, at=at, target=target, columns=columns)
            if not said["added"] + said["changed"]:
                return Changed(parent, unchanged=said["unchanged"])
            rooms.check_rows(said["added"])
            known = None if said["dated"] else at
            entry = Entry(str(target), tuple(said["columns"]), known)
            expected = _expect(dataset, parent, [*entries, entry])
            file = files.keep(FileKind.POINTS, target, ".parquet")
        assert file is not None
        counts = {name: int(said[name]) for name in ("added", "changed")}
        reason = Reason(Change.APPEND, upload, counts, expected=expected)
        part = Part(file, tuple(said["columns"]), known)
        changes = {**said["summary"], "columns": _with_faults(parent, faults)}
        version = _next(dataset, parent, [*versions.parts_of(parent), part], changes, reason)
    return Changed(version, said["added"], said["changed"], 0, said["unchanged"])


def delete_points(*, slug: str, series: Sequence[str] | None, start: str | None, end: str | None) -> Changed:
    """Remove the points of ``series`` (None: all) from ``start`` to ``end`` (both included; None: open).

    What was known before stays known for looking back. Raises ``MappingInvalid`` where neither is given.
    """
    if series is None and start is None and end is None:
        raise MappingInvalid(
            reason="Name series, a start or an end: without any, everything would be deleted."
        )
    at = timezone.now()
    with transaction.atomic():
        dataset, parent = versions.lock(slug)
        with files.entries(parent) as entries, files.temporary(".parquet") as target:
            request = {
                **told(entries, parent),
                "series": None if series is None else list(series),
                "start": start,
                "end": end,
                "known_at": at.isoformat(),
                "target": str(target),
            }
            said = ask("points.delete", request)
            if not said["removed"]:
                return Changed(parent)
            file = files.keep(FileKind.POINTS, target, ".parquet")
        assert file is not None
        reason = Reason(Change.DELETE, counts={"removed": said["removed"]})
        parts = [*versions.parts_of(parent), Part(file, (), at)]
        version = _next(dataset, parent, parts, said["summary"], reason)
    return Changed(version, removed=said["removed"])


def replace(
    *, slug: str, upload_id: uuid.UUID, mapping: ColumnMapping | None = None, restate: bool = False
) -> Changed:
    """Make the upload the whole content of the data set.

    What was known before stays known for looking back, unless ``restate`` says that it never was true, or the file says
    itself since when each row was known. Raises ``FileRefused``, ``ChoiceNeeded``, ``UploadUsed`` and ``TooManyRows``.
    """
    upload = queries.get_upload(upload_id=upload_id)
    uploads.check_unused(upload)
    current = queries.get_current_version(dataset=queries.get_dataset(slug=slug))
    content = uploads.read_as(upload, mapping or mapping_for(current, upload))
    table = content.reading.table
    assert table is not None
    at = timezone.now()
    with transaction.atomic():
        dataset, parent = versions.lock(slug)
        rooms.check_rows(table.rows - parent.rows)
        forget = restate or table.known_at
        part = Part(content.points, content.columns, None if forget else at, not forget)
        parts = [part] if forget else [*versions.parts_of(parent), part]
        with files.lent(content.points) as path:
            expected = _expect(dataset, parent, [Entry(str(path), content.columns)])
        reason = Reason(Change.REPLACE, upload, {"rows": table.rows}, expected=expected)
        facts = Facts.of_reading(content.reading, content.report)
        version = versions.add_version(
            dataset,
            parts,
            changed(facts, columns={**parent.columns, **facts.columns}),
            reason,
            parent=parent,
            recipe=parent.recipe,
            statics=content.statics or parent.statics,
        )
        Upload.objects.filter(id=upload.id).update(state=UploadState.ACCEPTED, dataset=dataset)
    return Changed(version, added=table.rows)


def restore(*, slug: str, number: int) -> Changed:
    """Bring version ``number`` back as the newest; the versions in between stay. Raises ``NotFound``."""
    at = timezone.now()
    with transaction.atomic():
        dataset, parent = versions.lock(slug)
        earlier = dataset.versions.select_related("recipe", "statics", "report").filter(number=number).first()
        if earlier is None:
            raise NotFound(what="version", name=str(number))
        parts = [
            changed(part, not_before=max(part.not_before or at, at), reset=position == 0)
            for position, part in enumerate(manifest.standing(versions.parts_of(earlier)))
        ]
        version = versions.add_version(
            dataset,
            [*versions.parts_of(parent), *parts],
            Facts.of_version(earlier),
            Reason(Change.RESTORE, counts={"of": number}, note=f"Version {number} again"),
            parent=parent,
            recipe=earlier.recipe,
            statics=earlier.statics,
        )
    return Changed(version)


def mapping_for(version: DatasetVersion, upload: Upload) -> ColumnMapping:
    """How a further file of a data set is read: as its first one was, where that can be; else as guessed."""
    said, guessed = version.columns.get("mapping"), queries.mapping_of(upload) or ColumnMapping("", "")
    known = {column["name"] for column in upload.reading.get("columns", ())}
    if not said:
        return guessed
    mapping = ColumnMapping.from_json(said)
    used = {mapping.time, mapping.value, *mapping.series, *mapping.values} - {""}
    if not used <= known:
        return guessed
    further = guessed.known_at if guessed.known_at not in used else ""
    return changed(mapping, known_at=mapping.known_at if mapping.known_at in known else further)


def add_file(*, slug: str, upload_id: uuid.UUID) -> Changed:
    """Add an upload's rows to a data set, as observations known from now on (or since when the file says).

    Raises what ``append`` and reading raise.
    """
    upload = queries.get_upload(upload_id=upload_id)
    uploads.check_unused(upload)
    current = queries.get_current_version(dataset=queries.get_dataset(slug=slug))
    content = uploads.read_as(upload, mapping_for(current, upload))
    with files.lent(content.points) as path:
        done = append(
            slug=slug, rows=path, upload=upload, columns=content.columns, faults=content.reading.faults
        )
    Upload.objects.filter(id=upload.id).update(state=UploadState.ACCEPTED, dataset=done.version.dataset)
    return done


def add_in_background(*, slug: str, upload: Upload, mode: str) -> Job:
    """Have a worker add a large upload's rows (``append``), or replace all by them (``replace``, ``replace_restate``)."""
    with transaction.atomic():
        return jobs.enqueue(
            kind="datasets.add",
            payload={"slug": slug, "upload_id": str(upload.id), "mode": mode},
            queue="interactive",
            title=f"Add {upload.filename}",
        )


def perform_addition(*, payload: dict[str, Any], progress: Progress) -> Changed:
    """What a worker does of ``add_in_background``; done before, it gives the version that stands."""
    upload = queries.get_upload(upload_id=uuid.UUID(payload["upload_id"]))
    if upload.dataset is not None:
        return Changed(queries.get_current_version(dataset=upload.dataset))
    progress("Reading the file", 5)
    slug, mode = payload["slug"], payload["mode"]
    if mode == "append":
        return add_file(slug=slug, upload_id=upload.id)
    return replace(slug=slug, upload_id=upload.id, restate=mode == "replace_restate")


def _upsert(
    entries: list[Entry],
    parent: DatasetVersion,
    rows: Sequence[dict[str, Any]] | Path,
    *,
    at: datetime,
    target: Path,
    columns: Sequence[str],
) -> dict[str, Any]:
    given = {"rows_path": str(rows)} if isinstance(rows, Path) else {"rows": list(rows)}
    request = {
        **told(entries, parent),
        **given,
        "columns": list(columns) or None,
        "known_at": at.isoformat(),
        "target": str(target),
    }
    said = ask("points.append", request)
    if said["problems"]:
        errors = [
            FieldError(each["code"], each["detail"], pointer=each.get("pointer"), row=each.get("row"))
            for each in said["problems"][:MAX_PROBLEMS]
        ]
        raise ObservationsInvalid(count=len(said["problems"]), first=errors[0].detail, errors=errors)
    return said


def told(entries: list[Entry], version: DatasetVersion) -> dict[str, Any]:
    """What every task on points is told of the data set."""
    mapping = version.columns.get("mapping") or {}
    return {
        "entries": [entry.to_json() for entry in entries],
        "covariates": version.columns.get("covariates", []),
        "past": version.columns.get("past", []),
        "frequency": version.frequency,
        "utc": version.columns.get("utc", False),
        "zone": mapping.get("timezone", "") if version.columns.get("utc") else "",
        "single_series": not mapping.get("series", True) and mapping.get("layout", "long") == "long",
        "facts": {name: getattr(version, name) for name in ("rows", "series_count", "first_ds", "last_ds")},
    }


def ask(task: str, request: dict[str, Any]) -> dict[str, Any]:
    """A child's answer; raises ``WorkRefused``."""
    try:
        return runner.run(task, request)
    except runner.ChildFailed as failed:
        raise WorkRefused(reason=failed.message) from failed


def _with_faults(parent: DatasetVersion, faults: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The parent's columns, with cells of a further file that were no number."""
    return {**parent.columns, "faults": [*parent.columns.get("faults", []), *map(dict, faults)]}


def _next(
    dataset: Dataset, parent: DatasetVersion, parts: list[Part], summary: dict[str, Any], reason: Reason
) -> DatasetVersion:
    """The version after ``parent`` whose content differs a little: the doctor sees the whole of it in a job."""
    facts = changed(Facts.of_version(parent), **summary, checked_at=None)
    version = versions.add_version(
        dataset, parts, facts, reason, parent=parent, recipe=parent.recipe, statics=parent.statics
    )
    kind = "datasets.compact" if len(parts) >= COMPACT_PARTS else "datasets.examine"
    jobs.enqueue(
        kind=kind,
        payload={"version_id": str(version.id)},
        title=f"{'Compact' if kind.endswith('compact') else 'Check'} {dataset.name}, version {version.number}",
    )
    return version


def _expect(dataset: Dataset, parent: DatasetVersion, entries: list[Entry]) -> list[dict[str, Any]]:
    """The results of the data set's expectations on ``entries``; raises ``ExpectationsFailed`` where one blocks."""
    if not dataset.expectations:
        return []
    request = {
        **told(entries, parent),
        "expectations": dataset.expectations,
        "previous": parent.columns.get("totals")
        or {"rows": parent.rows, "series_count": parent.series_count},
        "now": timezone.now().isoformat(),
    }
    results: list[dict[str, Any]] = ask("expect", request)["results"]
    blocking = [each for each in results if not each["passed"] and each["severity"] == "block"]
    if blocking:
        raise ExpectationsFailed(
            count=len(blocking),
            first=blocking[0]["message"],
            errors=[FieldError("expectation_failed", each["message"]) for each in blocking],
        )
    return results
