"""Backing up the instance while it runs: databases of one moment, then the files that they name, then the rest."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from django.conf import settings
from django.db import transaction

from apps import engine
from apps.audit import services as audit
from apps.console.instance import append_only, manifest, moment, pg_tools, stored
from apps.console.instance.manifest import File, Manifest, Problem, Report
from apps.console.instance.moment import Moment
from apps.core.scope import SystemRole
from tenants.backups import tables
from tenants.context import system_scope

DATABASE, MLFLOW_DATABASE, ARTIFACTS = "database", "mlflow-database", "mlflow"
QUEUE, STRIPE, ANCHORS, SECRETS = "valkey", "stripe", "anchors", "secrets"
JOBS: Final = 2


@dataclass(frozen=True, slots=True)
class Taken:
    """A finished backup."""

    folder: Path
    manifest: Manifest

    @property
    def bytes(self) -> int:
        """All files together."""
        return sum(file.bytes for file in self.manifest.files)


@stored.problems()
def back_up(
    *, to: Path, with_secrets: bool = True, jobs: int = JOBS, report: Report = lambda _line: None
) -> Taken:
    """Write everything into a new folder below ``to``, named by the time. The program goes on working.

    Tenants' files are copied from wherever they are kept; those in a bucket are downloaded. They are named by their
    content and written before the rows that name them, and deletions wait: so whatever the database of the moment
    names is there to be copied. Raises ``Problem``; then no folder is left.
    """
    _check_target(to)
    target = to.absolute() / f"almanac-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    with _new_folder(target) as partial:
        made = _fill(partial, with_secrets, jobs, report)
        manifest.write(partial, made)
    _record(made)
    return Taken(target, made)


def _check_target(to: Path) -> None:
    if not to.is_dir():
        raise Problem(f"There is no folder {to}.")
    if not os.access(to, os.W_OK | os.X_OK):
        raise Problem(f"The folder {to} cannot be written to.")


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    if target.exists():
        raise Problem(f"{target} exists already: one backup a second.")
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    partial.mkdir(mode=0o700)
    try:
        yield partial
        partial.rename(target)
    except OSError as error:
        raise Problem(
            f"The backup could not be written to {target.parent}: {error.strerror or error}."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _fill(folder: Path, with_secrets: bool, jobs: int, report: Report) -> Manifest:
    with moment.hold() as now:
        _check_room(folder, now)
        head = _head(now, with_secrets)
        tool = pg_tools.find("pg_dump", now.server_version)
        pg_tools.dump(
            tool,
            tables.owner_dsn(),
            folder / DATABASE,
            jobs=jobs,
            snapshot=now.snapshot,
            report=_part(report, "database"),
        )
        notes = _dump_mlflow(folder, jobs, report)
        made = [*stored.copy_out(folder, now, report)]
    made += _tree(Path(settings.MLFLOW_ARTIFACT_ROOT), folder, ARTIFACTS, report)
    made += _rest(folder, with_secrets, notes, report)
    made += [
        _hashed(folder, path)
        for name in (DATABASE, MLFLOW_DATABASE)
        for path in manifest.list_files(folder / name)
    ]
    return replace(head, notes=notes, files=made)


def _check_room(folder: Path, now: Moment) -> None:
    mlflow = Path(settings.MLFLOW_ARTIFACT_ROOT)
    files = stored.total_bytes() + sum(path.stat().st_size for path in manifest.list_files(mlflow))
    needed, free = files + now.bytes // 4, shutil.disk_usage(folder).free
    if free < needed:
        raise Problem(
            f"About {needed / 1e6:.0f} MB are to be written, and {folder.parent} has {free / 1e6:.0f} MB free."
        )


def _head(now: Moment, with_secrets: bool) -> Manifest:
    return Manifest(
        program=engine.__version__,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        server_version=now.server_version,
        database=now.database,
        schemas=now.schemas,
        migrations=now.migrations,
        counts=now.counts,
        fingerprints={name: manifest.fingerprint(name, value) for name, value in effective_secrets().items()},
        has_secrets=with_secrets,
    )


def effective_secrets() -> dict[str, str]:
    """The secrets without which the data is of little use, as this process has them, by the names of their files."""
    peppers, keys = (
        ",".join(f"{version}:{value.hex()}" for version, value in versions.items())
        for versions in (settings.API_KEY_PEPPERS, settings.SECRETS_KEYS)
    )
    signing = base64.b64encode(settings.AUDIT_SIGNING_KEY).decode()
    found = {
        "secret_key": settings.SECRET_KEY,
        "api_key_peppers": peppers,
        "secrets_keys": keys,
        "audit_signing_key": signing,
    }
    return {name: value for name, value in found.items() if value}


def _dump_mlflow(folder: Path, jobs: int, report: Report) -> list[str]:
    """Returns what is to be noted. After the main database: what a row names in MLflow was there before the row."""
    if not settings.MLFLOW_TRACKING_URI:
        return ["MLflow's database is not here: MLFLOW_TRACKING_URI was not set."]
    dsn = pg_tools.from_sqlalchemy(settings.MLFLOW_TRACKING_URI)
    if dsn is None:
        return ["MLflow's database is not here: it is no PostgreSQL; back it up by its own means."]
    with psycopg.connect(dsn) as connection:
        tool = pg_tools.find("pg_dump", connection.info.server_version)
    pg_tools.dump(
        tool,
        dsn,
        folder / MLFLOW_DATABASE,
        jobs=jobs,
        snapshot=None,
        report=_part(report, "MLflow's database"),
    )
    return []


def _rest(folder: Path, with_secrets: bool, notes: list[str], report: Report) -> Iterator[File]:
    """The queue, the simulator's account, the anchors, and the secrets."""
    queue = settings.VAR / "valkey"
    if append_only.is_there(queue):
        with append_only.held_still(settings.REDIS_URL):
            yield from _tree(queue / append_only.FOLDER, folder, f"{QUEUE}/{append_only.FOLDER}", report)
    else:
        notes.append(
            "The queue is not here: a Redis of your own. It holds bells, throttles and log-in codes only."
        )
    account = settings.VAR / "stripe" / "account.sqlite3"
    if account.exists():
        yield _sqlite(account, folder, f"{STRIPE}/{account.name}")
    yield from _tree(settings.ANCHOR_DIR, folder, ANCHORS, report)
    if with_secrets:
        yield from _secrets(folder)


