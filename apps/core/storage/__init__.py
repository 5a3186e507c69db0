"""Tenants' files: every path starts with the tenant's folder, and content is addressed by its SHA-256.

They live in ``STORAGES["tenants"]`` of Django's: a folder of this machine, or a bucket of S3 (docs/how-to/keep-files-in-s3.md).
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from django.core.files.base import ContentFile

from apps.core.ids import new_id
from apps.core.storage import cache
from apps.core.storage.backend import bucket, open_named, store
from apps.core.storage.checking import known_digest
from apps.core.storage.errors import StorageCorrupted, StorageUnavailable
from apps.core.storage.given import GivenAway
from apps.core.storage.names import CHUNK_BYTES, INCOMING, digest, name_of, tenant_path
from apps.core.tenancy import TenantKey

__all__ = [
    "CHUNK_BYTES",
    "INCOMING",
    "StorageCorrupted",
    "StorageUnavailable",
    "adopt_incoming",
    "delete",
    "digest",
    "discard_incoming",
    "erase",
    "exists",
    "list_files",
    "local_copy",
    "open_content",
    "presigned_upload",
    "read_content",
    "size",
    "tenant_path",
    "write_content",
]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SUFFIX = re.compile(r"(\.[a-z0-9]{1,10}){1,2}")


def write_content(key: TenantKey, folder: str, data: bytes | Path, suffix: str) -> tuple[str, str]:
    """Keep ``data`` (bytes, or a file that is moved in) as ``<folder>/<sha256><suffix>``.

    Returns the hash and the path relative to the tenant's folder. The file appears whole or not at all, and
    survives a crash once this returns; the same content twice is one file.
    """
    sha256 = digest(data) if isinstance(data, Path) else hashlib.sha256(data).hexdigest()
    relative = f"{folder}/{sha256}{suffix}"
    name = name_of(key.schema, relative)
    if not _is_there(name, data.stat().st_size if isinstance(data, Path) else len(data)):
        with GivenAway(data) if isinstance(data, Path) else ContentFile(data) as content:
            store().save(name, content)
    if isinstance(data, Path) and data.exists():  # a folder on the same disk has taken it
        if bucket() is not None:
            cache.keep(key, relative, sha256, data)
        data.unlink()
    return sha256, relative


def read_content(key: TenantKey, relative: str, sha256: str) -> bytes:
    """The bytes of a stored file, checked against its hash; raises ``StorageCorrupted``, also where it is missing."""
    try:
        with open_content(key, relative) as stream:
            data = stream.read()
    except FileNotFoundError:
        raise StorageCorrupted(path=relative) from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StorageCorrupted(path=relative)
    return data


@contextlib.contextmanager
def local_copy(key: TenantKey, relative: str, sha256: str) -> Iterator[Path]:
    """A path on this machine with the stored content, checked; to be read only, and only inside the block.

    It is the file itself where the store is local, else a copy in a bounded cache. Raises ``StorageCorrupted``, also
    where it is missing.
    """
    with contextlib.ExitStack() as stack:
        try:
            path = stack.enter_context(_held(key, relative, sha256))
        except FileNotFoundError:
            raise StorageCorrupted(path=relative) from None
        yield path


def open_content(key: TenantKey, relative: str) -> BinaryIO:
    """The content as a stream, for downloads, not checked; raises ``FileNotFoundError``."""
    return open_named(name_of(key.schema, relative))


def exists(key: TenantKey, relative: str) -> bool:
    """Whether there is such a file."""
    return store().exists(name_of(key.schema, relative))


def size(key: TenantKey, relative: str) -> int:
    """Its length in bytes; raises ``FileNotFoundError``."""
    return store().size(name_of(key.schema, relative))


def delete(key: TenantKey, relative: str) -> None:
    """Delete a file; one that is not there is fine."""
    store().delete(name_of(key.schema, relative))
    cache.discard(key, relative)


def presigned_upload(
    key: TenantKey, folder: str, filename: str, max_bytes: int, expires_seconds: int
) -> dict[str, Any] | None:
    """A form with which its holder uploads one file straight into the store; None where the store is local.

    ``folder`` is ``INCOMING`` or below it. The form is posted to ``url`` as multipart/form-data: ``fields``, then the
    content as ``file``. Afterwards ``adopt_incoming`` takes it over from ``path``. The server refuses more than
    ``max_bytes``, and any upload later than ``expires_seconds`` from now (at most seven days).
    """
    found = bucket()
    if found is None:
        return None
    ending = "".join(PurePosixPath(filename).suffixes[-2:]).lower()
    relative = f"{folder}/{new_id()}{ending if _SUFFIX.fullmatch(ending) else ''}"
    name = name_of(key.schema, _incoming(relative))
    return {
        **found.presigned_post(name, max_bytes=max_bytes, expires_seconds=expires_seconds),
        "path": relative,
    }


def adopt_incoming(key: TenantKey, relative: str, folder: str, suffix: str) -> tuple[str, str]:
    """Move an upload from ``INCOMING`` to its content address: returns as ``write_content`` does.

    Raises ``FileNotFoundError`` when nothing was uploaded there, ``StorageUnavailable`` when it is replaced meanwhile.
    """
    source, found = name_of(key.schema, _incoming(relative)), bucket()
    if found is None:
        return write_content(key, folder, tenant_path(key, relative), suffix)
    sha256, tag = found.hash(source)
    kept = f"{folder}/{sha256}{suffix}"
    found.copy(source, name_of(key.schema, kept), tag=tag)
    found.delete(source)
    return sha256, kept


def discard_incoming(key: TenantKey, older_than_seconds: float) -> int:
    """Delete what was uploaded into ``INCOMING`` and not adopted for so long; returns how many."""
    before = store().now() - older_than_seconds
    stale = [
        each.path
        for each in store().list_below(key.schema)
        if each.path.startswith(f"{INCOMING}/") and each.modified_at < before
    ]
    for path in stale:
        delete(key, path)
    return len(stale)


def erase(key: TenantKey) -> None:
    """Remove the tenant's folder with all in it, and this machine's copies and scratch."""
    store().erase_below(key.schema)
    if tenant_path(key).exists():
        shutil.rmtree(tenant_path(key))
    cache.erase(key)


def list_files(key: TenantKey) -> list[str]:
    """Every path in the tenant's folder, the folder itself first, then what this machine has of it elsewhere; empty
    where there is none."""
    scratch = tenant_path(key)
    kept = [] if bucket() is None or not scratch.exists() else [scratch, *sorted(scratch.rglob("*"))]
    return [*store().list_everything(key.schema), *map(str, kept), *cache.list_files(key)]


def _held(key: TenantKey, relative: str, sha256: str) -> contextlib.AbstractContextManager[Path]:
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"not a SHA-256: {sha256!r}")
    name, found = name_of(key.schema, relative), bucket()
    if found is None:
        path = Path(store().path(name))
        if known_digest(path) != sha256:
            raise StorageCorrupted(path=relative)
        return contextlib.nullcontext(path)
    return cache.holding(
        key, relative, sha256, size=lambda: found.size(name), fetch=lambda target: found.fetch(name, target)
    )


def _incoming(relative: str) -> str:
    """Only what came straight from outside may be adopted, and only there may anybody write from outside."""
    if not relative.startswith(f"{INCOMING}/"):
        raise ValueError(f"not a path below {INCOMING}: {relative!r}")
    return relative


def _is_there(name: str, length: int) -> bool:
    """Whether the file is there, and not cut short."""
    try:
        return store().size(name) == length
    except FileNotFoundError:
        return False
