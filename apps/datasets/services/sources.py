"""Where rows are fetched from: settings, schedules, and the fetch itself."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.audit import services as audit
from apps.core import request_context, scope, sealing
from apps.core.errors import AppError
from apps.core.ids import new_id
from apps.datasets import queries, sources
from apps.datasets.models import Dataset, Source, Upload
from apps.datasets.services import changes, files, rooms, uploads
from apps.jobs import Progress, schedules
from apps.jobs import services as jobs
from apps.jobs.models import Job

JOB = "datasets.fetch"
PURPOSE = "source"
MODES = ("append", "replace")


def create_source(
    *,
    name: str,
    kind: str,
    config: Mapping[str, Any],
    secret: Mapping[str, Any] | None = None,
    dataset: str | None = None,
    mode: str = "append",
    cron: str = "",
    timezone: str = "UTC",
) -> Source:
    """Note a source of ``dataset`` (a slug; None: the first fetch becomes an upload, and accepting that a data set).

    ``cron`` "" means by hand only. Raises what the kind's ``check_config`` and ``schedules.next_times`` raise.
    """
    into = queries.get_dataset(slug=dataset) if dataset else None
    source = Source(
        id=new_id(),
        dataset=into,
        name=name.strip(),
        kind=kind,
        config=sources.get(kind).check_config(config),
        mode=mode,
        cron=cron.strip(),
        timezone=timezone,
        created_by=request_context.current().actor.label,
    )
    source.secret = _sealed(secret) if secret else None
    with transaction.atomic():
        source.save(force_insert=True)
        _schedule(source)
        _record("source.created", source, {"secret": secret is not None})
    return source


def change_source(*, source_id: uuid.UUID, changes: Mapping[str, Any]) -> Source:
    """Change name, config, secret, mode, cron or timezone; what is not given stays."""
    with transaction.atomic():
        source = queries.get_source(source_id=source_id)
        for name in ("name", "mode", "cron", "timezone"):
            if name in changes:
                setattr(source, name, str(changes[name]).strip())
        if "config" in changes:
            source.config, source.marker = sources.get(source.kind).check_config(changes["config"]), {}
        if "secret" in changes:
            source.secret = _sealed(changes["secret"]) if changes["secret"] else None
        source.save()
        _schedule(source)
        _record("source.changed", source, {"changed": sorted(changes)})
    return source


def delete_source(*, source_id: uuid.UUID) -> None:
    """Fetch no more; what was fetched stays."""
    with transaction.atomic():
        source = queries.get_source(source_id=source_id)
        schedules.remove(kind=JOB, key=str(source.id))
        _record("source.deleted", source, {})
        source.delete()


def fetch_source(*, source_id: uuid.UUID) -> Job:
    """Fetch now, in a job."""
    with transaction.atomic():
        source = queries.get_source(source_id=source_id)
        job = jobs.enqueue(kind=JOB, payload=_payload(source), title=f"Fetch {source.name}")
        Source.objects.filter(id=source_id).update(job_id=job.id)
    return job


def perform_fetch(*, source_id: uuid.UUID, progress: Progress) -> dict[str, Any]:
    """Fetch, and add or replace what came; what a worker does. How it ended is noted with the source."""
    source = queries.get_source(source_id=source_id)
    try:
        outcome, message, result = _fetch(source, progress)
    except AppError as error:
        _note(source, "failed", error.detail, source.marker)
        raise
    _note(source, outcome, message, source.marker)
    return result


def secret_of(source: Source) -> dict[str, Any]:
    """What was kept for the source's other side, opened; for workers only."""
    if source.secret is None:
        return {}
    opened = sealing.open_sealed(bytes(source.secret), tenant=scope.current_tenant(), purpose=PURPOSE)
    found: dict[str, Any] = json.loads(opened)
    return found


def _fetch(source: Source, progress: Progress) -> tuple[str, str, dict[str, Any]]:
    progress("Asking the source", 5)
    if source.dataset is None:
        rooms.check_datasets()
    with files.temporary(".fetch") as path:
        fetched = sources.get(source.kind).fetch(
            source.config,
            secret_of(source),
            path,
            limit_bytes=settings.MAX_UPLOAD_BYTES,
            marker=source.marker,
        )
        if fetched is None:
            return "unchanged", "Nothing new since the last fetch.", {"outcome": "unchanged"}
        progress("Reading what came", 40)
        upload = _store(source, fetched.path, fetched.filename)
        source.marker = fetched.marker
    if source.dataset is None:
        return "received", f"{upload.filename} waits to be accepted.", {"upload": upload.public_id}
    return _into(source.dataset, source.mode, upload)


def _store(source: Source, path: Path, filename: str) -> Upload:
    return uploads.store_upload(
        filename=filename, path=path, size=path.stat().st_size, source=source, at_once=True
    )


def _into(dataset: Dataset, mode: str, upload: Upload) -> tuple[str, str, dict[str, Any]]:
    change = changes.replace if mode == "replace" else changes.add_file
    done = change(slug=dataset.slug, upload_id=upload.id)
    words = f"Version {done.version.number}: {done.added:,} rows added, {done.changed:,} changed."
    return "succeeded", words, {"dataset": dataset.slug, "version": done.version.number, **done.counts}


def _note(source: Source, outcome: str, message: str, marker: dict[str, Any]) -> None:
    Source.objects.filter(id=source.id).update(
        fetched_at=timezone.now(), outcome=outcome, message=message[:500], marker=marker
    )


def _schedule(source: Source) -> None:
    if not source.cron:
        schedules.remove(kind=JOB, key=str(source.id))
        return
    schedules.set_schedule(
        kind=JOB,
        key=str(source.id),
        payload=_payload(source),
        cron=source.cron,
        zone=source.timezone,
        name=f"Fetch {source.name}",
    )


def _payload(source: Source) -> dict[str, str]:
    return {"source_id": str(source.id)}


def _sealed(secret: Mapping[str, Any]) -> bytes:
    return sealing.seal(json.dumps(dict(secret)).encode(), tenant=scope.current_tenant(), purpose=PURPOSE)


def _record(action: str, source: Source, said: dict[str, Any]) -> None:
    audit.record(
        action=action,
        target_type="source",
        target_id=source.public_id,
        changes={"name": source.name, "kind": source.kind, "mode": source.mode, "cron": source.cron, **said},
    )
