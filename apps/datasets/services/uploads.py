"""Taking files in, reading them, accepting them as data sets, loading demos."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.audit import services as audit
from apps.core import request_context, scope, storage
from apps.datasets import queries
from apps.datasets.demo import catalogue
from apps.datasets.doctor.contracts import Step
from apps.datasets.errors import (
    FileTooLarge,
    PresignedUnavailable,
    UploadIncomplete,
    UploadUsed,
    refusal_of,
)
from apps.datasets.models import Change, Dataset, FileKind, Origin, StoredFile, Upload, UploadState
from apps.datasets.reading import asking
from apps.datasets.reading.contracts import ColumnMapping, Reading
from apps.datasets.services import files, rooms, versions
from apps.datasets.services.versions import Facts, Part, Reason
from apps.jobs import Progress
from apps.jobs import services as jobs
from apps.jobs.models import Job
from tenants.backups import contents as backups

KEEP_UPLOADS = timedelta(days=1)
PRESIGNED_SECONDS = 3600
INCOMING = "uploads"


def receive_upload(*, filename: str, stream: BinaryIO, into: str = "") -> Upload:
    """Store a file and read it with a guessed mapping; nothing becomes a data set yet. ``into`` is the slug of the data set
    that it is for, "" for a new one.

    A file above ``settings.READ_AT_ONCE_BYTES`` is read by a worker: the upload's state is ``reading`` until then. Raises
    ``FileRefused`` when the file is not a table at all (nothing is kept then), ``FileTooLarge`` and ``TooManyDatasets``.
    A table that needs another mapping or a choice is kept, and its ``reading`` says so.
    """
    if not into:
        rooms.check_datasets()
    discard_stale_uploads()
    with files.temporary(".upload") as path:
        size = files.receive(stream, path)
        return store_upload(filename=filename, path=path, size=size)


def store_upload(*, filename: str, path: Path, size: int, at_once: bool = False, **columns: Any) -> Upload:
    """Keep the finished file at ``path`` as an upload, and read it (``at_once``: however large it is, on a worker) or have
    it read: see ``receive_upload``."""
    name = _plain_name(filename)
    if size > settings.READ_AT_ONCE_BYTES and not at_once:
        sha256, stored = storage.write_content(scope.current_tenant(), INCOMING, path, ".upload")
        return _queue_reading(_create(name, stored, sha256, size, UploadState.READING, **columns))
    with _read(path, name) as read:
        if read.reading.state == "refused" and not read.reading.columns:
            raise refusal_of(read.reading)
        made = read.keep()
        sha256, stored = storage.write_content(scope.current_tenant(), INCOMING, path, ".upload")
    return _create(name, stored, sha256, size, UploadState.RECEIVED, **made, **columns)


def announce_upload(*, filename: str, size: int) -> tuple[Upload, dict[str, Any]]:
    """Reserve an upload whose bytes go straight to the object store: the upload, and the form (``url``, ``fields``) to post.

    Raises ``PresignedUnavailable`` where files are kept in a folder, ``FileTooLarge`` and ``TooManyDatasets``.
    """
    rooms.check_datasets()
    if size > settings.MAX_UPLOAD_BYTES:
        raise FileTooLarge(limit_bytes=settings.MAX_UPLOAD_BYTES)
    form = storage.presigned_upload(
        scope.current_tenant(),
        "incoming",
        _plain_name(filename),
        settings.MAX_UPLOAD_BYTES,
        PRESIGNED_SECONDS,
    )
    if form is None:
        raise PresignedUnavailable
    return _create(_plain_name(filename), form.pop("path"), "", size, UploadState.ANNOUNCED), form


def complete_upload(*, upload_id: uuid.UUID) -> Upload:
    """Take over what came to the object store, and have it read. Raises ``UploadIncomplete`` where nothing came yet."""
    upload = queries.get_upload(upload_id=upload_id)
    if upload.state != UploadState.ANNOUNCED:
        return upload
    key = scope.current_tenant()
    if not storage.exists(key, upload.path):
        raise UploadIncomplete(filename=upload.filename)
    upload.size = storage.size(key, upload.path)
    if upload.size > settings.MAX_UPLOAD_BYTES:  # not every store keeps to what the form allowed
        storage.delete(key, upload.path)
        raise FileTooLarge(limit_bytes=settings.MAX_UPLOAD_BYTES)
    upload.sha256, upload.path = storage.adopt_incoming(key, upload.path, INCOMING, ".upload")
    upload.state = UploadState.READING
    upload.save()
    return _queue_reading(upload)


def perform_reading(*, upload_id: uuid.UUID, progress: Progress) -> Upload:
    """Read an upload with a guessed mapping; what a worker does. A refusal stands in its ``reading``."""
    upload = queries.get_upload(upload_id=upload_id)
    progress("Reading the file", 5)
    with _stored(upload) as source, _read(source, upload.filename) as read:
        made = read.keep()
    with transaction.atomic():
        progress.hold()
        Upload.objects.filter(id=upload_id).update(state=UploadState.RECEIVED, **made)
    upload.refresh_from_db()
    return upload


def is_large(upload: Upload) -> bool:
    """Whether reading it takes longer than a request should."""
    return upload.size > settings.READ_AT_ONCE_BYTES


def preview(*, upload: Upload, mapping: ColumnMapping) -> Reading:
    """Read the upload again under another mapping; changes nothing."""
    with _stored(upload) as source:
        return asking.read_file(source=source, filename=upload.filename, mapping=mapping)


def accept_upload(
    *,
    upload_id: uuid.UUID,
    name: str,
    mapping: ColumnMapping,
    gap_rule: str | None = None,
    frequency: str = "",
    steps: Sequence[Step] = (),
) -> Dataset:
    """Make the upload the first version of a new data set called ``name``.

    ``gap_rule`` (None takes the proposed one) is how training fills missing steps, and ``steps`` what else is done about
    findings: together the first recipe; the stored points stay as they came. ``frequency`` overrides the inferred one.
    Raises ``FileRefused``, ``ChoiceNeeded``, ``NameTaken``, ``UploadUsed``, ``TooManyDatasets`` and ``TooManyRows``.
    """
    upload = queries.get_upload(upload_id=upload_id)
    check_unused(upload)
    rooms.check_datasets()
    content = read_as(upload, mapping)
    assert content.reading.table is not None
    rooms.check_rows(content.reading.table.rows)
    with transaction.atomic():
        check_unused(Upload.objects.select_for_update().get(id=upload_id))
        origin = Origin.SOURCE if upload.source_id else Origin.UPLOAD
        dataset = versions.create_dataset(name=name, slug=versions.free_slug(name), origin=origin)
        first_version(
            dataset,
            content,
            Reason(Change.UPLOAD, upload),
            gap_rule=gap_rule,
            frequency=frequency,
            steps=steps,
        )
        Upload.objects.filter(id=upload_id).update(state=UploadState.ACCEPTED, dataset=dataset)
        if upload.source is not None:
            upload.source.dataset = dataset
            upload.source.save(update_fields=["dataset"])
    return dataset


def create_from_file(
    *, upload: Upload, name: str, mapping: ColumnMapping, gap_rule: str | None, frequency: str = ""
) -> Job:
    """Have a worker accept an upload that is too large to be read while a request waits."""
    payload = {
        "upload_id": str(upload.id),
        "name": name,
        "mapping": mapping.to_json(),
        "gap_rule": gap_rule,
        "frequency": frequency,
    }
    with transaction.atomic():
        job = jobs.enqueue(
            kind="datasets.accept", payload=payload, queue="interactive", title=f"Read {upload.filename}"
        )
        Upload.objects.filter(id=upload.id).update(job_id=job.id)
    return job


def perform_acceptance(*, payload: dict[str, Any], progress: Progress) -> Dataset:
    """What a worker does of ``create_from_file``; done before, it gives the data set that was made."""
    upload = queries.get_upload(upload_id=uuid.UUID(payload["upload_id"]))
    if upload.dataset is not None:
        return upload.dataset
    progress("Reading the file", 5)
    asked = ColumnMapping.from_json(payload["mapping"])
    if not asked.time and upload.reading:  # it was not read yet when it was asked for
        guessed = Reading.from_json(upload.reading).mapping
        asked = replace(guessed, choices={**guessed.choices, **asked.choices}) if guessed else asked
    return accept_upload(
        upload_id=upload.id,
        name=payload["name"],
        mapping=asked,
        gap_rule=payload["gap_rule"],
        frequency=payload["frequency"],
    )


def load_demo(*, name: str) -> Dataset:
    """The demo data set ``employment`` or ``corner-shop``, made if the tenant does not have it yet.

    Raises ``NotFound`` for another name and ``TooManyDatasets``.
    """
    demo = catalogue.get(name)
    existing = queries.find_dataset(slug=demo.slug)
    if existing is not None and existing.origin == Origin.DEMO:
        return existing
    rooms.check_datasets()
    with files.temporary(".parquet") as target:
        reading = asking.build_demo(name=name, target=target)
        if reading.table is None:
            raise refusal_of(reading)
        points = files.keep(FileKind.POINTS, target, ".parquet")
    assert points is not None
    with transaction.atomic():
        dataset = versions.create_dataset(
            name=demo.title,
            slug=demo.slug if existing is None else versions.free_slug(demo.slug),
            origin=Origin.DEMO,
            description=demo.description,
            generated=demo.generated,
        )
        first_version(dataset, Content(reading, points), Reason(Change.UPLOAD))
    return dataset


def discard_stale_uploads() -> int:
    """Forget uploads that nobody accepted within a day, and their files; returns how many. Waits while a backup runs."""
    with transaction.atomic():
        if not backups.files_may_be_deleted():
            return 0
        waiting = Upload.objects.exclude(state=UploadState.ACCEPTED)
        stale = list(waiting.filter(created_at__lt=timezone.now() - KEEP_UPLOADS)[:100])
        Upload.objects.filter(id__in=[upload.id for upload in stale]).delete()
        if stale:
            uploads = [upload.public_id for upload in stale]
            audit.record(action="upload.discarded", target_type="upload", changes={"uploads": uploads})
    for path in {upload.path for upload in stale}:
        if not Upload.objects.filter(path=path).exists():
            storage.delete(scope.current_tenant(), path)
    return len(stale)


@dataclass(frozen=True, slots=True)
class Content:
    """What a reading made of a file: the reading, its points, its static attributes and its report."""

    reading: Reading
    points: StoredFile
    statics: StoredFile | None = None
    report: StoredFile | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The value columns that the points give."""
        assert self.reading.table is not None
        return ("y", *self.reading.table.covariates, *self.reading.table.past)


