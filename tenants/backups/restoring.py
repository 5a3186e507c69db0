"""Restoring one tenant from an archive: everything is checked first, and the swap is one transaction."""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from django.conf import settings
from django.db import OperationalError, transaction

from apps.audit import services as audit
from apps.core.scope import SystemRole
from apps.core.storage import backups as storage
from apps.core.tenancy import TenantKey
from tenants import lifecycle, provisioning, queries, services
from tenants.backups import archive, contents, files, tables
from tenants.backups.archive import Manifest, Part, Reader
from tenants.backups.errors import BackupError, Refused
from tenants.context import system_scope, tenant_scope
from tenants.models import Tenant, TenantState
from tenants.replay import OWNER

Report = Callable[[str], None]
REASON: Final = "Its data is being restored from a backup."  # also tells a later run that we closed it
LOCK_TRIES: Final = 4
ALONE_SECONDS: Final = 10.0
STOP_SECONDS: Final = 60.0  # a lease lasts 30 s; a worker notices a cancelled job within 5 s
_SPARE_BYTES: Final = 50_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What a restore would do: ``now`` and ``then`` are rows by table, ``files`` those that must be written."""

    tenant: Tenant
    manifest: Manifest
    now: dict[str, int]
    files: list[Part]

    @property
    def then(self) -> dict[str, int]:
        """Rows by table in the archive."""
        return {table.name: table.rows for table in self.manifest.tables}

    def lines(self) -> list[str]:
        """For the person who is asked: what is replaced by what."""
        manifest = self.manifest
        whose = (
            "" if manifest.tenant_id == self.tenant.id else f", taken of {manifest.slug} ({manifest.schema})"
        )
        names = sorted(self.now.keys() | self.then.keys())
        changes = [
            f"  {name}: {self.now.get(name, 0)} row(s) become {self.then.get(name, 0)}" for name in names
        ]
        return [
            f"{self.tenant} goes back to {manifest.created_at}{whose}:",
            *changes,
            f"  {len(self.files)} of {len(manifest.files)} file(s) are written anew; files made since then are removed.",
            "Keys, members, invitations, the ledger, the audit log, jobs and the plan stay as they are now.",
        ]


@dataclass(frozen=True, slots=True)
class Restored:
    """A finished restore."""

    tenant: Tenant
    manifest: Manifest
    removed_files: int
    seconds: float


@files.problems()
def restore(
    *,
    tenant_id: uuid.UUID,
    source: Path,
    agree: Callable[[Plan], bool],
    into_fresh: bool = False,
    report: Report = lambda _line: None,
) -> Restored | None:
    """Put the tenant back to what ``source`` holds, once ``agree`` says yes to the plan; None when it does not.

    Until the swap commits, nothing of the tenant is changed but that it is closed; killed anywhere, it has its old or
    its new state, and another run finishes the work. ``into_fresh`` allows another tenant's archive where the tenant
    has no data yet. Raises ``BackupError``.
    """
    began = time.monotonic()
    with archive.reading(source) as reader, _alone(tenant_id):
        plan = _examine(tenant_id, reader, into_fresh, report)
        if not agree(plan):
            return None
        with _closed(plan.tenant):
            closed_at = storage.now()
            _end_work(plan.tenant.key, report)
            _place_files(plan, reader, report)
            _swap(plan.tenant, reader, report)
            _restore_mirrors(plan.tenant.key, reader, report)
            removed = _remove_old_files(plan.tenant.key, closed_at, report)
            _record(plan, removed)
    return Restored(plan.tenant, plan.manifest, removed, time.monotonic() - began)


@contextlib.contextmanager
def _alone(tenant_id: uuid.UUID) -> Iterator[None]:
    """Hold the tenant for this restore. The server may take a moment to notice that one before us was killed."""
    name, end = f"almanac.restore.{tenant_id}", time.monotonic() + ALONE_SECONDS
    while True:
        with provisioning.advisory_lock(name) as mine:
            if mine:
                yield
                return
        if time.monotonic() > end:
            raise Refused("Another restore of this tenant is under way.")
        time.sleep(0.2)


def _examine(tenant_id: uuid.UUID, reader: Reader, into_fresh: bool, report: Report) -> Plan:
    with system_scope(SystemRole.OPERATOR):
        tenant = queries.get_tenant(tenant_id=tenant_id)
    manifest = reader.manifest
    if tenant.state not in (TenantState.ACTIVE, TenantState.SUSPENDED):
        raise Refused(f"{tenant} is {tenant.state}; only an active or a suspended tenant can be restored.")
    now = tables.count_rows(tenant.schema_name)
    _check_whose(tenant, manifest, now, into_fresh)
    tables.check_migrations(manifest)
    done = _Counter(len(manifest.parts), "checking part", report)
    reader.verify(lambda part: done(part.name))
    wanted = files.missing(tenant.key, manifest.files)
    _check_room(wanted)
    return Plan(tenant, manifest, now, wanted)


def _check_whose(tenant: Tenant, manifest: Manifest, now: dict[str, int], into_fresh: bool) -> None:
    if (manifest.tenant_id, manifest.schema) == (tenant.id, tenant.schema_name):
        return
    if not into_fresh:
        raise Refused(
            f"The backup is of {manifest.slug} ({manifest.schema}), not of {tenant} ({tenant.schema_name})."
            " Add --into-fresh to put it into a tenant that has no data yet."
        )
    if any(now.values()):
        raise Refused(
            f"{tenant} has data of its own; a backup of {manifest.slug} is put into a fresh tenant only."
        )


def _check_room(wanted: list[Part]) -> None:
    if not storage.is_local():
        return  # a bucket has no end
    root = Path(settings.STORAGE_ROOT)
    needed = sum(part.bytes for part in wanted)
    free = shutil.disk_usage(root if root.exists() else root.parent).free
    if needed and free < needed + _SPARE_BYTES:
        raise Refused(
            f"{needed / 1e6:.0f} MB of files are to be written, and {root} has {free / 1e6:.0f} MB free."
        )


@contextlib.contextmanager
def _closed(tenant: Tenant) -> Iterator[None]:
    """Keep the tenant suspended inside the block; afterwards it is again what it was before any restore began."""
    ours = tenant.state == TenantState.ACTIVE
    if ours:
        with system_scope(SystemRole.OPERATOR):
            services.suspend(tenant_id=tenant.id, reason=REASON)
    was_open = ours or tenant.suspended_reason == REASON
    try:
        yield
    finally:
        if was_open:
            with system_scope(SystemRole.OPERATOR):
                services.reactivate(tenant_id=tenant.id)


def _end_work(key: TenantKey, report: Report) -> None:
    """As before an erasure: what waits is cancelled, what runs is asked to end and waited for."""
    work = [each for each in lifecycle.list_erasers() if each.stops_work]
    for each in work:
        each.erase(key)
    end = time.monotonic() + STOP_SECONDS
    while left := [line for each in work for line in each.leftovers(key)]:
        if time.monotonic() > end:
            raise BackupError(f"{left[0]} and did not end within {STOP_SECONDS:.0f} s; try again.")
        report(f"waiting: {left[0]}")
        time.sleep(1)


def _place_files(plan: Plan, reader: Reader, report: Report) -> None:
    for number, part in enumerate(plan.files, start=1):
        report(f"file {number} of {len(plan.files)}: {part.name.removeprefix(files.FOLDER)}")
        files.place(plan.tenant.key, part, reader)


def _swap(tenant: Tenant, reader: Reader, report: Report) -> None:
    for number in range(1, LOCK_TRIES + 1):
        try:
            with transaction.atomic(using=OWNER):
                _lock_row(tenant)
                version = tables.replace(tenant.schema_name, reader, report)
                Tenant.objects.using(OWNER).filter(id=tenant.id).update(schema_version=version)
        except OperationalError as error:
            busy = isinstance(
                error.__cause__, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected
            )
            if not busy:
                raise
            if number == LOCK_TRIES:
                raise BackupError(
                    f"Somebody holds {tenant}'s tables (a backup of the instance, or a long query). Nothing was"
                    " changed; try again later."
                ) from error
            report("the tables are in use; trying again")
        else:
            return


def _lock_row(tenant: Tenant) -> None:
    """Migrations of this tenant take the row first, as we do; and it must still be ours to change."""
    row = Tenant.objects.using(OWNER).select_for_update().get(id=tenant.id)
    if row.state != TenantState.SUSPENDED:
        raise BackupError(f"{tenant} was made {row.state} meanwhile; nothing was changed.")


def _restore_mirrors(key: TenantKey, reader: Reader, report: Report) -> None:
    given = {companion.name: companion for companion in reader.manifest.companions}
    for mirror in contents.list_mirrors():
        report(mirror.name)
        records = reader.records(given[mirror.name]) if mirror.name in given else iter(())
        try:
            with tenant_scope(key):
                mirror.restore(key, records)
        except Exception as error:
            raise BackupError(
                f"The tenant has its restored data, but {mirror.name} does not follow ({error}). Run the same again"
                " once it answers."
            ) from error


def _remove_old_files(key: TenantKey, closed_at: float, report: Report) -> int:
    with provisioning.advisory_lock(contents.FILES_LOCK) as mine:
        if not mine:
            report("a backup is under way, so files that are no longer needed stay for now")
            return 0
        with tables.snapshot(key.schema, hold_files=False) as snapshot:
            return files.remove_unreferenced(key, snapshot.files(contents.list_files()), closed_at)


def _record(plan: Plan, removed: int) -> None:
    changes: dict[str, Any] = {
        "backup_of": plan.manifest.created_at,
        "backup_tenant": str(plan.manifest.tenant_id),
        "before": plan.now,
        "after": plan.then,
        "files_written": len(plan.files),
        "files_removed": removed,
    }
    with system_scope(SystemRole.OPERATOR), transaction.atomic():
        audit.record(
            action="tenant.restored",
            target_type="tenant",
            target_id=plan.tenant.slug or "",
            changes=changes,
            tenant_id=plan.tenant.id,
        )


class _Counter:
    """``label 3 of 10: name`` for each call."""

    def __init__(self, total: int, label: str, report: Report) -> None:
        self._number, self._total, self._label, self._report = 0, total, label, report

    def __call__(self, name: str) -> None:
        self._number += 1
        self._report(f"{self._label} {self._number} of {self._total}: {name}")
