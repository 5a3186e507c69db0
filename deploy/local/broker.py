"""kombu's spelling of a Redis URL."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlsplit


def broker_url(redis_url: str) -> str:
    """A Unix socket is `redis+socket://`; everything else stays."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{quote(parts.path)}?virtual_host={database}"
