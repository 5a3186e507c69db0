"""``manage.py restore``: the whole instance back from a folder that ``manage.py backup`` made."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from apps.console.instance import manifest, restoring, taking
from apps.console.instance.manifest import Manifest
from apps.console.lines import Lines
from apps.core.request_context import Actor, act_as

WORD = "replace everything"
RESTORED_WITH_FAULTS = 2


class Command(BaseCommand):
    """Works as the owner, into databases that ``tenants.bootstrap`` has made. Nothing else may run meanwhile."""

    help = "Bring databases and files back from a backup, into an empty instance."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Where from, and whether what is there may go."""
        parser.add_argument(
            "--from", required=True, type=Path, dest="source", help="The folder of one backup"
        )
        parser.add_argument("--force", action="store_true", help="Replace what is there, after asking")
        parser.add_argument("--yes", action="store_true", help="With --force: do not ask")
        parser.add_argument("--jobs", type=int, default=taking.JOBS, help="Tables restored at a time (2)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit code 1 with one line that says why."""
        lines = Lines(self.stdout)
        try:
            with act_as(Actor("operator", "", "manage.py restore")):
                done = restoring.restore(
                    source=options["source"],
                    agree=lambda made, there: self._agree(made, there, lines, options),
                    jobs=options["jobs"],
                    report=lines,
                )
        except (manifest.Problem, OperationalError) as error:
            raise CommandError(" ".join(str(error).split())) from error
        finally:
            lines.end()
        if done is None:
            raise CommandError("nothing was changed")
        for warning in done.warnings:
            self.stderr.write(warning)
        self.stdout.write(f"restored the instance of {done.manifest.created_at} after {done.seconds:.0f} s")
        for fault in done.faults:
            self.stderr.write(fault)
        if done.faults:
            raise CommandError(
                f"all is restored, with {len(done.faults)} fault(s)", returncode=RESTORED_WITH_FAULTS
            )

    def _agree(self, made: Manifest, there: list[str], lines: Lines, options: dict[str, Any]) -> bool:
        if not there:
            return True
        lines.end()
        said = f"This instance has data: {', '.join(there)}."
        if not options["force"]:
            raise CommandError(f"{said} Restore into an empty one, or say --force to replace it.")
        self.stdout.write(f"{said} All of it is replaced by the backup of {made.created_at}.")
        if options["yes"]:
            return True
        if not sys.stdin.isatty():
            raise CommandError("not on a terminal: say --yes")
        return input(f"Type '{WORD}' to go on: ") == WORD
