"""``manage.py clerk``: seals what was written and sends what is to be told, until it is told to stop."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from apps.core import clerk
from apps.core.clerk import Duty
from tenants.context import system_scope

log = structlog.get_logger(__name__)
LONGEST_PAUSE_SECONDS = 30.0


class Command(BaseCommand):
    """One thread a duty, so that a slow mail server does not hold up the sealing."""

    help = "Do the short periodic work: seal the audit log, anchor it, send mail."

    def add_arguments(self, parser: CommandParser) -> None:
        """``--once`` for hands and tests."""
        parser.add_argument("--once", action="store_true", help="Do each duty once, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ends on SIGTERM and SIGINT, after the work in hand."""
        if options["once"]:
            failed = [duty.name for duty in clerk.list_duties() if not attempt(duty)]
            if failed:
                raise CommandError(f"failed: {', '.join(failed)}; see the log")
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        run(stop)


def run(stop: threading.Event) -> None:
    """Do all duties until ``stop`` is set, then those that are due at the end."""
    threads = [
        threading.Thread(target=_repeat, args=(duty, stop), name=duty.name, daemon=True)
        for duty in clerk.list_duties()
    ]
    for thread in threads:
        thread.start()
    log.info("clerk_started", duties=[duty.name for duty in clerk.list_duties()])
    for thread in threads:
        thread.join()
    for duty in clerk.list_duties():
        if duty.at_end:
            attempt(duty)


def attempt(duty: Duty) -> bool:
    """Do a duty once; a failure is logged, as the next time may go well."""
    try:
        with system_scope(duty.role):
            duty.work()
    except Exception:
        log.exception("duty_failed", duty=duty.name)
        connections.close_all()
        return False
    return True


def _repeat(duty: Duty, stop: threading.Event) -> None:
    pause = 0.0
    try:
        while not stop.wait(pause):
            began = time.monotonic()
            went_well = attempt(duty)
            # While the database is away, ask less and less often.
            longest = max(LONGEST_PAUSE_SECONDS, duty.every_seconds)
            pause = duty.every_seconds if went_well else min(2 * max(pause, duty.every_seconds), longest)
            pause = max(0.0, pause - (time.monotonic() - began))
    finally:
        connections.close_all()
