"""The store as backups see it: by the name of a tenant's schema, for a restore makes files before there is a tenant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from apps.core.storage.backend import bucket, open_named, store
from apps.core.storage.given import Pieces
from apps.core.storage.names import Stored, name_of


def is_local() -> bool:
    """Whether the files stand in ``STORAGE_ROOT``, and so take room on this machine's disk."""
    return bucket() is None


def describe(schema: str, path: str) -> str:
    """Where a file is, for the operator."""
    return store().describe(name_of(schema, path))


def list_stored(schema: str | None = None) -> Iterator[Stored]:
    """The files of one tenant, or of all of them, in order."""
    return store().list_below(schema)


def open_stored(schema: str, path: str) -> BinaryIO:
    """The content as a stream; raises ``FileNotFoundError``."""
    return open_named(name_of(schema, path))


def put(schema: str, path: str, pieces: Iterable[bytes]) -> None:
    """Write a file under its own name, whole or not at all; what stands there is replaced."""
    store().save(name_of(schema, path), Pieces(pieces))


def remove(schema: str, path: str) -> None:
    """Delete a file; one that is not there is fine."""
    store().delete(name_of(schema, path))


def now() -> float:
    """The time by the clock that dates the files, in seconds since the epoch."""
    return store().now()
