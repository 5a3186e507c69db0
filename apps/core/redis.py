"""The one Redis client of this process."""

from __future__ import annotations

import functools

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry


@functools.cache
def client() -> redis.Redis:
    """A pooled client of ``REDIS_URL``; its connections are made on first use. Times out after 2 s.

    A lost connection is made anew once and at once: the package's own three tries with growing pauses would hold a
    request for five seconds while Redis is away.
    """
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=2,
        socket_connect_timeout=2,
        decode_responses=True,
        retry=Retry(NoBackoff(), 1),
    )
