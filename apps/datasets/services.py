"""Taking files in, accepting them as data sets, loading demos."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from apps.audit import services as audit
from apps.core import request_context, scope, storage
from apps.core.ids import new_id
from apps.datasets import queries
from apps.datasets.demo import catalogue
from apps.datasets.doctor.contracts import Finding
from apps.datasets.errors import FileTooLarge, NameTaken, TooManyDatasets, TooManyRows, UploadUsed, refusal_of
from apps.datasets.models import Dataset, DatasetVersion, Origin, Upload, UploadState
from apps.datasets.reading import asking
from apps.datasets.reading.contracts import ColumnMapping, Reading
from tenants import queries as tenants
from tenants.backups import contents as backups

CHUNK_BYTES = 1 << 20
RESERVED_SLUGS = ("new", "demo", "uploads")
KEEP_UPLOADS = timedelta(days=1)
GAP_RULES = ("season", "previous", "zero")


def receive_upload(*, filename: str, stream: BinaryIO) -> Upload:
    """Store a file and read it with a guessed mapping; nothing becomes a data set yet.

    Raises ``FileRefused`` when the file is not a table at all (nothing is kept then), ``FileTooLarge`` and
    ``TooManyDatasets``. A table that needs another mapping or a choice is kept, and its ``reading`` says so.
    """
    _check_room(rows=0)
    discard_stale_uploads()
    key = scope.current_tenant()
    with _temporary(".csv") as path:
        size = _write(stream, path)
        reading = asking.read_file(source=path)
        if reading.state == "refused" and not reading.columns:
            raise refusal_of(reading)
        sha256, stored = storage.write_content(key, "uploads", path, ".csv")
    with transaction.atomic():
        upload = Upload.objects.create(
            filename=Path(filename).name[:200] or "upload.csv",
            path=stored,
            sha256=sha256,
            size=size,
            reading=reading.to_json(),
            created_by=request_context.current().actor.label,
        )
        audit.record(
            action="upload.received",
            target_type="upload",
            target_id=upload.public_id,
            changes={"filename": upload.filename, "size": size, "sha256": sha256},
        )
    return upload


def preview(*, upload: Upload, mapping: ColumnMapping) -> Reading:
    """Read the upload again under another mapping; changes nothing."""
    return asking.read_file(source=storage.tenant_path(scope.current_tenant(), upload.path), mapping=mapping)


def accept_upload(
    *, upload_id: uuid.UUID, name: str, mapping: ColumnMapping, gap_rule: str | None = None
) -> Dataset:
    """Make the upload the first version of a new data set called ``name``.

    ``gap_rule`` (``season``, ``previous`` or ``zero``; None takes the proposed one) is how training fills
    missing steps; the stored points keep their gaps. Raises ``FileRefused``, ``ChoiceNeeded``, ``NameTaken``,
    ``UploadUsed``, ``TooManyDatasets`` and ``TooManyRows``.
    """
    upload = queries.get_upload(upload_id=upload_id)
    _check_unused(upload)
    source = storage.tenant_path(scope.current_tenant(), upload.path)
    with _temporary(".parquet") as target:
        reading = asking.read_file(source=source, mapping=mapping, target=target)
        if reading.table is None:
            raise refusal_of(reading)
        _check_room(rows=reading.table.rows)
        sha256, path = storage.write_content(scope.current_tenant(), "datasets", target, ".parquet")
    with transaction.atomic():
        _check_unused(Upload.objects.select_for_update().get(id=upload_id))
        dataset = _create_dataset(name=name, slug=_free_slug(name), origin=Origin.UPLOAD)
        _add_version(dataset, reading, sha256, path, gap_rule)
        Upload.objects.filter(id=upload_id).update(state=UploadState.ACCEPTED, dataset=dataset)
    return dataset


def load_demo(*, name: str) -> Dataset:
    """The demo data set ``employment`` or ``corner-shop``, made if the tenant does not have it yet.

    Raises ``NotFound`` for another name and ``TooManyDatasets``.
    """
    demo = catalogue.get(name)
    existing = queries.find_dataset(slug=demo.slug)
    if existing is not None and existing.origin == Origin.DEMO:
        return existing
    _check_room(rows=0)
    with _temporary(".parquet") as target:
        reading = asking.build_demo(name=name, target=target)
        if reading.table is None:
            raise refusal_of(reading)
        sha256, path = storage.write_content(scope.current_tenant(), "datasets", target, ".parquet")
    with transaction.atomic():
        dataset = _create_dataset(
            name=demo.title,
            slug=demo.slug if existing is None else _free_slug(demo.slug),
            origin=Origin.DEMO,
            description=demo.description,
            generated=demo.generated,
        )
        _add_version(dataset, reading, sha256, path, None)
    return dataset


def discard_stale_uploads() -> int:
    """Forget uploads that nobody accepted within a day, and their files; returns how many. Waits while a backup runs."""
    with transaction.atomic():
        if not backups.files_may_be_deleted():
            return 0
        received = Upload.objects.filter(state=UploadState.RECEIVED)
        stale = list(received.filter(created_at__lt=timezone.now() - KEEP_UPLOADS)[:100])
        Upload.objects.filter(id__in=[upload.id for upload in stale]).delete()
        if stale:
            uploads = [upload.public_id for upload in stale]
            audit.record(action="upload.discarded", target_type="upload", changes={"uploads": uploads})
    for path in {upload.path for upload in stale}:
        if not Upload.objects.filter(path=path).exists():
            storage.tenant_path(scope.current_tenant(), path).unlink(missing_ok=True)
    return len(stale)


def _check_unused(upload: Upload) -> None:
    if upload.state == UploadState.ACCEPTED:
        raise UploadUsed(dataset=upload.dataset.name if upload.dataset else "")


def _check_room(*, rows: int) -> None:
    limits = tenants.get_limits(tenant_id=scope.current_tenant().id)
    if queries.count_datasets() >= limits.datasets:
        raise TooManyDatasets(limit=limits.datasets)
    used = queries.count_rows() if rows else 0
    if used + rows > limits.rows:
        raise TooManyRows(limit=limits.rows, used=used, rows=rows)


@contextlib.contextmanager
def _temporary(suffix: str) -> Iterator[Path]:
    """A path of its own in the tenant's folder; what stands there afterwards is removed."""
    path = storage.tenant_path(scope.current_tenant(), "incoming", f"{new_id()}{suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _write(stream: BinaryIO, path: Path) -> int:
    limit, size = settings.MAX_UPLOAD_BYTES, 0
    with path.open("wb") as out:
        while chunk := stream.read(CHUNK_BYTES):
            size += len(chunk)
            if size > limit:
                raise FileTooLarge(limit_bytes=limit)
            out.write(chunk)
    return size


def _free_slug(name: str) -> str:
    base = slugify(name)[:70].strip("-") or "dataset"
    taken = {*RESERVED_SLUGS, *Dataset.objects.filter(slug__startswith=base).values_list("slug", flat=True)}
    candidates = (base if number == 1 else f"{base}-{number}" for number in range(1, len(taken) + 2))
    return next(slug for slug in candidates if slug not in taken)


def _create_dataset(
    *, name: str, slug: str, origin: Origin, description: str = "", generated: bool = False
) -> Dataset:
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
    return dataset


def _add_version(
    dataset: Dataset, reading: Reading, sha256: str, path: str, gap_rule: str | None
) -> DatasetVersion:
    table = reading.table
    assert table is not None
    version = DatasetVersion.objects.create(
        dataset=dataset,
        number=1,
        sha256=sha256,
        path=path,
        rows=table.rows,
        series_count=table.series_count,
        first_ds=table.first_ds,
        last_ds=table.last_ds,
        frequency=table.frequency or "",
        season_length=table.season_length,
        columns=_columns(reading, gap_rule or table.gap_rule),
        findings=[finding_json(item) for item in reading.findings],
        samples=[asdict(item) for item in reading.samples],
    )
    audit.record(
        action="dataset.version_created",
        target_type="dataset_version",
        target_id=version.public_id,
        changes={"dataset": dataset.slug, "number": version.number, "sha256": sha256, "rows": table.rows},
    )
    return version


def _columns(reading: Reading, gap_rule: str) -> dict[str, object]:
    assert reading.table is not None
    if gap_rule not in GAP_RULES:
        raise ValueError(f"unknown gap rule {gap_rule!r}")
    return {
        "mapping": reading.mapping.to_json() if reading.mapping else None,
        "covariates": list(reading.table.covariates),
        "gap_rule": gap_rule,
        "missing_steps": reading.table.missing_steps,
        "said": list(reading.said),
    }


def finding_json(finding: Finding) -> dict[str, object]:
    """A finding as it is stored and shown; ``row`` and ``series_id`` are the first ones concerned."""
    row = finding.rows[0] if finding.rows else None
    series = finding.series[0] if finding.series else None
    return {**asdict(finding), "row": row, "series_id": series}
