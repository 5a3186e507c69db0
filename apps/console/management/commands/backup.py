"""``manage.py backup``: the whole instance into one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.console.instance import manifest, taking
from apps.console.lines import Lines
from apps.core.request_context import Actor, act_as
from tenants.backups.errors import BackupError

WITHOUT_SECRETS = """The backup has no secrets. Keep var/secrets (or what your environment gives) somewhere else:
without the peppers no API key works after a restore, without the secret key everybody must log in anew, and without
the key of the audit log its earlier anchors cannot be verified."""


class Command(BaseCommand):
    """Reads as the owner; the instance goes on working."""

    help = "Back up databases, files, queue and secrets into a new folder below --to."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to, and what to leave out."""
        parser.add_argument("--to", required=True, type=Path, help="The folder in which a new one is made")
        parser.add_argument("--without-secrets", action="store_true", help="Leave the secrets out")
        parser.add_argument("--jobs", type=int, default=taking.JOBS, help="Tables dumped at a time (2)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit code 1 with one line that says why."""
        lines = Lines(self.stdout)
        try:
            with act_as(Actor("operator", "", "manage.py backup")):
                taken = taking.back_up(
                    to=options["to"],
                    with_secrets=not options["without_secrets"],
                    jobs=options["jobs"],
                    report=lines,
                )
        except (manifest.Problem, BackupError) as error:
            raise CommandError(str(error)) from error
        finally:
            lines.end()
        for note in taken.manifest.notes:
            self.stderr.write(note)
        if options["without_secrets"]:
            self.stderr.write(WITHOUT_SECRETS)
        counted = ", ".join(f"{count} {name}" for name, count in taken.manifest.counts.items())
        self.stdout.write(f"{taken.folder}: {counted}, {taken.bytes / 1e6:.1f} MB")
        self.stdout.write(
            "It is not encrypted. Whoever reads it has all tenants' data: keep it where only you can."
        )
