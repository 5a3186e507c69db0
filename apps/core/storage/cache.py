"""Copies on this machine of what is stored elsewhere: named by content, bounded, safe between processes.

Whoever uses a copy holds a shared lock on it; who makes room takes the least recently used ones on which nobody
holds one. A copy is a name that was never anything but whole, and its hash is checked before it is used.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from django.conf import settings

from apps.core.storage.checking import known_digest
from apps.core.storage.errors import StorageCorrupted
from apps.core.tenancy import TenantKey

UNUSED_SECONDS: Final = 7 * 24 * 3600  # an erasure elsewhere does not reach this machine's copies


@contextlib.contextmanager
def holding(
    key: TenantKey, relative: str, sha256: str, *, size: Callable[[], int], fetch: Callable[[BinaryIO], None]
) -> Iterator[Path]:
    """The copy of that content, fetched where it is not here; it stays until the block ends.

    Raises ``StorageCorrupted`` when what was fetched does not have that hash.
    """
    path = _path(key, relative, sha256)
    held = _take(path, sha256)
    while held is None:
        make_room(size())
        held = _download(path, relative, sha256, fetch) or _take(path, sha256)
    try:
        _mark_used(path)
        yield path
        too_large = os.fstat(held).st_size > settings.FILE_CACHE_BYTES
    finally:
        os.close(held)
    if too_large:
        make_room()


def keep(key: TenantKey, relative: str, sha256: str, source: Path) -> None:
    """Let ``source``, which has that content, be the copy, so that it need not be fetched."""
    path, size = _path(key, relative, sha256), source.stat().st_size
    if size > settings.FILE_CACHE_BYTES:
        return
    make_room(size)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(OSError):  # there already, or on another disk: then it is fetched when wanted
        os.link(source, path, follow_symlinks=False)


def discard(key: TenantKey, relative: str) -> None:
    """Forget the copies of a file that is deleted, which is named by its content."""
    name = PurePosixPath(relative)
    (folder(key) / name.name).unlink(missing_ok=True)


def folder(key: TenantKey) -> Path:
    """Where a tenant's copies are."""
    return Path(settings.FILE_CACHE) / key.schema


def erase(key: TenantKey) -> None:
    """Forget all of a tenant's copies."""
    if folder(key).exists():
        shutil.rmtree(folder(key))


def list_files(key: TenantKey) -> list[str]:
    """Every path in the folder of the tenant's copies, the folder itself first."""
    home = folder(key)
    return [str(path) for path in (home, *sorted(home.rglob("*")))] if home.exists() else []


def make_room(size: int = 0) -> None:
    """Drop what was not used for long, and the least recently used until ``size`` more bytes fit."""
    copies = sorted(_copies(), key=lambda copy: copy.used_at)
    total, limit = sum(copy.bytes for copy in copies) + size, settings.FILE_CACHE_BYTES
    for copy in copies:
        stale = copy.is_partial or copy.used_at < time.time() - UNUSED_SECONDS
        if (stale or total > limit) and _drop(copy.path):
            total -= copy.bytes


@dataclass(frozen=True, slots=True)
class _Copy:
    path: Path
    bytes: int
    used_at: float

    @property
    def is_partial(self) -> bool:
        """Being fetched, which its lock shows, or left by a process that was killed."""
        return self.path.name.startswith(".")


def _copies() -> Iterator[_Copy]:
    for path in Path(settings.FILE_CACHE).glob("*/*"):
        with contextlib.suppress(FileNotFoundError):  # dropped by another process since the folder was read
            found = path.stat()
            yield _Copy(path, found.st_size, found.st_atime)


def _path(key: TenantKey, relative: str, sha256: str) -> Path:
    return folder(key) / f"{sha256}{PurePosixPath(relative).suffix}"


def _take(path: Path, sha256: str) -> int | None:
    """A lock on the copy; None where there is none. A damaged one is removed."""
    while True:
        try:
            held = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        fcntl.flock(held, fcntl.LOCK_SH)
        if _is_still(path, held):
            break
        os.close(held)  # it was dropped between the two
    try:
        if known_digest(path) == sha256:
            return os.dup(held)  # the lock lasts as long as the second
        path.unlink(missing_ok=True)
    finally:
        os.close(held)
    return None


def _download(path: Path, relative: str, sha256: str, fetch: Callable[[BinaryIO], None]) -> int | None:
    """Fetch, and a lock on what was fetched; None where another process was quicker."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    made = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(made, "r+b") as out:
            fcntl.flock(out, fcntl.LOCK_SH)
            fetch(out)
            out.seek(0)
            if hashlib.file_digest(out, "sha256").hexdigest() != sha256:
                raise StorageCorrupted(path=relative)
            # Another was quicker, or swept this one away before it was locked.
            with contextlib.suppress(FileExistsError, FileNotFoundError):
                os.link(partial, path)
            return os.dup(made) if _is_still(path, made) else None
    finally:
        partial.unlink(missing_ok=True)


def _is_still(path: Path, held: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(held))
    except FileNotFoundError:
        return False


def _drop(path: Path) -> bool:
    """Remove a copy that nobody holds; whether it is gone."""
    try:
        held = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_still(path, held):  # else it was dropped meanwhile, and the name may be that of one in use
            path.unlink()
    except BlockingIOError:
        return False
    finally:
        os.close(held)
    return True


def _mark_used(path: Path) -> None:
    """The time of access, which the disk may not keep by itself; that of the last change tells whether the hash is known."""
    found = path.stat()
    os.utime(path, ns=(time.time_ns(), found.st_mtime_ns))