def read_as(upload: Upload, mapping: ColumnMapping) -> Content:
    """The upload's content under ``mapping``: from its first reading where that had the same, else read again.

    Raises ``FileRefused`` and ``ChoiceNeeded``.
    """
    known = Reading.from_json(upload.reading) if upload.reading else None
    if known and known.mapping == mapping and known.table and upload.points:
        return Content(known, upload.points, upload.statics, upload.report)
    with _stored(upload) as source, _read(source, upload.filename, mapping) as read:
        if read.reading.table is None:
            raise refusal_of(read.reading)
        kept = read.keep()
    return Content(read.reading, kept["points"], kept["statics"], kept["report"])


def first_version(
    dataset: Dataset,
    content: Content,
    reason: Reason,
    *,
    gap_rule: str | None = None,
    frequency: str = "",
    steps: Sequence[Step] = (),
) -> None:
    """Write version 1 of a new data set, with its first recipe, inside the caller's transaction."""
    table = content.reading.table
    assert table is not None
    chosen = list(steps)
    if table.missing_steps and not any(step.code == "gaps" for step in chosen):
        chosen.append(Step("gaps", gap_rule or table.gap_rule))
    recipe = versions.add_recipe(dataset, chosen) if chosen else None
    versions.add_version(
        dataset,
        [Part(content.points, content.columns)],
        Facts.of_reading(content.reading, content.report, frequency),
        reason,
        recipe=recipe,
        statics=content.statics,
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """One reading of a file, and the temporary files that it wrote."""

    reading: Reading
    paths: dict[FileKind, Path]

    def keep(self) -> dict[str, Any]:
        """Move the files into the store: the columns of an upload that say what was read."""
        kept = {kind.value: files.keep(kind, path, path.suffix) for kind, path in self.paths.items()}
        return {"reading": self.reading.to_json(), **kept}


@contextlib.contextmanager
def _read(source: Path, filename: str, mapping: ColumnMapping | None = None) -> Iterator[_Read]:
    with (
        files.temporary(".parquet") as points,
        files.temporary(".parquet") as statics,
        files.temporary(".ndjson") as report,
    ):
        reading = asking.read_file(
            source=source,
            filename=filename,
            mapping=mapping,
            target=points,
            target_static=statics,
            target_lines=report,
        )
        paths = {FileKind.POINTS: points, FileKind.STATICS: statics, FileKind.REPORT: report}
        yield _Read(reading, paths)


def _stored(upload: Upload) -> Any:
    return storage.local_copy(scope.current_tenant(), upload.path, upload.sha256)


def _create(filename: str, path: str, sha256: str, size: int, state: UploadState, **columns: Any) -> Upload:
    with transaction.atomic():
        upload = Upload.objects.create(
            filename=filename,
            path=path,
            sha256=sha256,
            size=size,
            state=state,
            created_by=request_context.current().actor.label,
            **columns,
        )
        audit.record(
            action="upload.received",
            target_type="upload",
            target_id=upload.public_id,
            changes={"filename": filename, "size": size, "sha256": sha256},
        )
    return upload


def _queue_reading(upload: Upload) -> Upload:
    with transaction.atomic():
        job = jobs.enqueue(
            kind="datasets.read",
            payload={"upload_id": str(upload.id)},
            queue="interactive",
            title=f"Read {upload.filename}",
        )
        Upload.objects.filter(id=upload.id).update(job_id=job.id)
    upload.job_id = job.id
    return upload


def check_unused(upload: Upload) -> None:
    """Raise ``UploadUsed`` where the upload is a data set already."""
    if upload.state == UploadState.ACCEPTED:
        raise UploadUsed(dataset=upload.dataset.name if upload.dataset else "")


def _plain_name(filename: str) -> str:
    name = Path(filename.replace("\\", "/").replace("\0", "")).name
    return name[-200:] or "upload"
