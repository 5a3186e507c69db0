"""``manage.py ping_workers``: wait until a worker of each queue has really done a task."""

from __future__ import annotations

import time
import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core import cache, redis
from apps.jobs.tasks import answer_ping


class Command(BaseCommand):
    """Sends one task to each queue and waits for its trace in Redis."""

    help = "Wait until a worker of each queue has done a task."

    def add_arguments(self, parser: CommandParser) -> None:
        """``--queues a,b`` and ``--timeout seconds``."""
        parser.add_argument("--queues", default="training,interactive,default")
        parser.add_argument("--timeout", type=float, default=60)

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit code 1 names the queues that nobody serves."""
        waiting = {str(uuid.uuid4()): queue for queue in options["queues"].split(",")}
        for nonce, queue in waiting.items():
            answer_ping.apply_async(args=(nonce,), queue=queue)
        deadline = time.monotonic() + options["timeout"]
        while waiting and time.monotonic() < deadline:
            answered = [
                nonce for nonce in waiting if redis.client().exists(cache.cache_key(None, "ping", nonce))
            ]
            for nonce in answered:
                self.stdout.write(f"{waiting.pop(nonce)}: alive")
            time.sleep(0.1)
        if waiting:
            raise CommandError(f"no worker answers on: {', '.join(sorted(waiting.values()))}")
