"""Backing up one tenant: its tables and files at one moment, and what mirrors them, into one archive."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import transaction

from apps import engine
from apps.audit import services as audit
from apps.core.scope import SystemRole
from apps.core.tenancy import TenantKey
from tenants import queries, replay
from tenants.backups import archive, contents, files, tables
from tenants.backups.archive import Companion, Manifest, Part, Table, Writer
from tenants.backups.errors import BackupError, Refused
from tenants.backups.tables import Snapshot
from tenants.context import system_scope, tenant_scope
from tenants.models import Tenant, TenantState

Report = Callable[[str], None]
SUFFIX = ".almanac-tenant.zip"
_WITH_DATA = (TenantState.ACTIVE, TenantState.SUSPENDED, TenantState.DELETING)


@dataclass(frozen=True, slots=True)
class Taken:
    """A finished archive."""

    path: Path
    manifest: Manifest

    @property
    def bytes(self) -> int:
        """Its size on the disk."""
        return self.path.stat().st_size


@files.problems()
def back_up(*, tenant_id: uuid.UUID, to: Path, report: Report = lambda _line: None) -> Taken:
    """Write the tenant's data of this moment into one archive: ``to``, or a file of a telling name in that folder.

    The tenant goes on working. Keys, members, the ledger, the audit log and jobs are not in it. Raises ``BackupError``;
    then no file is left.
    """
    with system_scope(SystemRole.OPERATOR):
        tenant = queries.get_tenant(tenant_id=tenant_id)
    if tenant.state not in _WITH_DATA or tenant.erasure_started_at is not None:
        raise Refused(f"{tenant} is {tenant.state}: there is nothing to back up.")
    target = _target(to, tenant)
    with tables.snapshot(tenant.schema_name) as snapshot, archive.writing(target) as writer:
        named = snapshot.files(contents.list_files())
        _check_room(target.parent, tenant.key, named)
        manifest = _fill(writer, snapshot, tenant, named, report)
        writer.finish(manifest)
    _record(tenant, manifest)
    return Taken(target, manifest)


def _target(to: Path, tenant: Tenant) -> Path:
    if to.is_dir():
        to = to / f"{tenant.slug}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}{SUFFIX}"
    if to.exists():
        raise Refused(f"{to} exists already; a backup replaces nothing.")
    if not to.parent.is_dir():
        raise Refused(f"There is no folder {to.parent}.")
    return to.absolute()


def _check_room(folder: Path, key: TenantKey, named: dict[str, str]) -> None:
    needed = files.bytes_of(key, named)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise Refused(
            f"{needed / 1e6:.0f} MB of files are to be copied, and {folder} has {free / 1e6:.0f} MB free."
        )


def _fill(
    writer: Writer, snapshot: Snapshot, tenant: Tenant, named: dict[str, str], report: Report
) -> Manifest:
    head = _head(snapshot, tenant)
    return replace(
        head,
        tables=list(_tables(writer, snapshot, report)),
        sequences=snapshot.sequences(),
        files=list(_files(writer, tenant.key, named, report)),
        companions=list(_mirrors(writer, tenant.key, report)),
    )


def _head(snapshot: Snapshot, tenant: Tenant) -> Manifest:
    migrations = snapshot.migrations()
    return Manifest(
        program=engine.__version__,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        server_version=snapshot.server_version,
        tenant_id=tenant.id,
        schema=tenant.schema_name,
        slug=tenant.slug or "",
        name=tenant.name,
        schema_version=replay.fingerprint(migrations),
        migrations=migrations,
    )


def _tables(writer: Writer, snapshot: Snapshot, report: Report) -> Iterator[Table]:
    found = snapshot.tables()
    for number, (name, columns) in enumerate(found, start=1):
        report(f"table {number} of {len(found)}: {name}")
        rows = _Lines(snapshot.rows(name, columns))
        part = writer.add(f"tables/{name}.copy", rows, compress=True)
        yield Table(name, columns, rows.count, part)


def _files(writer: Writer, key: TenantKey, named: dict[str, str], report: Report) -> Iterator[Part]:
    for number, (relative, sha256) in enumerate(named.items(), start=1):
        report(f"file {number} of {len(named)}: {relative}")
        # Parquet and bundles do not get smaller.
        compress = relative.endswith(".csv")
        yield writer.add(files.FOLDER + relative, files.chunks(key, relative, sha256), compress=compress)


def _mirrors(writer: Writer, key: TenantKey, report: Report) -> Iterator[Companion]:
    for mirror in contents.list_mirrors():
        report(mirror.name)
        try:
            with tenant_scope(key):
                lines = [f"{json.dumps(record)}\n".encode() for record in mirror.dump(key)]
        except Exception as error:
            raise BackupError(
                f"{mirror.name} does not answer, so the backup would lack it: {error}"
            ) from error
        part = writer.add(f"companions/{mirror.name}.jsonl", lines, compress=True)
        yield Companion(mirror.name, len(lines), part)


class _Lines:
    """Passes chunks on and counts their lines: COPY's text form ends each row with the one line break in it."""

    def __init__(self, chunks: Iterable[bytes | memoryview]) -> None:
        self._chunks = chunks
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in map(bytes, self._chunks):
            self.count += chunk.count(b"\n")
            yield chunk


def _record(tenant: Tenant, manifest: Manifest) -> None:
    changes: dict[str, Any] = {
        "rows": sum(table.rows for table in manifest.tables),
        "files": len(manifest.files),
        "bytes": sum(part.bytes for part in manifest.parts),
        "schema_version": manifest.schema_version,
    }
    with system_scope(SystemRole.OPERATOR), transaction.atomic():
        audit.record(
            action="tenant.backed_up",
            target_type="tenant",
            target_id=tenant.slug or "",
            changes=changes,
            tenant_id=tenant.id,
        )
