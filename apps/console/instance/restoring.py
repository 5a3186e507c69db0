"""Bringing an instance back into empty databases and folders; everything is checked before anything is changed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from django.conf import settings
from django.db import connections, transaction
from django.db.migrations.loader import MigrationLoader
from psycopg import sql

from apps.audit import services as audit
from apps.console.instance import emptying, manifest, pg_tools, stored, taking
from apps.console.instance.manifest import Manifest, Problem, Report
from apps.core.database import role_name
from apps.core.scope import SystemRole
from apps.core.storage import backups as storage
from tenants import checks, migrating, provisioning
from tenants.backups import tables
from tenants.context import system_scope
from tenants.replay import OWNER

_SPARE_BYTES: Final = 100_000_000


@dataclass(frozen=True, slots=True)
class Restored:
    """A finished restore: ``warnings`` are for the operator to act on, ``faults`` what ``tenants check`` finds."""

    manifest: Manifest
    warnings: list[str]
    faults: list[str]
    seconds: float


@stored.problems()
def restore(
    *,
    source: Path,
    agree: Callable[[Manifest, list[str]], bool],
    jobs: int = taking.JOBS,
    report: Report = lambda _line: None,
) -> Restored | None:
    """Put everything back that the backup in ``source`` holds, but for the queue and the secrets.

    ``agree`` is shown what it would replace (an empty list in a fresh instance); None when it says no. The databases
    and their system roles must be there (``tenants.bootstrap``). Killed on the way, it can be run again. Raises
    ``Problem``.
    """
    began = time.monotonic()
    made = manifest.read(source)
    dsn = tables.owner_dsn()
    _check(made, dsn)
    manifest.verify(source, made, report)
    if not agree(made, emptying.what_is_there(dsn)):
        return None
    _databases(source, made, dsn, jobs, report)
    _files(source, made, report)
    faults = _bring_up_to_date(report)
    stored.remove_others(made)
    emptying.unmark(dsn)
    _record(made)
    return Restored(made, _warnings(made), faults, time.monotonic() - began)


def _check(made: Manifest, dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        version, database = connection.info.server_version, connection.info.dbname
    if database != made.database:
        raise Problem(
            f"The backup is of the database {made.database}, this is {database}: roles are named by it."
            f" Set ALMANAC_DATABASE={made.database}."
        )
    if version // 10000 < made.server_version // 10000:
        raise Problem(
            f"The backup comes from PostgreSQL {made.server_version // 10000}, and this server is {version // 10000}."
            " Restore into that version or a newer one."
        )
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    unknown = [name for name in made.migrations if name not in known and not name.startswith("django_")]
    if unknown:
        raise Problem(
            f"The backup was made by a newer program ({made.program}): it has the migration {unknown[0]}. Upgrade first."
        )
    _check_room(made)


def _check_room(made: Manifest) -> None:
    root = Path(settings.VAR)
    here = (stored.STORAGE, taking.ARTIFACTS) if storage.is_local() else (taking.ARTIFACTS,)
    needed = sum(file.bytes for name in here for file in made.below(name))
    free = shutil.disk_usage(root if root.exists() else root.parent).free
    if free < needed + _SPARE_BYTES:
        raise Problem(
            f"{needed / 1e6:.0f} MB of files are to be written, and {root} has {free / 1e6:.0f} MB free."
        )
    for folder in (root, Path(settings.STORAGE_ROOT)):
        if folder.exists() and not os.access(folder, os.W_OK):
            raise Problem(f"{folder} cannot be written to. Run this as its owner.")


def _databases(source: Path, made: Manifest, dsn: str, jobs: int, report: Report) -> None:
    emptying.clear(dsn, report)
    _make_roles(dsn, made)
    with psycopg.connect(dsn) as connection:
        version = max(connection.info.server_version, made.server_version)
    tool = pg_tools.find("pg_restore", version)
    pg_tools.restore(tool, dsn, source / taking.DATABASE, jobs=jobs, report=report)
    mlflow = pg_tools.from_sqlalchemy(settings.MLFLOW_TRACKING_URI)
    if mlflow and made.below(taking.MLFLOW_DATABASE):
        with psycopg.connect(mlflow, autocommit=True) as connection:
            emptying.clear_public(connection)
        pg_tools.restore(tool, mlflow, source / taking.MLFLOW_DATABASE, jobs=jobs, report=report)
    for each in filter(None, (dsn, mlflow)):
        report("gathering statistics")
        with psycopg.connect(each, autocommit=True) as connection:
            connection.execute("ANALYZE")


def _make_roles(dsn: str, made: Manifest) -> None:
    """The tenants' roles; the dump grants them their rights."""
    base, app = (sql.Identifier(role_name(made.database, name)) for name in ("tenant", "app"))
    with psycopg.connect(dsn) as connection:
        there = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles").fetchall()}
        for schema in made.schemas:
            role = sql.Identifier(schema)
            if schema not in there:
                connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN IN ROLE {}").format(role, base))
            connection.execute(sql.SQL("GRANT {} TO {} WITH INHERIT FALSE, SET TRUE").format(role, app))


def _files(source: Path, made: Manifest, report: Report) -> None:
    places = {taking.ARTIFACTS: Path(settings.MLFLOW_ARTIFACT_ROOT)}
    if storage.is_local():
        places[stored.STORAGE] = Path(settings.STORAGE_ROOT)
    else:
        stored.put_back(source, made, report)
    for name, root in places.items():
        for path in list(manifest.list_files(root)):
            path.unlink()
        manifest.copy_all(source, made.below(name), root, name, report)
        _own_like(root, Path(settings.VAR))
    missing = [file for file in made.below(taking.ANCHORS) if not _there(settings.ANCHOR_DIR, file.path)]
    manifest.copy_all(source, missing, settings.ANCHOR_DIR, taking.ANCHORS, report)


def _there(root: Path, path: str) -> bool:
    """Anchors that are there are never replaced: they may be newer, and tell what the backup lacks."""
    return (root / path.removeprefix(f"{taking.ANCHORS}/")).exists()


def _own_like(root: Path, model: Path) -> None:
    """A restore by root must not leave files that the workers, who may be somebody else, cannot touch."""
    if os.geteuid() == 0 and root.exists():
        owner = model.stat()
        for path in (root, *root.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _bring_up_to_date(report: Report) -> list[str]:
    """Migrate to the program's version; returns what is not as it should be."""
    connections[OWNER].close()  # it may know tables that are no more
    provisioning.migrate_public(report)
    outcome = migrating.migrate_tenants(
        report=lambda now: report(f"migrated {now.migrated} of {now.behind} schemas")
    )
    report("checking the tables of all tenants")
    return [*map(str, outcome.failures), *checks.find_faults()]


def _warnings(made: Manifest) -> list[str]:
    here = taking.effective_secrets()
    different = [
        name
        for name, value in made.fingerprints.items()
        if manifest.fingerprint(name, here.get(name, "")) != value
    ]
    meaning = {
        "secret_key": "everybody must log in anew",
        "api_key_peppers": "no API key of the backup works",
        "secrets_keys": "the credentials of sources must be entered again",
        "audit_signing_key": "its anchors cannot be verified",
    }
    lines = [f"The secret {name} is not that of the backup: {meaning.get(name, '')}." for name in different]
    return [*lines, *made.notes]


def _record(made: Manifest) -> None:
    changes = {"backup_of": made.created_at, "program": made.program, **made.counts}
    with system_scope(SystemRole.OPERATOR), transaction.atomic():
        audit.record(action="instance.restored", target_type="instance", changes=changes)
