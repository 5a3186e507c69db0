"""Versions follow each other, so what they say does too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from apps.datasets.points.manifest import Entry
from apps.datasets.points.parts import moment


def not_before(entries: Sequence[Entry], known_at: datetime) -> datetime:
    """``known_at`` (UTC, without zone), but never before that of an entry: a clock that went back turns no order round."""
    moments = [moment(known_at), *(moment(entry.not_before) for entry in entries)]
    return max(each for each in moments if each is not None)
