"""Months as billing knows them: ``2026-11``, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def period_of(moment: datetime) -> str:
    """The month of an aware moment, such as ``2026-11``."""
    return moment.astimezone(UTC).strftime("%Y-%m")


def start_of(period: str) -> datetime:
    """The first moment of a month."""
    year, month = (int(part) for part in period.split("-"))
    return datetime(year, month, 1, tzinfo=UTC)


def end_of(period: str) -> datetime:
    """The first moment of the month after: when quotas begin anew."""
    start = start_of(period)
    return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
