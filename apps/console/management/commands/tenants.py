"""``manage.py tenants``: the tenants' life cycle from the command line."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts import services as accounts
from apps.core.errors import AppError
from apps.core.request_context import Actor, act_as
from apps.core.scope import SystemRole
from tenants import checks, provisioning, queries, services
from tenants.context import system_scope
from tenants.models import Tenant


class Command(BaseCommand):
    """One subcommand a step; changes run as the operator, migrations as the owner."""

    help = "List, create, suspend, reactivate, migrate and check tenants."

    def add_arguments(self, parser: CommandParser) -> None:
        """The subcommands."""
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="All tenants with state and plan")
        create = actions.add_parser("create", help="A new tenant with its owner")
        create.add_argument("company")
        create.add_argument("--slug", required=True, help="The address: <slug>.<base domain>")
        create.add_argument("--email", required=True)
        create.add_argument("--password", required=True)
        for name in ("suspend", "reactivate"):
            step = actions.add_parser(name)
            step.add_argument("slug")
            step.add_argument("--reason", required=name == "suspend", default="")
        actions.add_parser(
            "migrate", help="Shared tables first, then each schema that is behind, then the warm pool"
        )
        actions.add_parser("check", help="Owners, grants and row-level security of every tenant table")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit code 1 with one line that says why."""
        try:
            with act_as(Actor("operator", "", "manage.py tenants")):
                getattr(self, f"_{options['action']}")(options)
        except AppError as error:
            raise CommandError(error.detail) from error

    def _list(self, _options: dict[str, Any]) -> None:
        with system_scope(SystemRole.OPERATOR):
            for tenant in queries.list_tenants():
                self.stdout.write(
                    f"{tenant.slug:<40} {tenant.state:<10} {tenant.limits.plan:<10} {tenant.schema_name}"
                )

    def _create(self, options: dict[str, Any]) -> None:
        provisioning.refill(size=1)
        _user, tenant = accounts.create_owner(
            company=options["company"],
            address=options["slug"],
            email=options["email"],
            password=options["password"],
        )
        self.stdout.write(f"created {tenant.slug}")

    def _suspend(self, options: dict[str, Any]) -> None:
        self._move("suspend", options)

    def _reactivate(self, options: dict[str, Any]) -> None:
        self._move("reactivate", options)

    def _move(self, step: str, options: dict[str, Any]) -> None:
        with system_scope(SystemRole.OPERATOR):
            tenant: Tenant = getattr(services, step)(
                tenant_id=self._id(options["slug"]), reason=options["reason"]
            )
        self.stdout.write(f"{tenant.slug} is {tenant.state}")

    def _id(self, slug: str) -> Any:
        tenant = queries.find_by_slug(slug=slug)
        if tenant is None:
            raise CommandError(f"there is no tenant {slug!r}")
        return tenant.id

    def _migrate(self, _options: dict[str, Any]) -> None:
        from django.conf import settings

        ran = provisioning.migrate_public(self.stdout.write)
        behind = provisioning.migrate_tenants(self.stdout.write)
        made = provisioning.refill(size=settings.READY_TENANTS)
        self.stdout.write(
            f"{ran} shared migration(s), {behind} tenant(s) brought up to date, {made} schema(s) made ready"
        )

    def _check(self, _options: dict[str, Any]) -> None:
        faults = checks.find_faults()
        for fault in faults:
            self.stderr.write(fault)
        if faults:
            raise CommandError(f"{len(faults)} fault(s)")
        self.stdout.write("all tenant tables are owned, granted and at the program's version")
