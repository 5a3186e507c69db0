"""What is sent: ``{"type", "timestamp", "data"}``, written once, so that each attempt sends the same bytes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from apps.core.ids import public_id


def message_id(event_id: uuid.UUID) -> str:
    """By which a receiver knows an event that comes again."""
    return public_id("evt", event_id)


def write(*, type: str, occurred_at: datetime, data: Mapping[str, Any]) -> str:
    """The body as text."""
    at = occurred_at.isoformat().replace("+00:00", "Z")
    content = {"type": type, "timestamp": at, "data": dict(data)}
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
