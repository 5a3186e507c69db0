"""Every candidate in the backtest: its forecasts in each window, its line of the leaderboard, or why it has none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from apps.engine import backtest, checkpoints, efforts, errors
from apps.engine.backtest import Outcome, Window
from apps.engine.checkpoints import Desk, Done, Standing
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
    restored: bool = False


@dataclass(frozen=True)
class Bench:
    """What every candidate is tried on: the windows of a panel with `series` series, the spec, who works, and until
    when; `now` tells seconds for the leaderboard; `desk` keeps what is done; `totals` are rows that sum up others."""

    windows: Sequence[Window]
    series: int
    spec: Spec
    clock: Clock
    workers: Workers
    now: Callable[[], float]
    desk: Desk | None = None
    totals: tuple[int, ...] = ()

    def context(self) -> FitContext:
        """How a candidate is fitted in a window."""
        return FitContext(
            self.spec.horizon,
            self.spec.seed,
            self.spec.threads,
            clock=self.clock,
            workers=self.workers,
            patience=efforts.PATIENCE[self.spec.effort],
            pretrained=self.spec.pretrained,
        )


def try_all(forecasters: Sequence[Forecaster], bench: Bench, progress: Progress) -> list[Trial]:
    """A trial for each, in the given order; the seasonal naive comes first and stands in for what others leave out."""
    trials: list[Trial] = []
    share = (LAST_PERCENT - FIRST_PERCENT) / len(forecasters)
    digest = checkpoints.digest(bench.windows, bench.context()) if bench.desk and bench.windows else ""
    for i, forecaster in enumerate(forecasters):
        low = FIRST_PERCENT + i * share
        progress(f"{forecaster.label}: starting", low)
        _show(forecasters, trials, bench.desk)
        naive = trials[0].outcome if trials else None
        tick = _ticker(forecaster, bench, progress, low, share)
        trials.append(_kept(forecaster, bench, naive, digest) or _try(forecaster, bench, naive, tick))
        _keep(trials[-1], bench, digest)
    _show(forecasters, trials, bench.desk)
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
        empty,
        mase=found.mase,
        smape=found.smape,
        rmsse=found.rmsse,
        wape=wape,
        step_mase=found.step_mase,
        cost=_cost(bench, forecasts),
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
    return _scored_trial(forecaster, bench, naive, Done(outcome, bench.now() - started))


def _scored_trial(forecaster: Forecaster, bench: Bench, naive: Outcome | None, done: Done) -> Trial:
    empty, outcome = line(forecaster.name, forecaster.label, len(bench.windows)), done.outcome
    stand_in = naive or outcome
    whole = [backtest.filled(f, n) for f, n in zip(outcome.forecasts, stand_in.forecasts, strict=True)]
    left = int(np.sum(np.isnan(outcome.forecasts[0][:, 0])))
    found = replace(scored(empty, bench, whole), seconds=done.seconds, fallback_series=left)
    return Trial(forecaster, found, outcome)


def _kept(forecaster: Forecaster, bench: Bench, naive: Outcome | None, digest: str) -> Trial | None:
    """The trial as an earlier attempt left it; None where there is none."""
    if bench.desk is None or not digest:
        return None
    data = bench.desk.find(checkpoints.key(digest, forecaster))
    done = checkpoints.unpack(data, bench.windows, bench.spec.horizon) if data is not None else None
    return None if done is None else replace(_scored_trial(forecaster, bench, naive, done), restored=True)


def _keep(trial: Trial, bench: Bench, digest: str) -> None:
    """Keep what is done; a failure is tried again by the next attempt."""
    if bench.desk is not None and digest and trial.outcome is not None and not trial.restored:
        data = checkpoints.pack(Done(trial.outcome, trial.line.seconds))
        bench.desk.keep(checkpoints.key(digest, trial.forecaster), data)


def _show(forecasters: Sequence[Forecaster], trials: Sequence[Trial], desk: Desk | None) -> None:
    """Tell the desk how all candidates stand: the first one without a trial is under way."""
    if desk is None:
        return
    judged = _judged(list(trials)) if trials else []
    done = [
        Standing(
            t.forecaster.name, t.forecaster.label, "failed" if t.line.error else "done", t.line, t.restored
        )
        for t in judged
    ]
    rest = forecasters[len(done) :]
    desk.show(done + [Standing(f.name, f.label, "waiting" if i else "running") for i, f in enumerate(rest)])


def _cost(bench: Bench, forecasts: Sequence[Floats]) -> float | None:
    costs = bench.spec.costs
    if costs is None:
        return None
    total = 0.0
    for window, forecast in zip(bench.windows, forecasts, strict=True):
        # A total's error is money that its parts' errors are already.
        own = ~np.isin(window.rows, bench.totals)
        total += float(backtest.costed(window.actual[own], forecast[own], costs).sum())
    return total


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
