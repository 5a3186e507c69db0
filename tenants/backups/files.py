"""A tenant's stored files: read and written with their hash checked, named by their content."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from django.conf import settings

from apps.core import storage
from apps.core.tenancy import TenantKey
from tenants.backups.archive import CHUNK_BYTES, Part, Reader
from tenants.backups.errors import BackupError, Damaged

FOLDER: Final = "files/"
_BY_CONTENT: Final = re.compile(r"([0-9a-f]{64})(\.[a-z0-9]+)?")


def chunks(key: TenantKey, relative: str, sha256: str) -> Iterator[bytes]:
    """A stored file, piece by piece; raises ``Damaged`` when it is gone or is not what its row says."""
    digest = hashlib.sha256()
    try:
        with storage.tenant_path(key, relative).open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
                yield chunk
    except (FileNotFoundError, PermissionError) as error:
        raise Damaged(f"The stored file {key.schema}/{relative} cannot be read: {error.strerror}.") from error
    if digest.hexdigest() != sha256:
        raise Damaged(
            f"The stored file {key.schema}/{relative} is damaged: it does not have the hash of its row."
        )


def missing(key: TenantKey, parts: Iterable[Part]) -> list[Part]:
    """Those of the archive's files that the tenant's folder does not hold whole."""
    return [part for part in parts if not _is_whole(_path(key, part), part)]


def place(key: TenantKey, part: Part, reader: Reader) -> None:
    """Write one file of the archive into the tenant's folder, whole or not at all."""
    target = _path(key, part)
    _make_folder(target.parent)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as out:
            for chunk in reader.chunks(part):
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        _own_like_storage(temporary)
        temporary.replace(target)
    except OSError as error:
        raise BackupError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def remove_unreferenced(key: TenantKey, referenced: Iterable[str], before: float) -> int:
    """Delete the files named by their content that no row names; returns how many.

    One written since ``before`` (seconds since the epoch) stays: a request that had begun may be about to name it.
    """
    root, kept = storage.tenant_path(key), set(referenced)
    gone = [path for path in _by_content(root) if str(path.relative_to(root)) not in kept]
    gone = [path for path in gone if path.stat().st_mtime < before]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)


def _by_content(root: Path) -> Iterator[Path]:
    return (path for path in root.glob("*/*") if _BY_CONTENT.fullmatch(path.name) and path.is_file())


def _path(key: TenantKey, part: Part) -> Path:
    relative = part.name.removeprefix(FOLDER)
    if relative == part.name or not Path(relative).name.startswith(part.sha256):
        raise Damaged(f"The backup names a file that is not named by its content: {part.name}.")
    return storage.tenant_path(key, relative)


def _is_whole(path: Path, part: Part) -> bool:
    return path.is_file() and path.stat().st_size == part.bytes and storage.digest(path) == part.sha256


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _own_like_storage(folder)


def _own_like_storage(path: Path) -> None:
    """A restore by root must not leave files that the workers, who may be somebody else, cannot touch."""
    if os.geteuid() == 0:
        root = Path(settings.STORAGE_ROOT).stat()
        os.chown(path, root.st_uid, root.st_gid)
