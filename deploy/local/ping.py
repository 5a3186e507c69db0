"""`python -m deploy.local.ping QUEUE…`: wait until a worker of each queue has really done a task.

Needs neither Django nor the application: it sends the task by name. A worker that is busy with a long job
left from an earlier run cannot take the task; it counts as alive when its parent process answers.
"""

from __future__ import annotations

import os
import sys
import time
import uuid

import redis
from celery import Celery

from deploy.local.broker import broker_url

TASK = "jobs.answer_ping"
PATIENCE_SECONDS = 15.0
TIMEOUT_SECONDS = 120.0


def main(queues: list[str]) -> int:
    url = os.environ["REDIS_URL"]
    application = Celery(broker=broker_url(url))
    client = redis.Redis.from_url(url)
    waiting = {queue: str(uuid.uuid4()) for queue in queues}
    for queue, nonce in waiting.items():
        application.send_task(TASK, args=[nonce], queue=queue, ignore_result=True)
    began = time.monotonic()
    while waiting and time.monotonic() - began < TIMEOUT_SECONDS:
        waiting = {
            queue: nonce
            for queue, nonce in waiting.items()
            if not client.exists(f"almanac:shared:ping:{nonce}")
        }
        if waiting and time.monotonic() - began > PATIENCE_SECONDS:
            served = busy_queues(application)
            waiting = {queue: nonce for queue, nonce in waiting.items() if queue not in served}
        time.sleep(0.1)
    if waiting:
        print(f"no worker answers on: {', '.join(sorted(waiting))}", file=sys.stderr)
    return 1 if waiting else 0


def busy_queues(application: Celery) -> set[str]:
    """Queues served by a worker whose processes are all at work."""
    inspect = application.control.inspect(timeout=1.0)
    active, queues = inspect.active() or {}, inspect.active_queues() or {}
    return {queue["name"] for worker, tasks in active.items() if tasks for queue in queues.get(worker, [])}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
