"""What is done to versions afterwards: the doctor's look at the whole, compaction, and letting old ones go."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.audit import services as audit
from apps.core import scope, storage
from apps.datasets import lineage, queries
from apps.datasets.doctor.contracts import Finding
from apps.datasets.models import (
    Change,
    Dataset,
    DatasetVersion,
    FileKind,
    StoredFile,
    Upload,
    VersionPart,
)
from apps.datasets.services import files, uploads, versions
from apps.datasets.services.changes import ask, told
from apps.datasets.services.versions import Facts, Part, Reason
from apps.jobs import Progress
from tenants.backups import contents as backups

KEEP_FILES = timedelta(hours=6)  # of an upload under way, or of an export that is being fetched
KEEP_EXPORTS = timedelta(days=7)


def examine_version(*, version_id: uuid.UUID, progress: Progress) -> DatasetVersion:
    """Have the doctor see all of a version and note what it finds; what a worker does. A version that was followed by
    another is left alone."""
    version = queries.get_version_by_id(version_id=version_id)
    if version.dataset.versions.filter(number__gt=version.number).exists():
        return version
    progress("Checking every series", 10)
    with files.entries(version) as entries, files.temporary(".ndjson") as lines:
        said = ask(
            "examine",
            {
                **told(entries, version),
                "faults": version.columns.get("faults", []),
                "target_lines": str(lines),
            },
        )
        report = files.keep(FileKind.REPORT, lines, ".ndjson")
    findings = [versions.finding_json(Finding.from_json(each)) for each in said["findings"]]
    columns = {
        **version.columns,
        "missing_steps": said["missing_steps"],
        "proposed_gap_rule": said["gap_rule"],
    }
    with transaction.atomic():
        progress.hold()
        DatasetVersion.objects.filter(id=version_id).update(
            findings=findings,
            samples=said["samples"],
            columns=columns,
            report=report,
            checked_at=timezone.now(),
        )
    version.refresh_from_db()
    return version


def compact(*, version_id: uuid.UUID, progress: Progress) -> DatasetVersion:
    """Write a version of the same points in one part, so that reading stays quick; what a worker does.

    Parts that came meanwhile are laid over it again. The doctor looks at the result.
    """
    version = queries.get_version_by_id(version_id=version_id)
    merged = versions.parts_of(version)
    if len(merged) > 1:
        progress("Laying the parts together", 10)
        with files.entries(version) as entries, files.temporary(".parquet") as target:
            said = ask("points.compact", {**told(entries, version), "target": str(target)})
            file = files.keep(FileKind.POINTS, target, ".parquet")
        assert file is not None
        with transaction.atomic():
            progress.hold()
            version = _replace_prefix(version, merged, Part(file, tuple(said["columns"])))
    return examine_version(version_id=version.id, progress=progress)


def _replace_prefix(version: DatasetVersion, merged: list[Part], whole: Part) -> DatasetVersion:
    dataset, newest = versions.lock(version.dataset.slug)
    parts = versions.parts_of(newest)
    if parts[: len(merged)] != merged:  # the content was replaced in the meantime
        return newest
    return versions.add_version(
        dataset,
        [whole, *parts[len(merged) :]],
        Facts.of_version(newest),
        Reason(Change.COMPACTION, note="The same points, stored in one part"),
        parent=newest,
        recipe=newest.recipe,
        statics=newest.statics,
    )


def tidy() -> dict[str, int]:
    """Let go of versions, uploads and files that are kept no longer: how many of each. Daily, and after each change."""
    versions_gone = sum(prune(dataset=dataset) for dataset in queries.list_datasets())
    return {
        "versions": versions_gone,
        "uploads": uploads.discard_stale_uploads(),
        "files": discard_unused_files(),
        "incoming": storage.discard_incoming(scope.current_tenant(), int(KEEP_FILES.total_seconds())),
    }


def prune(*, dataset: Dataset) -> int:
    """Let go of versions beyond what the data set keeps; returns how many. The newest, and those that a model or a run
    rests on, stay."""
    doomed = [version for version in _expired(dataset) if not any(lineage.uses_of(version))]
    with transaction.atomic():
        if not doomed or not backups.files_may_be_deleted():
            return 0
        DatasetVersion.objects.filter(id__in=[version.id for version in doomed]).delete()
        audit.record(
            action="dataset.versions_pruned",
            target_type="dataset",
            target_id=dataset.public_id,
            changes={"numbers": [version.number for version in doomed]},
        )
    return len(doomed)


def discard_unused_files() -> int:
    """Delete stored files that nothing names any more, and exports after a week; returns how many."""
    now = timezone.now()
    with transaction.atomic():
        if not backups.files_may_be_deleted():
            return 0
        old = Q(created_at__lt=now - KEEP_FILES) & ~Q(kind=FileKind.EXPORT)
        candidates = StoredFile.objects.filter(old | Q(created_at__lt=now - KEEP_EXPORTS))
        for model, column in _NAMED_BY:
            candidates = candidates.exclude(id__in=model.objects.exclude(**{column: None}).values(column))
        unused = list(candidates[:500])
        StoredFile.objects.filter(id__in=[file.id for file in unused]).delete()
    files.forget([file.path for file in unused])
    return len(unused)


_NAMED_BY: tuple[tuple[Any, str], ...] = (
    (VersionPart, "file"),
    (DatasetVersion, "statics"),
    (DatasetVersion, "report"),
    (Upload, "points"),
    (Upload, "statics"),
    (Upload, "report"),
)


def _expired(dataset: Dataset) -> list[DatasetVersion]:
    """Versions that are neither among the newest ``keep_versions`` nor younger than ``keep_days``."""
    if dataset.keep_versions is None and dataset.keep_days is None:
        return []
    older = list(dataset.versions.order_by("-number").defer("samples", "findings"))[1:]
    if dataset.keep_versions is not None:
        older = older[max(dataset.keep_versions - 1, 0) :]
    if dataset.keep_days is not None:
        limit = timezone.now() - timedelta(days=dataset.keep_days)
        older = [version for version in older if version.created_at < limit]
    return older
