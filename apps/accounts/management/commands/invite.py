"""``manage.py invite alice@example.com``: a link with which that address may sign up where SIGNUP=invite."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts import services
from apps.accounts.errors import EmailMalformed


class Command(BaseCommand):
    """Prints the link; nothing is stored, as the link itself is signed."""

    help = "Print a link with which an e-mail address may sign up (for SIGNUP=invite); good for 7 days."

    def add_arguments(self, parser: CommandParser) -> None:
        """One e-mail address, and where the service is reached."""
        parser.add_argument("email")
        parser.add_argument("--url", default=settings.PUBLIC_URL)

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the link on a line of its own."""
        try:
            invitation = services.invite_to_sign_up(email=options["email"])
        except EmailMalformed as error:
            raise CommandError(error.detail) from None
        self.stdout.write(f"{options['url'].rstrip('/')}/signup/?{urlencode({'invitation': invitation})}")
