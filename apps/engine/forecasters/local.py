"""Forecasters that look at one series at a time: how their work is shared out, timed and put together."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, ClassVar

import numpy as np

from apps.engine.forecasters.base import Estimate, FitContext, Forecaster, plausible
from apps.engine.panel import Floats, Panel
from apps.engine.serving.state import State
from apps.engine.workers import Clock, Task

OUT_OF_TIME = "the time budget was used up before its turn"
GROWTH = 1.25


class Unfit(Exception):
    """A series that the forecaster cannot take; the message is a reason in words."""


@dataclass(frozen=True)
class Grid:
    """What a series' times say: `season` the main season in steps, `seasons` all of them, and the `horizon`."""

    seasons: tuple[int, ...]
    horizon: int

    @property
    def season(self) -> int:
        """Steps in the main season; 1 when there is none."""
        return self.seasons[0]


@dataclass(frozen=True)
class One:
    """One series' state: its row of each array of the state, and what to reuse at a later cutoff."""

    arrays: Mapping[str, Any]
    hint: str = ""


class LocalForecaster(Forecaster):
    """One model a series. `kind` names the predictor that reads the state."""

    kind: ClassVar[str] = "paths"
    library: ClassVar[str] = "statsforecast"
    import_seconds: ClassVar[float] = 8.0

    @abstractmethod
    def estimate(self, y: Floats, grid: Grid, hint: str) -> One:
        """Fit one series (at least `min_points` long, not constant); raises Unfit with the reason when it cannot."""

    def constant(self, y: Floats, grid: Grid) -> One:
        """The state of a series that never varies."""
        return path(grid, level=float(y[-1]), sigma=np.zeros(grid.horizon))

    def prepare(self) -> None:
        """Import what `estimate` needs, once in each process."""

    def _fit(self, panel: Panel, context: FitContext) -> Estimate:
        grid = Grid(panel.frequency.seasons, context.horizon)
        tasks = [
            Task(self.name, grid, tuple(panel.series(s) for s in rows), _hints(panel, rows, context))
            for rows in context.workers.shares(panel.lengths)
        ]
        found = [one for part in context.workers.run(tasks, context.clock) for one in part]
        kept = {s: one for s, one in enumerate(found) if isinstance(one, One)}
        reasons = {panel.series_ids[s]: one for s, one in enumerate(found) if isinstance(one, str)}
        hints = {panel.series_ids[s]: one.hint for s, one in kept.items() if one.hint}
        return Estimate(State(self.kind, *stacked(kept, len(panel))), reasons, hints)

    def work(self, task: Task, clock: Clock) -> list[One | str]:
        """The state of each series of a task, or why there is none; stops when the clock has run out."""
        self.prepare()
        found: list[One | str] = []
        with _QUIET.warnings(), np.errstate(all="ignore"):
            for y, hint in zip(task.values, task.hints, strict=True):
                found.append(OUT_OF_TIME if clock.is_over() else self._one(y, task.grid, hint))
        return found

    def _one(self, y: Floats, grid: Grid, hint: str) -> One | str:
        if len(y) < self.min_points:
            return f"it has {len(y)} points, {self.min_points} are needed"
        if np.ptp(y) == 0:
            return self.constant(y, grid)
        try:
            return self.estimate(y, grid, hint)
        except Unfit as reason:
            return str(reason)
        except Exception as error:  # noqa: BLE001 - whatever a library raises costs one series, not the panel
            return f"{type(error).__name__}: {error}"


class _Quiet:
    """Silences warnings while at least one thread asks for it.

    The filters of warnings are the process's: two threads that each kept and restored them would let a warning of one
    through in the other.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._asking = 0
        self._filters = warnings.catch_warnings()

    @contextmanager
    def warnings(self) -> Iterator[None]:
        """No warnings inside."""
        with self._lock:
            self._asking += 1
            if self._asking == 1:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore")
        try:
            yield
        finally:
            with self._lock:
                self._asking -= 1
                if self._asking == 0:
                    self._filters.__exit__(None, None, None)


_QUIET = _Quiet()


def choice(hint: str, length: int) -> tuple[str | None, int]:
    """What to reuse, if anything, and the length at which it was searched: "MAM@60" and 70 give ("MAM", 60).

    A series that has grown by GROWTH since is searched anew.
    """
    chosen, _, searched_at = (hint or "@0").partition("@")
    if chosen and length <= GROWTH * int(searched_at):
        return chosen, int(searched_at)
    return None, length


def hint_of(chosen: str, searched_at: int) -> str:
    """The hint that `choice` reads."""
    return f"{chosen}@{searched_at}"


def unit_of(y: Floats, reach: float) -> float:
    """The power of two in which the range of `y`, which varies, is from `reach` to twice that."""
    return float(np.exp2(np.floor(np.log2(np.ptp(y) / reach))))


def path(
    grid: Grid,
    *,
    level: float,
    sigma: Floats,
    trend: Floats | None = None,
    season: Floats | None = None,
    history: Floats | None = None,
    hint: str = "",
) -> One:
    """The state of a forecast kept as its parts: `level` + `trend` f8[H] + `season` f8[H], with `sigma` f8[H].

    With `history` a forecast that leaves its range by far is refused with Unfit.
    """
    none = np.zeros(grid.horizon)
    parts = {"trend": none if trend is None else trend, "season": none if season is None else season}
    mean = level + parts["trend"] + parts["season"]
    if history is not None and not plausible(mean, history):
        raise Unfit("its forecasts leave the range of the data")
    floor = 0.0 if history is None else 1e-9 * float(np.ptp(history))
    safe = np.where(np.isfinite(sigma), np.maximum(sigma, floor), floor)
    return One({"level": level, **parts, "sigma": safe}, hint)


def stacked(found: Mapping[int, One], series: int) -> tuple[Any, Mapping[str, Any], dict[str, Any]]:
    """`fitted` bool[S], meta and arrays of a state, from the rows that there are; rows of unequal length are repeated
    to the longest, as seasons are."""
    names = list(next(iter(found.values())).arrays) if found else []
    arrays: dict[str, Any] = {}
    for name in names:
        values = {s: np.asarray(one.arrays[name]) for s, one in found.items()}
        width = max(value.size for value in values.values())
        first = next(iter(values.values()))
        column = np.zeros((series, width) if first.ndim else series, first.dtype)
        for s, value in values.items():
            column[s] = np.resize(value, width) if first.ndim else value
        arrays[name] = column
    return np.isin(np.arange(series), list(found)), {}, arrays


def _hints(panel: Panel, rows: Sequence[int], context: FitContext) -> tuple[str, ...]:
    return tuple(context.hints.get(panel.series_ids[s], "") for s in rows)
