"""``manage.py create_operator alice@example.com``: a person who may use the operator's console."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts import services
from apps.core.errors import AppError
from apps.core.request_context import Actor, act_as


class Command(BaseCommand):
    """Asks for the password, or reads it from standard input; never from the arguments, which others can see."""

    help = "Make a person who may use the operator's console."

    def add_arguments(self, parser: CommandParser) -> None:
        """One e-mail address."""
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit code 1 where the address is taken or the password too weak."""
        password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        try:
            services.check_password(password, options["email"])
            with act_as(Actor("operator", "", "manage.py create_operator")):
                user = services.create_operator(email=options["email"], password=password)
        except AppError as error:
            raise CommandError(error.detail) from None
        self.stdout.write(f"{user.email} may sign in at /admin/")
