"""The duties of the clerk, a small process beside the workers: short work that must not wait behind a training.

Apps register theirs in ``AppConfig.ready``; ``manage.py clerk`` does them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Duty:
    """``work`` is called every ``every_seconds`` in the scope of the system role ``role``, and never twice at a time.

    It must be safe to end anywhere and to call again. ``at_end``: also once when the clerk is told to stop.
    """

    name: str
    every_seconds: float
    work: Callable[[], object]
    role: str
    at_end: bool = False


_duties: dict[str, Duty] = {}


def register(
    name: str, every_seconds: float, work: Callable[[], object], role: str, *, at_end: bool = False
) -> None:
    """Have the clerk do ``work``: see ``Duty``."""
    _duties[name] = Duty(name=name, every_seconds=every_seconds, work=work, role=role, at_end=at_end)


def list_duties() -> list[Duty]:
    """All that are registered."""
    return list(_duties.values())
