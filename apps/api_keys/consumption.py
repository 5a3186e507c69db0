"""What keys used this month. Usage stands above, so it registers who counts."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection

Reader = Callable[[Collection[uuid.UUID]], dict[uuid.UUID, int]]
_readers: list[Reader] = []


def register(reader: Reader) -> None:
    """``reader`` gives forecast points of the month by ``counter_id``, for the tenant in scope."""
    _readers[:] = [reader]


def used_this_month(counter_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Forecast points by ``counter_id``; 0 for those that used none."""
    used = _readers[0](counter_ids) if _readers else {}
    return {each: used.get(each, 0) for each in counter_ids}
