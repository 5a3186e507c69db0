"""The tenant's stored files: kept by their content, named by rows, lent out as paths."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.core import scope, storage
from apps.core.ids import new_id
from apps.datasets.errors import FileTooLarge
from apps.datasets.models import DatasetVersion, FileKind, StoredFile, VersionPart
from apps.datasets.points.manifest import Entry
from tenants.backups import contents as backups

CHUNK_BYTES = 1 << 20
FOLDERS = {
    FileKind.POINTS: "datasets",
    FileKind.STATICS: "statics",
    FileKind.REPORT: "reports",
    FileKind.EXPORT: "exports",
}


@contextlib.contextmanager
def temporary(suffix: str) -> Iterator[Path]:
    """A path of its own in the tenant's folder on this machine; what stands there afterwards is removed."""
    path = storage.tenant_path(scope.current_tenant(), "incoming", f"{new_id()}{suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def receive(stream: BinaryIO, path: Path) -> int:
    """Write what comes to ``path``; returns how many bytes. Raises ``FileTooLarge``."""
    limit, size = settings.MAX_UPLOAD_BYTES, 0
    with path.open("wb") as out:
        while chunk := stream.read(CHUNK_BYTES):
            size += len(chunk)
            if size > limit:
                raise FileTooLarge(limit_bytes=limit)
            out.write(chunk)
    return size


def keep(kind: FileKind, path: Path, suffix: str) -> StoredFile | None:
    """Move a finished file into the store and note it; None where nothing was written to ``path``."""
    if not path.exists():
        return None
    size = path.stat().st_size
    with transaction.atomic():
        backups.hold_files()
        sha256, stored = storage.write_content(scope.current_tenant(), FOLDERS[kind], path, suffix)
        file, new = StoredFile.objects.get_or_create(
            path=stored, defaults={"kind": kind, "sha256": sha256, "size": size}
        )
        if not new:
            file.created_at = timezone.now()  # as young as its youngest use
            file.save(update_fields=["created_at"])
    return file


def forget(paths: Collection[str]) -> None:
    """Delete stored files whose rows are gone, unless they have come back meanwhile."""
    with transaction.atomic():
        if backups.files_may_be_deleted():
            kept = set(StoredFile.objects.filter(path__in=paths).values_list("path", flat=True))
            for path in set(paths) - kept:
                storage.delete(scope.current_tenant(), path)


@contextlib.contextmanager
def lent(file: StoredFile) -> Iterator[Path]:
    """The file's content, checked, as a path on this machine."""
    with storage.local_copy(scope.current_tenant(), file.path, file.sha256) as path:
        yield path


@contextlib.contextmanager
def entries(version: DatasetVersion) -> Iterator[list[Entry]]:
    """The version's manifest with its parts as paths on this machine."""
    parts = VersionPart.objects.filter(version=version).select_related("file").order_by("position")
    with opened(list(parts)) as found:
        yield found


@contextlib.contextmanager
def opened(parts: Sequence[VersionPart]) -> Iterator[list[Entry]]:
    """Parts (with their files) as a manifest."""
    with contextlib.ExitStack() as stack:
        yield [
            Entry(
                path=str(stack.enter_context(lent(part.file))),
                columns=tuple(part.columns),
                not_before=part.not_before,
                reset=part.reset,
            )
            for part in parts
        ]
