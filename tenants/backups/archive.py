"""The archive file of one tenant: a zip (zip64) of parts, written and read as streams, each with its SHA-256.

``manifest.json`` names every part; it is the last to be written, and no name that it does not list is ever read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from tenants.backups.errors import BackupError, Damaged, Refused

FORMAT: Final = 1
KIND: Final = "almanac.tenant"
MANIFEST: Final = "manifest.json"
CHUNK_BYTES: Final = 1 << 20
_LONGEST_MANIFEST: Final = 256 << 20
_PART: Final = re.compile(r"(tables|files|companions)/[A-Za-z0-9_][A-Za-z0-9_./-]*")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Part:
    """One entry of the archive: its name there, its length in bytes before compression, and its hash."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one table, as COPY in text form gives them for ``columns``."""

    name: str
    columns: list[str]
    rows: int
    part: Part


@dataclass(frozen=True, slots=True)
class Companion:
    """What a part of the program outside the schema gave for its own restore: JSON lines."""

    name: str
    records: int
    part: Part


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive holds, of whom, and which program made it. ``migrations`` are pairs of app and name."""

    program: str
    created_at: str
    server_version: int
    tenant_id: uuid.UUID
    schema: str
    slug: str
    name: str
    schema_version: str
    migrations: list[tuple[str, str]]
    tables: list[Table] = field(default_factory=list)
    sequences: dict[str, tuple[int, bool]] = field(default_factory=dict)
    files: list[Part] = field(
        default_factory=list
    )  # ``name`` is ``files/`` and the path in the tenant's folder
    companions: list[Companion] = field(default_factory=list)

    @property
    def parts(self) -> list[Part]:
        """Every part, in the order in which they were written."""
        return [*(table.part for table in self.tables), *self.files, *(one.part for one in self.companions)]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"kind": KIND, "format": FORMAT, **asdict(self), "tenant_id": str(self.tenant_id)}


def parse(content: dict[str, Any]) -> Manifest:
    """The manifest of plain values; raises ``Refused`` for another format, ``Damaged`` for one that makes no sense."""
    if content.get("kind") != KIND:
        raise Refused("This is not a backup of a tenant made by `manage.py tenants backup`.")
    if content.get("format") != FORMAT:
        raise Refused(
            f"The backup has format {content.get('format')}, made by version {content.get('program')};"
            f" this program reads format {FORMAT}. Use the version that made it, or a newer one."
        )
    try:
        return _parse({name: value for name, value in content.items() if name not in ("kind", "format")})
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"The backup's manifest cannot be understood ({error!r}).") from error


def _parse(values: dict[str, Any]) -> Manifest:
    values["tenant_id"] = uuid.UUID(values["tenant_id"])
    values["migrations"] = [(app, name) for app, name in values["migrations"]]
    values["sequences"] = {
        name: (int(last), bool(called)) for name, (last, called) in values["sequences"].items()
    }
    values["tables"] = [Table(**{**table, "part": _part(table["part"])}) for table in values["tables"]]
    values["companions"] = [Companion(**{**one, "part": _part(one["part"])}) for one in values["companions"]]
    values["files"] = [_part(part) for part in values["files"]]
    return Manifest(**values)


def _part(values: dict[str, Any]) -> Part:
    part = Part(**values)
    steps = part.name.split("/")
    if not _PART.fullmatch(part.name) or ".." in steps or "" in steps or not _SHA256.fullmatch(part.sha256):
        raise ValueError(f"not a part's name: {part.name!r}")
    return part


class Writer:
    """Writes an archive; it gets its name only once it is whole and on the disk."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        descriptor = os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "w+b")
        self._zip = zipfile.ZipFile(self._file, "w", allowZip64=True)

    def add(self, name: str, chunks: Iterable[bytes | memoryview], *, compress: bool) -> Part:
        """Write a part from its chunks."""
        entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        entry.external_attr = 0o600 << 16
        digest, size = hashlib.sha256(), 0
        with self._zip.open(entry, "w", force_zip64=True) as out:
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                out.write(chunk)
        return Part(name, size, digest.hexdigest())

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest and give the archive its name."""
        self.add(MANIFEST, [json.dumps(manifest.as_json()).encode()], compress=True)
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._partial.rename(self._target)

    def discard(self) -> None:
        """Forget what was written, unless it was finished."""
        if not self._file.closed:
            self._zip.fp = (
                None  # closing the zip would write its directory, which on a full disk fails once more
            )
            with contextlib.suppress(OSError):  # what is buffered may not fit either
                self._file.close()
        self._partial.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(target: Path) -> Iterator[Writer]:
    """A writer whose half-written file is removed when the block fails; raises ``BackupError`` when it cannot write."""
    try:
        writer = Writer(target)
    except OSError as error:
        raise BackupError(f"{target} cannot be written: {error.strerror}.") from error
    try:
        yield writer
    except OSError as error:
        raise BackupError(
            f"The backup could not be written to {target.parent}: {error.strerror or error}."
        ) from error
    finally:
        writer.discard()


class Reader:
    """Reads an archive. ``manifest`` is checked as it is opened; the parts are checked by ``verify``."""

    def __init__(self, path: Path, zipped: zipfile.ZipFile) -> None:
        self.path = path
        self._zip = zipped
        self.manifest = parse(self._content())

    def verify(self, seen: Callable[[Part], None] = lambda _part: None) -> None:
        """Read every part once and compare it with the manifest; raises ``Damaged``."""
        listed = {MANIFEST, *(part.name for part in self.manifest.parts)}
        if set(self._zip.namelist()) != listed or len(self._zip.namelist()) != len(listed):
            raise Damaged(f"{self.path} does not hold the parts that its manifest lists.")
        for part in self.manifest.parts:
            for _chunk in self.chunks(part):
                pass
            seen(part)

    def chunks(self, part: Part) -> Iterator[bytes]:
        """The content of a part, piece by piece; raises ``Damaged`` at its end when it is not what was written."""
        digest, size = hashlib.sha256(), 0
        with self._readable(part.name) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
                if size > part.bytes:
                    break
                yield chunk
        if (size, digest.hexdigest()) != (part.bytes, part.sha256):
            raise Damaged(f"{self.path} is damaged: {part.name} is not what was written.")

    def records(self, companion: Companion) -> Iterator[dict[str, Any]]:
        """The JSON lines of a companion."""
        with self._readable(companion.part.name) as stream:
            for line in stream:
                yield json.loads(line)

    def _content(self) -> dict[str, Any]:
        try:
            if self._zip.getinfo(MANIFEST).file_size > _LONGEST_MANIFEST:
                raise Damaged(f"The manifest of {self.path} is too long to be one.")
        except KeyError:
            raise Refused(f"{self.path} is no backup of a tenant: it has no manifest.") from None
        with self._readable(MANIFEST) as stream:
            text = stream.read()
        try:
            content = json.loads(text)
        except ValueError as error:
            raise Damaged(f"The manifest of {self.path} cannot be read.") from error
        return content if isinstance(content, dict) else {}

    @contextlib.contextmanager
    def _readable(self, name: str) -> Iterator[IO[bytes]]:
        try:
            with self._zip.open(name) as stream:
                yield stream
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            KeyError,
            NotImplementedError,
            OSError,
            RuntimeError,
        ) as error:
            raise Damaged(f"{self.path} is damaged at {name}: {error}.") from error


@contextlib.contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """The archive at ``path``; raises ``Refused`` or ``Damaged`` when there is none that this program reads."""
    try:
        zipped = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise Refused(f"There is no file {path}.") from None
    except IsADirectoryError:
        raise Refused(f"{path} is a folder; name the file of the backup.") from None
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror or error}.") from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError, RuntimeError) as error:
        raise Damaged(f"{path} is no whole archive; it may have been cut short: {error}.") from error
    with zipped:
        yield Reader(path, zipped)
