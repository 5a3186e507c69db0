"""Giving data out again, in each format."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.audit import services as audit
from apps.datasets import queries, writing
from apps.datasets.errors import WorkRefused
from apps.datasets.models import DatasetVersion, FileKind, StoredFile
from apps.datasets.services import files
from apps.datasets.services.changes import ask, told
from apps.jobs import Progress
from apps.jobs import services as jobs
from apps.jobs.models import Job

AT_ONCE_ROWS = 500_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be given out: ``format`` of ``writing.FORMATS``; as it was known ``as_of`` a time (ISO text); some
    series; and, where ``clean``, as the recipe makes it."""

    format: str
    as_of: str | None = None
    series: tuple[str, ...] | None = None
    clean: bool = False


def export(*, version: DatasetVersion, wish: Wish) -> StoredFile | Job:
    """The version's data as a file; of a large one, the job that makes it."""
    _record(version, wish)
    if version.rows <= AT_ONCE_ROWS:
        return _write(version, wish)
    payload = {"version_id": str(version.id), "wish": asdict(wish)}
    with transaction.atomic():
        return jobs.enqueue(
            kind="datasets.export",
            payload=payload,
            queue="interactive",
            title=f"Export {version.dataset.name} as {wish.format}",
        )


def perform_export(*, version_id: uuid.UUID, wish: dict[str, Any], progress: Progress) -> StoredFile:
    """What a worker does of ``export``."""
    version = queries.get_version_by_id(version_id=version_id)
    progress("Writing the file", 10)
    series = wish["series"]
    asked = Wish(wish["format"], wish["as_of"], None if series is None else tuple(series), wish["clean"])
    return _write(version, asked)


def export_filename(version: DatasetVersion, wish: Wish) -> str:
    """What the file is called for the one who downloads it."""
    moment = f"-as-of-{datetime.fromisoformat(wish.as_of):%Y%m%dT%H%M}" if wish.as_of else ""
    clean = "-clean" if wish.clean else ""
    return f"{version.dataset.slug}-v{version.number}{moment}{clean}{writing.FORMATS[wish.format].suffix}"


def _write(version: DatasetVersion, wish: Wish) -> StoredFile:
    suffix = writing.FORMATS[wish.format].suffix
    steps: Sequence[Any] = version.recipe.steps if wish.clean and version.recipe else ()
    with files.entries(version) as entries, files.temporary(suffix) as target:
        said = ask(
            "points.export",
            {
                **told(entries, version),
                "as_of": wish.as_of,
                "series": None if wish.series is None else list(wish.series),
                "steps": list(steps),
                "format": wish.format,
                "target": str(target),
            },
        )
        if said.get("refused"):
            raise WorkRefused(reason=said["refused"])
        file = files.keep(FileKind.EXPORT, target, suffix)
    assert file is not None
    return file


def _record(version: DatasetVersion, wish: Wish) -> None:
    audit.record(
        action="dataset.exported",
        target_type="dataset_version",
        target_id=version.public_id,
        changes={"dataset": version.dataset.slug, "format": wish.format},
    )