def _tree(root: Path, folder: Path, name: str, report: Report) -> Iterator[File]:
    """Copy the files below ``root`` to ``name`` in the backup."""
    for path in manifest.list_files(root) if root.is_dir() else ():
        relative = f"{name}/{path.relative_to(root)}"
        report(relative)
        with contextlib.suppress(
            FileNotFoundError
        ):  # erased meanwhile; what a row names is copied one by one
            yield replace(manifest.copy(path, folder / relative), path=relative)


def _sqlite(source: Path, folder: Path, relative: str) -> File:
    (folder / relative).parent.mkdir(mode=0o700, exist_ok=True)
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(folder / relative)) as new:
        old.backup(new)
    return _hashed(folder, folder / relative)


def _secrets(folder: Path) -> Iterator[File]:
    """Whatever lies in the folder of secrets, and those that came by environment."""
    (folder / SECRETS).mkdir(mode=0o700)
    source = settings.VAR / SECRETS
    given = {path.name: path.read_text() for path in manifest.list_files(source)} if source.is_dir() else {}
    given |= {name: f"{value}\n" for name, value in effective_secrets().items()}
    for name, text in sorted(given.items()):
        path = folder / SECRETS / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(text)
        yield _hashed(folder, path)


def _hashed(folder: Path, path: Path) -> File:
    return File(str(path.relative_to(folder)), path.stat().st_size, manifest.digest(path))


def _part(report: Report, name: str) -> Report:
    return lambda line: report(f"{name}: {line}")


def _record(made: Manifest) -> None:
    changes: dict[str, Any] = {**made.counts, "files": len(made.files), "secrets": made.has_secrets}
    with system_scope(SystemRole.OPERATOR), transaction.atomic():
        audit.record(action="instance.backed_up", target_type="instance", changes=changes)
