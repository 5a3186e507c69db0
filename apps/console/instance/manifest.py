"""What a backup of the instance holds: ``manifest.json`` names each file with length and SHA-256.

Standard library only: `make restore` reads it before there is a database or a setting.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

FORMAT: Final = 1
KIND: Final = "almanac.instance"
NAME: Final = "manifest.json"
SEAL: Final = "manifest.sha256"  # a changed byte in the manifest is found as well; it is no signature
CHUNK_BYTES: Final = 1 << 20
Report = Callable[[str], None]


class Problem(Exception):
    """One line for the operator: why the backup cannot be used or made, and what to do."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of the backup, by its path there."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the backup is of. ``schemas`` are the tenants' roles to make; ``migrations`` those of the shared tables."""

    program: str
    created_at: str
    server_version: int
    database: str
    schemas: list[str]
    migrations: list[str]
    counts: dict[str, int]
    fingerprints: dict[str, str]  # of secrets, to tell whether a restore has the same ones
    has_secrets: bool
    notes: list[str] = field(default_factory=list)
    files: list[File] = field(default_factory=list)

    def below(self, folder: str) -> list[File]:
        """The files of one of the backup's folders."""
        return [file for file in self.files if file.path.startswith(f"{folder}/")]


def write(folder: Path, manifest: Manifest) -> None:
    """Put the manifest and its seal into the backup."""
    text = json.dumps({"kind": KIND, "format": FORMAT, **asdict(manifest)}, indent=1).encode()
    (folder / NAME).write_bytes(text)
    (folder / SEAL).write_text(f"{hashlib.sha256(text).hexdigest()}  {NAME}\n")


def read(folder: Path) -> Manifest:
    """The manifest of the backup in ``folder``; raises ``Problem``."""
    try:
        text, seal = (folder / NAME).read_bytes(), (folder / SEAL).read_text().split()[:1]
    except FileNotFoundError:
        raise Problem(_no_backup(folder)) from None
    except (OSError, ValueError) as error:
        raise Problem(f"The backup in {folder} cannot be read: {error}.") from error
    if seal != [hashlib.sha256(text).hexdigest()]:
        raise Problem(f"{folder / NAME} is damaged: it is not what was written.")
    content: dict[str, Any] = json.loads(text)
    if content.pop("kind", None) != KIND:
        raise Problem(f"{folder} is not a backup of an instance made by `manage.py backup`.")
    if (found := content.pop("format", None)) != FORMAT:
        raise Problem(
            f"The backup has format {found}, made by version {content.get('program')}; this program reads format"
            f" {FORMAT}. Use the version that made it, or a newer one."
        )
    content["files"] = [File(**file) for file in content["files"]]
    return Manifest(**content)


def _no_backup(folder: Path) -> str:
    inside = sorted(path.parent.name for path in folder.glob(f"*/{NAME}")) if folder.is_dir() else []
    if inside:
        return f"{folder} holds {len(inside)} backup(s); name one of them, such as {folder / inside[-1]}."
    return f"There is no backup in {folder}: it has no {NAME}."


def verify(folder: Path, manifest: Manifest, report: Report = lambda _line: None) -> None:
    """Read every file once and compare; raises ``Problem`` at the first that is not what was written."""
    total, done = sum(file.bytes for file in manifest.files), 0
    for file in manifest.files:
        path = folder / file.path
        if not path.resolve().is_relative_to(folder.resolve()):
            raise Problem(f"The manifest names a file outside of the backup: {file.path}.")
        try:
            found = digest(path)
        except OSError as error:
            raise Problem(f"{path} cannot be read: {error.strerror}.") from error
        if found != file.sha256:
            raise Problem(f"{path} is damaged: it is not what was written.")
        done += file.bytes
        report(f"checking: {done / 1e6:.0f} of {total / 1e6:.0f} MB")


def digest(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def copy(source: Path, target: Path) -> File:
    """Copy a file, on the disk when this returns; the ``path`` of the answer is the target's name alone."""
    with source.open("rb") as stream:
        return save(stream, target)


def save(stream: BinaryIO, target: Path) -> File:
    """Write a stream to a file as ``copy`` does."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    hashed, size = hashlib.sha256(), 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        while chunk := stream.read(CHUNK_BYTES):
            hashed.update(chunk)
            size += len(chunk)
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    return File(target.name, size, hashed.hexdigest())


def copy_all(folder: Path, files: Iterable[File], target: Path, strip: str, report: Report) -> int:
    """Copy files of the backup below ``target``, checked on the way; returns how many. What stands there is replaced."""
    count = 0
    for count, file in enumerate(files, start=1):
        report(f"{strip}: file {count}")
        made = copy(folder / file.path, target / file.path.removeprefix(f"{strip}/"))
        if made.sha256 != file.sha256:
            raise Problem(f"{folder / file.path} changed while it was read.")
    return count


def pieces(folder: Path, file: File) -> Iterator[bytes]:
    """The content of a file of the backup; raises ``Problem`` at its end when it is not what was written."""
    hashed = hashlib.sha256()
    with (folder / file.path).open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            hashed.update(chunk)
            yield chunk
    if hashed.hexdigest() != file.sha256:
        raise Problem(f"{folder / file.path} changed while it was read.")


def list_files(root: Path) -> Iterator[Path]:
    """Every regular file below ``root``; links and sockets are not followed or listed."""
    for path in sorted(root.rglob("*")):
        if stat.S_ISREG(path.lstat().st_mode):
            yield path


def fingerprint(name: str, value: str) -> str:
    """Tells two values of a secret apart without telling the secret, which is random."""
    return hashlib.sha256(f"almanac {name} {value}".encode()).hexdigest()[:16]
