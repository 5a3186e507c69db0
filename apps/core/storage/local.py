"""The store in a folder of this machine: files appear whole or not at all, and survive a power cut."""

from __future__ import annotations

import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

from apps.core.storage.names import CHUNK_BYTES, Stored
from apps.core.tenancy import SCHEMA_NAME


class LocalStorage(FileSystemStorage):
    """Django's, with a way of writing that keeps our promises: temporary name, fsync, rename, fsync of the folder.

    A name that is taken is replaced: names say the content, so it is the same one.
    """

    def __init__(self, location: str | Path) -> None:
        super().__init__(location=str(location), allow_overwrite=True)

    def path(self, name: str) -> str:
        """Where a file stands; raises ``ValueError`` when a link leads out of the tenant's folder."""
        path = Path(super().path(name))
        home = Path(self.location) / name.split("/", 1)[0]
        if not path.resolve().is_relative_to(home.resolve()):
            raise ValueError(f"path leaves the tenant's folder: {name!r}")
        return str(path)

    def list_below(self, schema: str | None) -> Iterator[Stored]:
        """The files of one tenant, or of all, in order; but for those that are just being written."""
        for home in sorted(Path(self.location).glob(schema or "t_*")):
            for path in sorted(home.rglob("*")):
                found = _look(path)
                if found is not None and SCHEMA_NAME.fullmatch(home.name):
                    yield Stored(home.name, str(path.relative_to(home)), found.st_size, found.st_mtime)

    def list_everything(self, schema: str) -> list[str]:
        """Every path in the tenant's folder, the folder itself first; empty where there is none."""
        home = Path(self.location) / schema
        return [str(path) for path in (home, *sorted(home.rglob("*")))] if home.exists() else []

    def erase_below(self, schema: str) -> None:
        """Remove the tenant's folder with all in it."""
        home = Path(self.location) / schema
        if home.exists():
            shutil.rmtree(home)

    def now(self) -> float:
        """The time by the clock that dates the files, in seconds since the epoch."""
        return time.time()

    def describe(self, name: str) -> str:
        """Where a file is, for the operator."""
        return self.path(name)

    def _save(self, name: str, content: File[Any]) -> str:
        target = Path(self.path(name))
        Path(self.location).mkdir(parents=True, exist_ok=True)
        self._make_folder(target.parent)
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            _fill(temporary, content)
            self._own_like_root(temporary)
            temporary.replace(target)
            _sync_folder(target.parent)
        finally:
            temporary.unlink(missing_ok=True)
        return name

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        self._own_like_root(folder)
        _sync_folder(folder.parent)

    def _own_like_root(self, path: Path) -> None:
        """What root writes, such as a restore, must not be out of reach of the workers, who may be somebody else."""
        if os.geteuid() == 0:
            root = Path(self.location).stat()
            os.chown(path, root.st_uid, root.st_gid)


def _look(path: Path) -> os.stat_result | None:
    try:
        found = path.lstat()
    except FileNotFoundError:  # removed since the folder was read
        return None
    return found if stat.S_ISREG(found.st_mode) and not path.name.startswith(".") else None


def _fill(temporary: Path, content: File[Any]) -> None:
    """Put the content there, on the disk; a file that is given away is renamed, where that can be done."""
    given = content.temporary_file_path() if hasattr(content, "temporary_file_path") else None
    if given is not None and _can_be_moved(given, temporary.parent):
        with given.open("rb") as stream:
            os.fsync(stream.fileno())
        given.replace(temporary)
        return
    with temporary.open("xb") as out:
        for chunk in content.chunks(CHUNK_BYTES):
            out.write(chunk)
        _sync(out)


def _can_be_moved(given: Path, folder: Path) -> bool:
    """A file of one name on the same disk; a link would bring something else in."""
    found = given.lstat()
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_dev == folder.stat().st_dev


def _sync(out: IO[bytes]) -> None:
    out.flush()
    os.fsync(out.fileno())


def _sync_folder(folder: Path) -> None:
    """A new name survives a power cut only once its folder is on the disk as well."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
