"""A tenant's stored files: read and written with their hash checked, named by their content, wherever they are kept."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

from apps.core.storage import StorageUnavailable
from apps.core.storage import backups as storage
from apps.core.tenancy import TenantKey
from tenants.backups.archive import CHUNK_BYTES, Part, Reader
from tenants.backups.errors import BackupError, Damaged

FOLDER: Final = "files/"
_BY_CONTENT: Final = re.compile(r"[^/]+/[0-9a-f]{64}(\.[a-z0-9]+)?")


@contextlib.contextmanager
def problems() -> Iterator[None]:
    """A storage that does not answer is a ``BackupError`` to whoever backs up or restores."""
    try:
        yield
    except StorageUnavailable as error:
        raise BackupError(str(error)) from error


def chunks(key: TenantKey, relative: str, sha256: str) -> Iterator[bytes]:
    """A stored file, piece by piece; raises ``Damaged`` when it is gone or is not what its row says."""
    digest = hashlib.sha256()
    try:
        with storage.open_stored(key.schema, relative) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
                yield chunk
    except (FileNotFoundError, PermissionError) as error:
        raise Damaged(f"The stored file {key.schema}/{relative} cannot be read: {error.strerror}.") from error
    if digest.hexdigest() != sha256:
        raise Damaged(
            f"The stored file {key.schema}/{relative} is damaged: it does not have the hash of its row."
        )


def bytes_of(key: TenantKey, paths: Iterable[str]) -> int:
    """How long those of the files are together that are there."""
    wanted = set(paths)
    return sum(each.bytes for each in storage.list_stored(key.schema) if each.path in wanted)


def missing(key: TenantKey, parts: Iterable[Part]) -> list[Part]:
    """Those of the archive's files that the tenant's folder does not hold whole."""
    there = {each.path: each.bytes for each in storage.list_stored(key.schema)}
    return [part for part in parts if not _is_whole(key, part, there)]


def place(key: TenantKey, part: Part, reader: Reader) -> None:
    """Write one file of the archive into the tenant's folder, whole or not at all."""
    relative = _relative(part)
    try:
        storage.put(key.schema, relative, reader.chunks(part))
    except OSError as error:
        where = storage.describe(key.schema, relative)
        raise BackupError(f"{where} cannot be written: {error.strerror or error}.") from error


def remove_unreferenced(key: TenantKey, referenced: Iterable[str], before: float) -> int:
    """Delete the files named by their content that no row names; returns how many.

    One written since ``before`` (by the storage's own clock) stays: a request that had begun may be about to name it.
    """
    kept = set(referenced)
    gone = [
        each.path
        for each in storage.list_stored(key.schema)
        if _BY_CONTENT.fullmatch(each.path) and each.path not in kept and each.modified_at < before
    ]
    for path in gone:
        storage.remove(key.schema, path)
    return len(gone)


def _relative(part: Part) -> str:
    relative = part.name.removeprefix(FOLDER)
    if relative == part.name or not PurePosixPath(relative).name.startswith(part.sha256):
        raise Damaged(f"The backup names a file that is not named by its content: {part.name}.")
    return relative


def _is_whole(key: TenantKey, part: Part, there: dict[str, int]) -> bool:
    relative = _relative(part)
    if there.get(relative) != part.bytes:
        return False
    try:
        for _chunk in chunks(key, relative, part.sha256):
            """Its hash is compared as it is read."""
    except Damaged:
        return False
    return True
