"""``manage.py seed_demo``: the demo tenant, told in JSON lines that ``make up`` shows as progress."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.console import demo
from apps.core.errors import AppError


class Command(BaseCommand):
    """Prints ``{"stage", "percent"}`` lines, then ``{"result"}``; safe to run again."""

    help = "Make the demo tenant acme with data, a trained model and a key."

    def handle(self, *args: Any, **options: Any) -> None:
        """Passwords and the key's seed come from the environment and are the same at each run."""
        if not (settings.DEMO_PASSWORD and settings.DEMO_OPERATOR_PASSWORD and settings.DEMO_KEY_SEED):
            raise CommandError(
                "Set ALMANAC_DEMO_PASSWORD, ALMANAC_OPERATOR_PASSWORD and ALMANAC_DEMO_API_KEY_SECRET."
            )
        try:
            made = demo.seed(
                password=settings.DEMO_PASSWORD,
                operator_password=settings.DEMO_OPERATOR_PASSWORD,
                key_seed=settings.DEMO_KEY_SEED,
                report=self._report,
            )
        except (AppError, demo.DemoFailed) as error:
            raise CommandError(str(error)) from error
        self._line({"result": made.as_json()})

    def _report(self, stage: str, percent: float) -> None:
        self._line({"stage": stage, "percent": round(percent, 1)})

    def _line(self, content: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(content))
        self.stdout.flush()
