"""When and from where keys were last used: noted in a request without a wait, written by the watcher's thread."""

from __future__ import annotations

import os
import threading
import uuid
from datetime import datetime
from typing import Final

from django.db import connection
from django.utils import timezone

EVERY_SECONDS: Final = 60.0
# At most one write per key and minute, whatever other processes noted; a row that is held by somebody is left out.
_WRITE: Final = """
WITH used AS (
    SELECT * FROM unnest(%s::uuid[], %s::timestamptz[], %s::inet[]) AS u (id, at, ip)
), free AS (
    SELECT k.id FROM api_keys_apikey k JOIN used u USING (id)
    WHERE k.last_used_at IS NULL OR k.last_used_at <= u.at - interval '1 minute'
    ORDER BY k.id FOR UPDATE OF k SKIP LOCKED
)
UPDATE api_keys_apikey k SET last_used_at = u.at, last_used_ip = u.ip
FROM used u JOIN free f USING (id) WHERE k.id = u.id
"""
_lock = threading.Lock()
_waiting: dict[uuid.UUID, tuple[datetime, str | None]] = {}


def note(key_id: uuid.UUID, ip: str | None) -> None:
    """Have the use of a key written down soon."""
    with _lock:
        _waiting[key_id] = (timezone.now(), ip)


def write() -> None:
    """Write what was noted, in one statement; kept for the next time where that fails. Runs as the edge."""
    with _lock:
        uses = dict(_waiting)
        _waiting.clear()
    if not uses:
        return
    try:
        with connection.cursor() as cursor:
            moments, addresses = zip(*uses.values(), strict=True)
            cursor.execute(_WRITE, [list(uses), list(moments), list(addresses)])
    except BaseException:
        with _lock:
            for key_id, use in uses.items():
                _waiting.setdefault(key_id, use)
        raise


def _begin_anew() -> None:
    """A fork does not know whether somebody held the lock; what was noted is the parent's to write."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _waiting.clear()


os.register_at_fork(after_in_child=_begin_anew)
