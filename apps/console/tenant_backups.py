"""``manage.py tenants backup`` and ``restore``: what the command of the tenants adds for one tenant's data."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, OutputWrapper

from apps.console.lines import Lines
from tenants.backups import restoring, taking
from tenants.backups.errors import BackupError
from tenants.backups.restoring import Plan


def add_parsers(actions: Any) -> None:
    """The two subcommands."""
    backup = actions.add_parser("backup", help="One tenant's data, files and models into one file")
    backup.add_argument("slug")
    backup.add_argument("--to", required=True, type=Path, help="A file, or a folder that gets a file")
    restore = actions.add_parser("restore", help="Put one tenant back to a backup of its own")
    restore.add_argument("slug")
    restore.add_argument("--from", required=True, type=Path, dest="source", help="The file of the backup")
    restore.add_argument("--yes", action="store_true", help="Do not ask to type the slug")
    restore.add_argument(
        "--into-fresh",
        action="store_true",
        help="Another tenant's backup, into a tenant that has no data yet",
    )


def backup(tenant_id: uuid.UUID, options: dict[str, Any], out: OutputWrapper) -> None:
    """``tenants backup <slug> --to <file or folder>``"""
    with _telling(out) as lines:
        taken = taking.back_up(tenant_id=tenant_id, to=options["to"], report=lines)
    rows = sum(table.rows for table in taken.manifest.tables)
    out.write(f"{taken.path}: {rows} row(s), {len(taken.manifest.files)} file(s), {taken.bytes / 1e6:.1f} MB")
    out.write("Whoever reads it reads the tenant's data: keep it where only you can.")


def restore(tenant_id: uuid.UUID, options: dict[str, Any], out: OutputWrapper) -> None:
    """``tenants restore <slug> --from <file>``"""

    def agree(plan: Plan) -> bool:
        lines.end()
        out.write("\n".join(plan.lines()))
        return options["yes"] or _typed(options["slug"])

    with _telling(out) as lines:
        done = restoring.restore(
            tenant_id=tenant_id,
            source=options["source"],
            agree=agree,
            into_fresh=options["into_fresh"],
            report=lines,
        )
    if done is None:
        raise CommandError("nothing was changed")
    out.write(f"{done.tenant} is back at {done.manifest.created_at}, after {done.seconds:.1f} s")


@contextmanager
def _telling(out: OutputWrapper) -> Iterator[Lines]:
    lines = Lines(out)
    try:
        yield lines
    except BackupError as error:
        raise CommandError(str(error)) from error
    finally:
        lines.end()


def _typed(slug: str) -> bool:
    if not sys.stdin.isatty():
        raise CommandError("not on a terminal: say --yes")
    return input("Type the slug to go on: ") == slug
