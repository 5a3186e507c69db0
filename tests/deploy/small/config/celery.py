"""Stands in for the workers: they answer the ping."""

from __future__ import annotations

import os

import redis
from celery import Celery

from deploy.local.broker import broker_url

app = Celery("small", broker=broker_url(os.environ["REDIS_URL"]), fixups=[])
app.conf.task_ignore_result = True


@app.task(name="jobs.answer_ping")
def answer_ping(nonce: str) -> None:
    redis.Redis.from_url(os.environ["REDIS_URL"]).set(f"almanac:shared:ping:{nonce}", "1", ex=60)
