"""What a tenant's backup is made of beside the tables: apps say so in ``AppConfig.ready``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

from apps.core.tenancy import TenantKey

# Held shared by whoever backs up, exclusively by whoever deletes stored files: what rows refer to stays until copied.
FILES_LOCK: Final = "almanac.files"


@dataclass(frozen=True, slots=True)
class FileColumns:
    """A tenant table whose rows name stored files: the columns with the path in the tenant's folder and the SHA-256."""

    table: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Mirror:
    """A store outside the schema that repeats what the tenant's rows say.

    ``dump`` gives JSON objects for the archive. ``restore`` is called inside the tenant's scope after its rows are back;
    it makes what is missing anew and removes what the rows no longer know. It may be called again after it was killed.
    """

    name: str
    dump: Callable[[TenantKey], Iterable[dict[str, Any]]]
    restore: Callable[[TenantKey, Iterable[dict[str, Any]]], None]


_files: dict[tuple[str, str], FileColumns] = {}
_mirrors: dict[str, Mirror] = {}


def register_files(*, table: str, path: str, sha256: str) -> None:
    """Have the files that ``table`` names backed up."""
    _files[table, path] = FileColumns(table, path, sha256)


def register_mirror(
    name: str,
    dump: Callable[[TenantKey], Iterable[dict[str, Any]]],
    restore: Callable[[TenantKey, Iterable[dict[str, Any]]], None],
) -> None:
    """Have a store outside the schema backed up and brought back: see ``Mirror``."""
    _mirrors[name] = Mirror(name, dump, restore)


def list_files() -> list[FileColumns]:
    """All that are registered."""
    return list(_files.values())


def list_mirrors() -> list[Mirror]:
    """All that are registered."""
    return list(_mirrors.values())


def files_may_be_deleted() -> bool:
    """Whether no backup is under way; then none begins before the caller's transaction ends.

    Whoever deletes a stored file deletes the rows that name it in that transaction, and the file after its commit.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s))", [FILES_LOCK])
        return bool(cursor.fetchone()[0])


def hold_files() -> None:
    """Keep stored files from being deleted until the caller's transaction ends: it writes one, or names one that is there."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(hashtext(%s))", [FILES_LOCK])
