"""``manage.py audit``: prove that the audit log was not altered, take it as a file, and name the key that signs."""

from __future__ import annotations

import base64
import binascii
import json
import time
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit import anchors, verifying
from apps.audit.chain import INSTANCE
from apps.audit.queries import Filter
from apps.audit.verifying import Fault, Tally
from apps.core.errors import AppError
from apps.core.request_context import Actor, act_as
from apps.core.scope import SystemRole
from apps.dashboard import audit_reading
from tenants import queries as tenants
from tenants.context import system_scope, tenant_scope

OWN: Final = "instance"  # the word for the chain of what belongs to no tenant


class Command(BaseCommand):
    """One subcommand a question; ``verify`` ends with 1 when it finds a fault."""

    help = "Verify, export and anchor the audit log."

    def add_arguments(self, parser: CommandParser) -> None:
        """The subcommands."""
        actions = parser.add_subparsers(dest="action", required=True)
        verify = actions.add_parser(
            "verify", help="Compare every event with its seal, and the seals with the anchors"
        )
        verify.add_argument("--tenant", help=f"One chain: a slug, a tenant's id, or '{OWN}' (default: all)")
        verify.add_argument(
            "--anchors", type=Path, help="The folder of the anchors (default: ALMANAC_ANCHOR_DIR)"
        )
        verify.add_argument("--public-key", help="As 'audit public-key' prints it (default: our own key's)")
        verify.add_argument("--json", action="store_true", help="One JSON document, for programs")
        export = actions.add_parser("export", help="A tenant's events to standard output, newest first")
        export.add_argument("--tenant", required=True, help="The slug")
        export.add_argument("--format", choices=("csv", "ndjson"), default="ndjson")
        actions.add_parser("public-key", help="The key with which anchors can be checked, as base64")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit code 1 with one line that says why."""
        try:
            with act_as(Actor("operator", "", "manage.py audit")):
                getattr(self, f"_{options['action'].replace('-', '_')}")(options)
        except (AppError, anchors.NoSigningKey) as error:
            raise CommandError(str(error)) from error

    def _verify(self, options: dict[str, Any]) -> None:
        chain = _chain(options["tenant"])
        key = _public_key(options["public_key"])
        tally, began, faults = Tally(), time.monotonic(), []
        folder = options["anchors"] or settings.ANCHOR_DIR
        with system_scope(SystemRole.OPERATOR):
            for fault in verifying.verify(tally=tally, folder=folder, public_key=key, chain=chain):
                faults.append(fault)
                if not options["json"]:
                    self.stdout.write(self.style.ERROR(_line(fault)))
        rate = round(tally.events / max(time.monotonic() - began, 1e-9))
        self._report(options, faults, tally, rate)
        if faults:
            raise CommandError(f"{len(faults)} fault(s): the log is not as it was written")

    def _report(self, options: dict[str, Any], faults: list[Fault], tally: Tally, rate: int) -> None:
        if options["json"]:
            document = {
                "faults": [asdict(fault) for fault in faults],
                **asdict(tally),
                "events_per_second": rate,
            }
            self.stdout.write(json.dumps(document, default=str))
            return
        self.stdout.write(
            f"{tally.events:,} events in {tally.chains:,} chains against {tally.anchors:,} anchors, "
            f"{rate:,} events/s; {tally.erased:,} with what was about people erased, "
            f"{tally.unsealed:,} wait for their seal"
        )
        if not faults:
            newest = tally.newest_anchor
            until = f"anchored until {newest}" if newest else "nothing is anchored yet"
            self.stdout.write(self.style.SUCCESS(f"no fault; {until}"))

    def _export(self, options: dict[str, Any]) -> None:
        tenant = tenants.find_by_slug(slug=options["tenant"])
        if tenant is None:
            raise CommandError(f"there is no tenant {options['tenant']!r}")
        key = tenant.key
        wanted = Filter()
        for piece in audit_reading.export(wanted, options["format"], lambda: tenant_scope(key)):
            self.stdout.write(piece.decode(), ending="")

    def _public_key(self, _options: dict[str, Any]) -> None:
        self.stdout.write(base64.b64encode(anchors.public_key()).decode())


def _chain(name: str | None) -> uuid.UUID | None:
    if name in (None, OWN):
        return INSTANCE if name else None
    with system_scope(SystemRole.OPERATOR):
        tenant = tenants.find_by_slug(slug=str(name))
    if tenant is not None:
        return tenant.id
    try:
        return uuid.UUID(str(name))  # an erased tenant has no slug, its chain stays
    except ValueError:
        raise CommandError(f"there is no tenant {name!r}") from None


def _public_key(text: str | None) -> bytes:
    if text is None:
        return anchors.public_key()
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != 32:
        raise CommandError("--public-key must be 32 bytes as base64: see 'manage.py audit public-key'")
    return key


def _line(fault: Fault) -> str:
    chain = OWN if fault.chain == INSTANCE else str(fault.chain or "")
    places = [chain, f"number {fault.number}" if fault.number else "", str(fault.event_id or "")]
    return ": ".join(filter(None, (" ".join(filter(None, places)), fault.text)))
