"""Tenants' files in a backup of the instance, wherever they are kept: in a folder of this machine or in a bucket."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from apps.console.instance import manifest, moment
from apps.console.instance.manifest import File, Manifest, Problem, Report
from apps.console.instance.moment import Moment, Reference
from apps.core.storage import StorageUnavailable
from apps.core.storage import backups as storage

STORAGE: Final = "storage"  # the folder of the backup


@contextlib.contextmanager
def problems() -> Iterator[None]:
    """A storage that does not answer is a ``Problem`` to whoever backs up or restores."""
    try:
        yield
    except StorageUnavailable as error:
        raise Problem(str(error)) from error


def total_bytes() -> int:
    """How long all files of all tenants are together."""
    return sum(each.bytes for each in storage.list_stored())


def copy_out(folder: Path, now: Moment, report: Report) -> Iterator[File]:
    """Copy every file that a row of the moment names into the backup; one that is gone or damaged is a ``Problem``."""
    for number, each in enumerate(moment.references(now), start=1):
        report(f"file {number}: {each.schema}/{each.path}")
        yield _copy(each, folder)


def put_back(source: Path, made: Manifest, report: Report) -> None:
    """Write the backup's files into a bucket. What else is there stays: see ``remove_others``."""
    files = made.below(STORAGE)
    for number, file in enumerate(files, start=1):
        report(f"{STORAGE}: file {number} of {len(files)}")
        storage.put(*_whose(file), manifest.pieces(source, file))


def remove_others(made: Manifest) -> None:
    """Remove from a bucket what the backup does not hold.

    A bucket cannot be moved aside, so this comes last: until then what was there may have to serve again.
    """
    wanted = {_whose(file) for file in made.below(STORAGE)}
    for each in [] if storage.is_local() else list(storage.list_stored()):
        if (each.schema, each.path) not in wanted:
            storage.remove(each.schema, each.path)


def _copy(each: Reference, folder: Path) -> File:
    relative = f"{STORAGE}/{each.schema}/{each.path}"
    source = storage.describe(each.schema, each.path)
    try:
        with storage.open_stored(each.schema, each.path) as stream:
            made = manifest.save(stream, folder / relative)
    except FileNotFoundError:
        raise Problem(f"The stored file {source} is gone, though a row names it.") from None
    if made.sha256 != each.sha256:
        raise Problem(f"The stored file {source} is damaged: it does not have the hash of its row.")
    return replace(made, path=relative)


def _whose(file: File) -> tuple[str, str]:
    """The schema of the tenant, and the path in its folder."""
    schema, _, path = file.path.removeprefix(f"{STORAGE}/").partition("/")
    return schema, path
