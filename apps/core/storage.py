"""Tenants' files: every path starts with the tenant's folder, and content is addressed by its SHA-256."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from pathlib import Path

from django.conf import settings

from apps.core.errors import AppError, Kind
from apps.core.tenancy import TenantKey

CHUNK_BYTES = 1 << 20


class StorageCorrupted(AppError):
    """A stored file no longer has the hash under which it was written."""

    kind = Kind.INTERNAL
    code = "storage_corrupted"
    title = "A stored file is damaged"
    template = "The stored file {path} does not have the content it was written with. The operator must restore it from a backup."


def tenant_path(key: TenantKey, *parts: str) -> Path:
    """A path below the tenant's own folder; parts that would leave it raise ``ValueError``."""
    root = Path(settings.STORAGE_ROOT) / key.schema
    path = root.joinpath(*parts)
    if not path.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"path leaves the tenant's folder: {parts}")
    return path


def digest(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_content(key: TenantKey, folder: str, data: bytes | Path, suffix: str) -> tuple[str, str]:
    """Keep ``data`` (bytes, or a file that is moved in) as ``<folder>/<sha256><suffix>``.

    Returns the hash and the path relative to the tenant's folder. The file appears whole or not at all, and
    survives a crash once this returns; the same content twice is one file.
    """
    sha256 = digest(data) if isinstance(data, Path) else hashlib.sha256(data).hexdigest()
    relative = f"{folder}/{sha256}{suffix}"
    target = tenant_path(key, relative)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        _place(data, target)
    elif isinstance(data, Path):
        data.unlink()
    return sha256, relative


def read_content(key: TenantKey, relative: str, sha256: str) -> bytes:
    """The bytes of a stored file, checked against its hash; raises ``StorageCorrupted``, also where it is missing."""
    try:
        data = tenant_path(key, relative).read_bytes()
    except FileNotFoundError:
        raise StorageCorrupted(path=relative) from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StorageCorrupted(path=relative)
    return data


def erase(key: TenantKey) -> None:
    """Remove the tenant's folder with all in it."""
    folder = tenant_path(key)
    if folder.exists():
        shutil.rmtree(folder)


def list_files(key: TenantKey) -> list[str]:
    """Every path in the tenant's folder, the folder itself first; empty where there is none."""
    folder = tenant_path(key)
    return [str(path) for path in (folder, *sorted(folder.rglob("*")))] if folder.exists() else []


def _place(data: bytes | Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as out:
            if isinstance(data, bytes):
                out.write(data)
            else:
                with data.open("rb") as source:
                    while chunk := source.read(CHUNK_BYTES):
                        out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(target)
        _sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)
    if isinstance(data, Path):
        data.unlink()


def _sync_folder(folder: Path) -> None:
    """A new name survives a power cut only once its folder is on the disk as well."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
