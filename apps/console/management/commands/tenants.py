"""``manage.py tenants``: the tenants' life cycle from the command line."""

from __future__ import annotations

import getpass
import json
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts import naming
from apps.accounts import queries as people
from apps.accounts import services as accounts
from apps.console import tenant_backups
from apps.console.progress import Progress
from apps.core.errors import AppError
from apps.core.request_context import Actor, act_as
from apps.core.scope import SystemRole
from tenants import checks, erasing, lifecycle, migrating, provisioning, queries, reconciler, services
from tenants.context import system_scope
from tenants.migrating import Outcome
from tenants.models import Tenant, TenantErasure

COLUMNS = ("slug", "state", "plan", "schema", "version", "erase after")
EPILOG = "Passwords are asked for, or read from standard input: arguments can be seen by others."


class Command(BaseCommand):
    """One subcommand a step; changes run as the operator, migrations and erasures as the owner."""

    help = "List, create, suspend, reactivate, rename, delete, erase, migrate, check, back up and restore tenants."

    def add_arguments(self, parser: CommandParser) -> None:
        """The subcommands."""
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="All tenants with state and plan")
        listing.add_argument("--json", action="store_true", help="One JSON document, for programs")
        create = actions.add_parser("create", help="A new tenant with its owner", epilog=EPILOG)
        create.add_argument("company")
        create.add_argument("--slug", required=True, help="The address: <slug>.<base domain>")
        create.add_argument("--email", required=True)
        for name in ("suspend", "reactivate", "cancel-deletion"):
            step = actions.add_parser(name)
            step.add_argument("slug")
            step.add_argument("--reason", required=name == "suspend", default="")
        rename = actions.add_parser("rename", help="Another address; the earlier one keeps leading there")
        rename.add_argument("slug")
        rename.add_argument("new_slug")
        rename.add_argument("--name", help="Another name of the company as well")
        self._add_ends(actions)
        tenant_backups.add_parsers(actions)
        migrate = actions.add_parser(
            "migrate", help="Shared tables first, then each schema that is behind, then the warm pool"
        )
        migrate.add_argument("--jobs", type=_positive, default=2, help="How many at a time (2)")
        migrate.add_argument(
            "--max-failures",
            type=_positive,
            help="Stop at so many failed tenants (1 %% of those behind, at least 1)",
        )
        actions.add_parser("check", help="Tables, owners, grants, policies and versions of every tenant")

    def _add_ends(self, actions: Any) -> None:
        delete = actions.add_parser("delete", help="Close it now, erase it after the grace")
        delete.add_argument("slug")
        delete.add_argument("--reason", required=True)
        delete.add_argument("--grace-days", type=int, default=lifecycle.GRACE_DAYS)
        delete.add_argument("--now", action="store_true", help="No grace: erase at once (needs --yes)")
        delete.add_argument("--yes", action="store_true", help="Do not ask to type the slug")
        erase = actions.add_parser(
            "erase", help="Erase what is due now, not at the next round; all, or one tenant"
        )
        erase.add_argument("slug", nargs="?")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit code 1 with one line that says why."""
        try:
            with act_as(Actor("operator", "", "manage.py tenants")):
                getattr(self, f"_{options['action'].replace('-', '_')}")(options)
        except AppError as error:
            raise CommandError(error.detail) from error

    def _list(self, options: dict[str, Any]) -> None:
        with system_scope(SystemRole.OPERATOR):
            rows = [_row(tenant) for tenant in queries.list_tenants()]
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2))
            return
        table = [COLUMNS, *(tuple(row[name.replace(" ", "_")] or "–" for name in COLUMNS) for row in rows)]
        widths = [max(len(line[column]) for line in table) for column in range(len(COLUMNS))]
        for line in table:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self.stdout.write("  ".join(cells).rstrip())

    def _create(self, options: dict[str, Any]) -> None:
        password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        accounts.check_password(password, options["email"])
        provisioning.refill(size=1)
        _user, tenant = accounts.create_owner(
            company=options["company"], address=options["slug"], email=options["email"], password=password
        )
        self.stdout.write(f"created {tenant.slug}")

    def _suspend(self, options: dict[str, Any]) -> None:
        self._step(services.suspend, options, reason=options["reason"])

    def _reactivate(self, options: dict[str, Any]) -> None:
        self._step(services.reactivate, options, reason=options["reason"])

    def _cancel_deletion(self, options: dict[str, Any]) -> None:
        self._step(services.cancel_deletion, options, reason=options["reason"])

    def _rename(self, options: dict[str, Any]) -> None:
        slug = naming.check_address(options["new_slug"])
        name = naming.clean_company(options["name"]) if options["name"] else None
        self._step(services.rename, options, slug=slug, name=name)

    def _delete(self, options: dict[str, Any]) -> None:
        if options["now"] and not options["yes"]:
            raise CommandError("--now cannot be undone and needs --yes")
        if not options["yes"]:
            self._confirm(options["slug"])
        grace = 0 if options["now"] else options["grace_days"]
        tenant = self._step(
            services.request_deletion, options, reason=options["reason"], grace_days=grace,
            notify=self._owners(options["slug"]),
        )  # fmt: skip
        self.stdout.write(f"its data is erased after {tenant.erase_after:%Y-%m-%d %H:%M} UTC")
        if options["now"]:
            self._erase({"slug": options["slug"]})

    def _erase(self, options: dict[str, Any]) -> None:
        tenants = erasing.list_due()
        if options["slug"]:
            tenants = [tenant for tenant in tenants if tenant.slug == options["slug"]]
            if not tenants:
                raise CommandError(f"no tenant {options['slug']!r} is due to be erased")
        erasures = [reconciler.erase(tenant_id=tenant.id) for tenant in tenants]
        for erasure in erasures:
            self._tell(erasure)
        if not all(erasure.finished_at for erasure in erasures):
            raise CommandError("something is left; it is tried again every 30 seconds")

    def _migrate(self, options: dict[str, Any]) -> None:
        ran = provisioning.migrate_public(self.stdout.write)
        progress = Progress(self.stdout, "schemas")
        outcome = migrating.migrate_tenants(
            jobs=options["jobs"],
            max_failures=options["max_failures"],
            report=lambda now: progress.show(now.migrated + len(now.failures), now.behind, _failed(now)),
        )
        if outcome.behind:
            progress.end()
        self._explain(outcome)
        made = provisioning.refill(size=settings.READY_TENANTS)
        self.stdout.write(
            f"{ran} shared migration(s), {outcome.migrated} tenant(s) brought up to date, {made} schema(s) made ready"
        )

    def _backup(self, options: dict[str, Any]) -> None:
        tenant_backups.backup(self._id(options["slug"]), options, self.stdout)

    def _restore(self, options: dict[str, Any]) -> None:
        tenant_backups.restore(self._id(options["slug"]), options, self.stdout)

    def _check(self, _options: dict[str, Any]) -> None:
        faults = checks.find_faults()
        for fault in faults:
            self.stderr.write(fault)
        if faults:
            raise CommandError(f"{len(faults)} fault(s)")
        self.stdout.write("all tenant tables are owned, granted and at the program's version")

    def _step(self, service: Any, options: dict[str, Any], **arguments: Any) -> Tenant:
        with system_scope(SystemRole.OPERATOR):
            tenant: Tenant = service(tenant_id=self._id(options["slug"]), **arguments)
        self.stdout.write(f"{tenant.slug} is {tenant.state}")
        return tenant

    def _id(self, slug: str) -> Any:
        tenant = queries.find_by_slug(slug=slug)
        if tenant is None:
            raise CommandError(f"there is no tenant {slug!r}")
        return tenant.id

    def _owners(self, slug: str) -> list[str]:
        return list(people.list_owner_emails(tenant_id=self._id(slug)))

    def _confirm(self, slug: str) -> None:
        if not sys.stdin.isatty():
            raise CommandError("not on a terminal: say --yes")
        self._id(slug)
        if input(f"This closes {slug} and then erases all it has. Type its slug: ") != slug:
            raise CommandError("nothing was deleted")

    def _tell(self, erasure: TenantErasure) -> None:
        if erasure.finished_at:
            self.stdout.write(f"{erasure.slug} is erased; certificate {erasure.id}")
            return
        for check in erasure.checks:
            for line in check["left"]:
                self.stderr.write(f"{erasure.slug}: {check['name']}: {line}")

    def _explain(self, outcome: Outcome) -> None:
        """What did not go well; an error for failures."""
        if outcome.ahead:
            self.stderr.write(
                f"{len(outcome.ahead)} tenant(s) have migrations that this program does not know"
            )
        for failure in outcome.failures:
            self.stderr.write(str(failure))
        if outcome.failures:
            rest = outcome.behind - outcome.migrated - len(outcome.failures) - len(outcome.ahead)
            stopped = f"; stopped with {rest} not tried" if outcome.stopped and rest else ""
            raise CommandError(f"{len(outcome.failures)} tenant(s) failed and are as they were{stopped}")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _failed(outcome: Outcome) -> str:
    return f"({len(outcome.failures)} failed)" if outcome.failures else ""


def _row(tenant: Tenant) -> dict[str, Any]:
    limits = getattr(tenant, "limits", None)
    return {
        "slug": tenant.slug,
        "name": tenant.name,
        "state": tenant.state,
        "plan": limits.plan if limits else None,
        "schema": tenant.schema_name,
        "version": tenant.schema_version,
        "erase_after": f"{tenant.erase_after:%Y-%m-%dT%H:%M:%SZ}" if tenant.erase_after else None,
    }
