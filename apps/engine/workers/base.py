"""What workers are: tasks, the clock they keep, and the worker that is this process."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from apps.engine.contracts import Spec
from apps.engine.panel import Floats, Ints

POINTS_A_SHARE = 20_000
SERIES_A_SHARE = 50  # a second or two of work: small enough that workers end together


@dataclass(frozen=True)
class Task:
    """A share of the series for a local forecaster: their values, and a hint each from an earlier cutoff."""

    forecaster: str
    grid: Any
    values: tuple[Floats, ...]
    hints: tuple[str, ...]


@dataclass(frozen=True)
class Clock:
    """When work must end: `ends_at` as `now` tells the time in seconds; None never."""

    ends_at: float | None = None
    now: Callable[[], float] = time.monotonic

    def is_over(self) -> bool:
        """Whether the time is used up."""
        return self.ends_at is not None and self.now() >= self.ends_at

    @property
    def left_seconds(self) -> float | None:
        """Seconds that are left; None without a limit."""
        return None if self.ends_at is None else max(self.ends_at - self.now(), 0.0)


class Workers(Protocol):
    """Runs tasks somewhere."""

    def shares(self, lengths: Ints) -> list[Sequence[int]]:
        """How series of these lengths are shared out: rows in order."""
        ...

    def run(self, tasks: Sequence[Task], clock: Clock) -> list[list[Any]]:
        """The answer to each task, in order."""
        ...


@dataclass(frozen=True)
class InThisProcess:
    """One share after the other, here."""

    count: int = field(default=1, init=False)

    def shares(self, lengths: Ints) -> list[Sequence[int]]:
        """See `Workers`."""
        return [range(len(lengths))]

    def run(self, tasks: Sequence[Task], clock: Clock) -> list[list[Any]]:
        """See `Workers`."""
        return [perform(task, clock) for task in tasks]


def perform(task: Task, clock: Clock) -> list[Any]:
    """What the task's forecaster says to it."""
    from apps.engine.forecasters import REGISTRY
    from apps.engine.forecasters.local import LocalForecaster

    forecaster = REGISTRY[task.forecaster]
    assert isinstance(forecaster, LocalForecaster)
    return list(forecaster.work(task, clock))


def equal_shares(lengths: Ints) -> list[Sequence[int]]:
    """Rows in order, cut where a share has enough points or series; the same whatever runs them."""
    shares: list[Sequence[int]] = []
    start = 0
    points = np.cumsum(lengths)
    while start < len(lengths):
        before = int(points[start - 1]) if start else 0
        end = int(np.searchsorted(points, before + POINTS_A_SHARE)) + 1
        end = min(end, start + SERIES_A_SHARE, len(lengths))
        shares.append(range(start, end))
        start = end
    return shares


def open_workers(spec: Spec) -> contextlib.AbstractContextManager[Workers]:
    """Who does the work that `spec` asks for."""
    del spec
    return contextlib.nullcontext(InThisProcess())
