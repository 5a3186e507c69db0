"""Every candidate in the backtest: its forecasts in each window, its line of the leaderboard, or why it has none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from apps.engine import backtest, efforts, errors
from apps.engine.backtest import Outcome, Window
from apps.engine.contracts import Candidate, Progress, Spec
from apps.engine.forecasters import NAIVE, FitContext, Forecaster
from apps.engine.panel import Floats
from apps.engine.workers import Clock, Workers

FIRST_PERCENT, LAST_PERCENT = 2.0, 80.0


@dataclass(frozen=True)
class Trial:
    """A candidate after its backtest: its line of the leaderboard and, unless it failed, its forecasts."""

    forecaster: Forecaster
    line: Candidate
    outcome: Outcome | None


@dataclass(frozen=True)
class Bench:
    """What every candidate is tried on: the windows of a panel with `series` series, the spec, who works, and until
    when; `now` tells seconds for the leaderboard."""

    windows: Sequence[Window]
    series: int
    spec: Spec
    clock: Clock
    workers: Workers
    now: Callable[[], float]

    def context(self) -> FitContext:
        """How a candidate is fitted in a window."""
        return FitContext(
            self.spec.horizon,
            self.spec.seed,
            self.spec.threads,
            clock=self.clock,
            workers=self.workers,
            patience=efforts.PATIENCE[self.spec.effort],
        )


def try_all(forecasters: Sequence[Forecaster], bench: Bench, progress: Progress) -> list[Trial]:
    """A trial for each, in the given order; the seasonal naive comes first and stands in for what others leave out."""
    trials: list[Trial] = []
    share = (LAST_PERCENT - FIRST_PERCENT) / len(forecasters)
    for i, forecaster in enumerate(forecasters):
        low = FIRST_PERCENT + i * share
        progress(f"{forecaster.label}: starting", low)
        naive = trials[0].outcome if trials else None
        trials.append(_try(forecaster, bench, naive, _ticker(forecaster, bench, progress, low, share)))
    return _judged(trials)


def cannot_start(forecaster: Forecaster, clock: Clock) -> bool:
    """Whether what is left of the time would be gone by importing the forecaster's library."""
    left = clock.left_seconds
    if left is None:
        return False
    return left <= (0.0 if forecaster.library in sys.modules else forecaster.import_seconds)


def line(forecaster_name: str, label: str, windows: int) -> Candidate:
    """An empty line of the leaderboard."""
    return Candidate(forecaster_name, label, None, None, None, None, windows, 0.0, None, selected=False)


def scored(empty: Candidate, bench: Bench, forecasts: Sequence[Floats]) -> Candidate:
    """The line with the errors of these forecasts, f8[R, H] a window."""
    found = backtest.score(bench.windows, forecasts, bench.series)
    wape = found.wape if np.isfinite(found.wape) else None
    return replace(
        empty, mase=found.mase, smape=found.smape, rmsse=found.rmsse, wape=wape, step_mase=found.step_mase
    )


def words(error: Exception) -> str:
    """What went wrong, in words."""
    return error.detail if isinstance(error, errors.EngineError) else f"{type(error).__name__}: {error}"


def served(outcome: Outcome, windows: Sequence[Window], series: int) -> NDArray[np.bool_]:
    """Which series of the panel the candidate forecast in any window; bool[S]."""
    found = np.zeros(series, bool)
    for window, forecasts in zip(windows, outcome.forecasts, strict=True):
        found[window.rows] |= np.isfinite(forecasts).all(axis=1)
    return found


def _try(forecaster: Forecaster, bench: Bench, naive: Outcome | None, tick: Callable[[int], None]) -> Trial:
    empty = line(forecaster.name, forecaster.label, len(bench.windows))
    if not bench.windows:
        return Trial(forecaster, empty, None)
    started = bench.now()
    try:
        if forecaster.name != NAIVE and cannot_start(forecaster, bench.clock):
            raise errors.OutOfTime(forecaster=forecaster.label)
        context = bench.context()
        outcome = backtest.run(
            forecaster, bench.windows, replace(context, clock=Clock()) if naive is None else context, tick
        )
    except Exception as error:  # noqa: BLE001 - whatever a library raises must not sink the other candidates
        failed = replace(empty, seconds=bench.now() - started, error=words(error))
        return Trial(forecaster, failed, None)
    stand_in = naive or outcome
    whole = [backtest.filled(f, n) for f, n in zip(outcome.forecasts, stand_in.forecasts, strict=True)]
    left = int(np.sum(np.isnan(outcome.forecasts[0][:, 0])))
    found = replace(scored(empty, bench, whole), seconds=bench.now() - started, fallback_series=left)
    return Trial(forecaster, found, outcome)


def _ticker(
    forecaster: Forecaster, bench: Bench, progress: Progress, low: float, share: float
) -> Callable[[int], None]:
    count = len(bench.windows)

    def tick(done: int) -> None:
        progress(f"{forecaster.label}: window {done} of {count}", low + share * done / count)

    return tick


def _judged(trials: list[Trial]) -> list[Trial]:
    """The trials, with whether each beats the seasonal naive."""
    naive = next(t for t in trials if t.forecaster.name == NAIVE).line.mase
    return [
        t
        if t.line.mase is None or naive is None or t.forecaster.name == NAIVE
        else replace(t, line=replace(t.line, beats_naive=t.line.mase < naive))
        for t in trials
    ]
