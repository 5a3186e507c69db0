"""Calendar arithmetic of billing periods, in UTC."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta

_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}


def add_intervals(anchor: int, interval: str, count: int) -> int:
    """The moment `count` intervals after the anchor; the 31st becomes the last day of a shorter month."""
    moment = datetime.fromtimestamp(anchor, UTC)
    if interval in _DAYS:
        return int((moment + timedelta(days=_DAYS[interval] * count)).timestamp())
    years, month = divmod(moment.month - 1 + _MONTHS[interval] * count, 12)
    year = moment.year + years
    last = calendar.monthrange(year, month + 1)[1]
    return int(moment.replace(year=year, month=month + 1, day=min(moment.day, last)).timestamp())


def end_of_period(anchor: int, start: int, interval: str, interval_count: int) -> int:
    """The first boundary of the anchor's grid after `start`."""
    steps = 1
    while (end := add_intervals(anchor, interval, steps * interval_count)) <= start:
        steps += 1
    return end
