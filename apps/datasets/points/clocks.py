"""What a clock on some wall shows at a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

INSTANT = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)


def reading_at(at: datetime, zone: str | None) -> datetime:
    """The latest reading of the zone's clock that surely lies not after ``at`` (UTC where it has no zone).

    When the clock is put back, an hour of readings comes twice and nobody can tell which one was meant: they count as the
    second, so that nothing is seen before its time.
    """
    aware = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    if not zone:
        return aware.astimezone(UTC).replace(tzinfo=None)
    shown = aware.astimezone(ZoneInfo(zone))
    if shown.fold or not _comes_twice(shown):
        return shown.replace(tzinfo=None, fold=0)
    minute = shown.replace(second=0, microsecond=0)
    while _comes_twice(minute - MINUTE):
        minute -= MINUTE
    return minute.replace(tzinfo=None) - INSTANT


def _comes_twice(shown: datetime) -> bool:
    return shown.replace(fold=0).utcoffset() != shown.replace(fold=1).utcoffset()
