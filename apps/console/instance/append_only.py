"""The append-only file of the embedded Valkey: a folder of files that a list of its own names."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import redis

FOLDER: Final = "appendonlydir"
_SETTING: Final = "auto-aof-rewrite-percentage"
_PATIENCE_SECONDS: Final = 60.0


def is_there(home: Path) -> bool:
    """Whether the server whose data is in ``home`` keeps an append-only file."""
    return (home / FOLDER).is_dir()


@contextlib.contextmanager
def held_still(url: str) -> Iterator[None]:
    """No rewriting inside the block, so that the files that are listed stay; commands go on being appended.

    What is cut off at the copy's end is one command, which the server drops when it loads it. A server that is down
    writes nothing.
    """
    client = redis.Redis.from_url(url, socket_timeout=5, decode_responses=True)
    try:
        before = str(client.config_get(_SETTING)[_SETTING])
    except redis.ConnectionError:
        yield
        return
    client.config_set(_SETTING, "0")
    try:
        end = time.monotonic() + _PATIENCE_SECONDS
        while client.info("persistence")["aof_rewrite_in_progress"] and time.monotonic() < end:
            time.sleep(0.2)
        yield
    finally:
        client.config_set(_SETTING, before)
        client.close()
