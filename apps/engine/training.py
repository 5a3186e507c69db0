"""Training: backtest every candidate, weigh them, fit those that count on all points, calibrate, and pack the bundle."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from apps.engine import (
    backtest,
    bundle,
    calibration,
    cold_start,
    efforts,
    ensemble,
    errors,
    keeping,
    preparing,
    reconciling,
    trials,
)
from apps.engine.backtest import Window
from apps.engine.checkpoints import Desk
from apps.engine.contracts import AUTO, Backtest, Candidate, Progress, Spec, TrainResult
from apps.engine.forecasters import NAIVE, PRETRAINED, Fitted
from apps.engine.packing import Chosen, pack_model
from apps.engine.panel import Floats, Panel
from apps.engine.preparing import Prepared
from apps.engine.trials import Bench, Trial
from apps.engine.workers import Clock, open_workers

BACKTEST_SHARE = 0.6  # of a time budget; the rest is for fitting on all points


@dataclass(frozen=True)
class Mix:
    """Forecasters fitted on all points (the seasonal naive first), how much each counts (f8[S, M], rows sum to 1), and
    which series each can forecast: bool[S, M]."""

    trials: list[Trial]
    fitted: list[Fitted]
    weights: Floats
    can: NDArray[np.bool_]

    @property
    def names(self) -> list[str]:
        """Of the members."""
        return [trial.forecaster.name for trial in self.trials]


def _silent(stage: str, percent: float) -> None:  # noqa: ARG001
    return None


def train(
    panel: Panel,
    spec: Spec,
    progress: Progress = _silent,
    clock: Callable[[], float] = time.perf_counter,
    desk: Desk | None = None,
) -> TrainResult:
    """Train on `panel` as `spec` says and return the leaderboard and the bundle.

    `progress` is called with a stage in words and a percentage from 0 to 100 that never falls. `desk` keeps finished
    candidates, and gives back those of an earlier attempt, which are then not tried again. The same panel and spec give the
    same bundle, byte for byte, unless a time budget runs out; only `seconds` in the leaderboard depends on `clock`.
    Raises an EngineError for a spec or panel that cannot be used; a candidate's own failure stands in its line.
    """
    started = clock()
    progress("Checking the data", 0.0)
    ready = preparing.prepare(panel, spec)
    plan = efforts.plan(ready.panel, spec)
    windows = backtest.plan(ready.panel, spec, plan.windows, hidden=ready.hidden, upper=ready.upper(spec))
    preparing.note_windows(ready, windows)
    with open_workers(spec) as workers:
        limit = Clock(_until(started, spec, BACKTEST_SHARE), clock)
        totals = tuple(ready.structure.totals.tolist()) if ready.structure else ()
        bench = Bench(windows, len(ready.panel), spec, limit, workers, clock, desk, totals)
        tried = trials.try_all(plan.forecasters, bench, progress)
        progress("Fitting on all data", 82.0)
        final = replace(bench, clock=Clock(_until(started, spec, 1.0), clock))
        mix, tried = _fit_mix(tried, ready, final, progress)
    progress("Calibrating the intervals", 95.0)
    result = _finished(ready, final, mix, tried)
    progress("Done", 100.0)
    return result


def _until(started: float, spec: Spec, share: float) -> float | None:
    return None if spec.time_budget_seconds is None else started + share * spec.time_budget_seconds


def _fit_mix(
    tried: list[Trial], ready: Prepared, bench: Bench, progress: Progress
) -> tuple[Mix, list[Trial]]:
    """Weigh the candidates, fit those that count, and weigh again with what could be fitted."""
    tried = list(tried)
    while True:
        usable = [t for t in tried if t.line.error is None]
        can = np.stack([_may(t, bench, ready.panel) for t in usable], axis=1)
        weights = _weights(usable, bench, can)
        kept = [
            t for t, w in zip(usable, weights.sum(axis=0), strict=True) if w > 0 or t.forecaster.name == NAIVE
        ]
        fitted = [_fit(t, ready.panel, bench, progress) for t in kept]
        failed = {
            t.forecaster.name: each
            for t, each in zip(kept, fitted, strict=True)
            if isinstance(each, Exception)
        }
        if NAIVE in failed:
            raise failed[NAIVE]
        if not failed:
            break
        tried = [_failed(t, failed.get(t.forecaster.name)) for t in tried]
    good = [each for each in fitted if isinstance(each, Fitted)]
    can = np.stack([_can(each) for each in good], axis=1)
    return Mix(kept, good, _weights(kept, bench, can), can), tried


def _may(trial: Trial, bench: Bench, panel: Panel) -> NDArray[np.bool_]:
    """Which series a candidate is likely to take: those it took in the backtest, and those nobody tested."""
    long_enough = panel.lengths >= trial.forecaster.min_points
    if trial.outcome is None:
        return np.asarray(long_enough & (trial.forecaster.name == NAIVE or bench.spec.forecaster != AUTO))
    tested = np.zeros(len(panel), bool)
    for window in bench.windows:
        tested[window.rows] = True
    return np.asarray(np.where(tested, trials.served(trial.outcome, bench.windows, len(panel)), long_enough))


def _weights(usable: Sequence[Trial], bench: Bench, can: NDArray[np.bool_]) -> Floats:
    names = [t.forecaster.name for t in usable]
    naive = names.index(NAIVE)
    if bench.spec.forecaster in names:
        return ensemble.single(names.index(bench.spec.forecaster), naive, can)
    if len(usable) <= 2 or not bench.spec.combine or not bench.windows:
        return ensemble.single(_best(usable), naive, can)
    return ensemble.weigh(_evidence(usable, bench), can)


def _best(usable: Sequence[Trial]) -> int:
    """The candidate with the lowest error; the naive where none could be tested."""
    scores = [t.line.mase if t.line.cost is None else t.line.cost for t in usable]
    errors_ = [np.inf if score is None else score for score in scores]
    return (
        int(np.argmin(errors_))
        if np.isfinite(errors_).any()
        else [t.forecaster.name for t in usable].index(NAIVE)
    )


def _evidence(usable: Sequence[Trial], bench: Bench) -> ensemble.Evidence:
    outcomes = [t.outcome for t in usable if t.outcome is not None]
    naive = [t.forecaster.name for t in usable].index(NAIVE)
    of_panel = np.asarray([t.forecaster.of_panel for t in usable], np.bool_)
    panel = bench.windows[0].panel
    return ensemble.Evidence(
        backtest.errors_of(bench.windows, outcomes, bench.series, bench.spec.costs),
        bench.spec.horizon,
        naive,
        of_panel,
        covariates=bool(panel.known_future or panel.past),
    )


def _fit(trial: Trial, panel: Panel, bench: Bench, progress: Progress) -> Fitted | Exception:
    progress(f"{trial.forecaster.label}: fitting on all data", 83.0)
    hints = trial.outcome.hints if trial.outcome else {}
    clock = Clock() if trial.forecaster.name == NAIVE else bench.clock
    try:
        if trial.forecaster.name != NAIVE and trials.cannot_start(trial.forecaster, clock):
            raise errors.OutOfTime(forecaster=trial.forecaster.label)
        context = replace(bench.context(), hints=hints, clock=clock)
        return trial.forecaster.fit(panel, context)
    except Exception as error:  # noqa: BLE001 - whatever a library raises must not sink the other members
        return error


def _failed(trial: Trial, error: Exception | None) -> Trial:
    return trial if error is None else replace(trial, line=replace(trial.line, error=trials.words(error)))


def _can(fitted: Fitted) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(backtest.predict_all(fitted, fitted.horizon).mean).all(axis=1), np.bool_)


def _finished(ready: Prepared, bench: Bench, mix: Mix, tried: list[Trial]) -> TrainResult:
    spec = bench.spec
    held, settled = _coherent(ready, bench, _held_out(mix, bench))
    calibrated = calibration.calibrate(bench.windows, held, spec)
    board, selected = _leaderboard(tried, mix, bench, held)
    notes = [*ready.notes, *_fallback_notes(ready, mix), *calibrated.notes]
    choices = [*_choices(tried, mix, bench, _is_cold(ready)), *([settled.said] if settled else [])]
    reconciler = settled.reconciler if settled else None
    begun = None
    if ready.cold is not None:
        begun = cold_start.start(ready.panel, ready.cold, spec, mix.fitted, mix.weights)
    chosen = Chosen(selected.name, selected.label, mix.fitted, mix.weights, reconciler, ready.dates, begun)
    data = pack_model(ready.panel, spec, chosen, calibrated, notes=[*notes, *choices], flags=ready.flags)
    return TrainResult(
        board, selected.name, data, bundle.digest(data), notes, _cutoffs(bench.windows), calibrated.described,
        calibrated.coverage, {s: tuple(f) for s, f in ready.flags.items()}, len(bench.windows), choices,
        backtest=_kept_backtest(ready, bench, tried, held, calibrated),
    )  # fmt: skip


def _kept_backtest(
    ready: Prepared,
    bench: Bench,
    tried: list[Trial],
    held: list[calibration.Held],
    calibrated: calibration.Calibrated,
) -> Backtest | None:
    said = {t.forecaster.name: t.outcome.forecasts for t in tried if t.outcome is not None}
    served = [each.mean for each in held]
    return keeping.table(
        ready.panel, bench.windows, said, served, totals=bench.totals, inside=calibrated.inside
    )


def _held_out(mix: Mix, bench: Bench) -> list[calibration.Held]:
    """What the mix would have forecast in each window with weights from the other windows."""
    outcomes = [t.outcome for t in mix.trials if t.outcome is not None]
    if not bench.windows or len(outcomes) != len(mix.trials):
        return []
    held = []
    for k, window in enumerate(bench.windows):
        weights = _window_weights(mix, bench, k)[window.rows]
        mean, sigma = ensemble.mixed(
            [o.forecasts[k] for o in outcomes], [o.sigmas[k] for o in outcomes], weights
        )
        held.append(calibration.Held(backtest.bounded(mean, window.lower, window.upper), sigma))
    return held


def _coherent(
    ready: Prepared, bench: Bench, held: list[calibration.Held]
) -> tuple[list[calibration.Held], reconciling.Settled | None]:
    """What the mix would have forecast, made to add up, and how; as it is where there are no totals."""
    if ready.structure is None:
        return held, None
    settled = reconciling.settle(
        ready.structure,
        ready.panel,
        bench.windows,
        [each.mean for each in held],
        lower=backtest.lower_bounds(ready.panel, bench.spec.non_negative),
        left_seconds=bench.clock.left_seconds,
    )
    return [replace(each, mean=mean) for each, mean in zip(held, settled.held, strict=True)], settled


def _window_weights(mix: Mix, bench: Bench, window: int) -> Floats:
    if len(mix.trials) <= 2 or not bench.spec.combine or bench.spec.forecaster != AUTO:
        return mix.weights
    evidence = _evidence(mix.trials, bench)
    can = np.asarray(np.isfinite(evidence.errors).any(axis=0), np.bool_)
    return ensemble.weigh(evidence.without(window), can)


def _leaderboard(
    tried: list[Trial], mix: Mix, bench: Bench, held: list[calibration.Held]
) -> tuple[list[Candidate], Candidate]:
    """The lines, best first and failures last, and the one that serves."""
    shares = dict(zip(mix.names, mix.weights.mean(axis=0).tolist(), strict=True))
    lines = [replace(t.line, weight=shares.get(t.forecaster.name, 0.0)) for t in tried]
    serving = [name for name, share in shares.items() if share > 0 and name != NAIVE]
    if len(serving) > 1:
        selected = _auto_line(mix, bench, held)
        lines.append(selected)
    else:
        name = serving[0] if serving else NAIVE
        place = [each.name for each in lines].index(name)
        selected = lines[place] = replace(lines[place], selected=True)
    naive_last = {NAIVE: 0}
    lines.sort(
        key=lambda x: (x.error is not None, np.inf if x.mase is None else x.mase, naive_last.get(x.name, 1))
    )
    return lines, selected


def _auto_line(mix: Mix, bench: Bench, held: list[calibration.Held]) -> Candidate:
    count = int((mix.weights.mean(axis=0) > 0).sum())
    empty = trials.line(AUTO, f"Combination of {count}", len(bench.windows))
    scored = trials.scored(empty, bench, [each.mean for each in held])
    naive = next(t.line.mase for t in mix.trials if t.forecaster.name == NAIVE)
    seconds = sum(t.line.seconds for t in mix.trials)
    beats = None if scored.mase is None or naive is None else scored.mase < naive
    return replace(scored, selected=True, seconds=seconds, beats_naive=beats, weight=1.0)


def _fallback_notes(ready: Prepared, mix: Mix) -> list[str]:
    """Flags the series that the seasonal naive serves although something else was chosen, and says how many."""
    if all(
        name == NAIVE or share == 0 for name, share in zip(mix.names, mix.weights.sum(axis=0), strict=True)
    ):
        return []
    alone = np.flatnonzero((mix.weights[:, mix.names.index(NAIVE)] == 1) & ~_is_cold(ready))
    others = np.asarray([name != NAIVE for name in mix.names])
    for row in alone:
        flag = "naive_won" if mix.can[row, others].any() else "fallback_naive"
        ready.flags.setdefault(ready.panel.series_ids[row], []).append(flag)
    if not len(alone):
        return []
    return [
        f"{len(alone)} of {len(ready.panel)} series are served by the seasonal naive: nothing else could take them or beat it."
    ]


def _is_cold(ready: Prepared) -> NDArray[np.bool_]:
    return np.isin(np.arange(len(ready.panel)), [] if ready.cold is None else ready.cold.rows)


def _choices(tried: list[Trial], mix: Mix, bench: Bench, cold: NDArray[np.bool_]) -> list[str]:
    """What was chosen, in words and numbers."""
    windows = len(bench.windows)
    said = [
        f"{len(tried)} members tried on {windows} window{'s' if windows != 1 else ''} of {bench.spec.horizon} steps."
    ]
    shares = sorted(zip(mix.weights.mean(axis=0), mix.trials, strict=True), key=lambda pair: -pair[0])
    kept = [f"{t.forecaster.label} {100 * w:.0f} %" for w, t in shares if w > 0]
    said.append(f"{len(kept)} kept, by their mean weight: {', '.join(kept)}.")
    alone = float(((mix.weights[:, mix.names.index(NAIVE)] == 1) & ~cold).mean())
    if len(kept) > 1:
        said.append(f"The seasonal naive serves {100 * alone:.0f} % of the series alone.")
    said += [f"{t.forecaster.label} was left out: {t.line.error}" for t in tried if t.line.error is not None]
    if bench.spec.pretrained is not None and PRETRAINED in mix.names:
        said.append(
            f"The trees that were trained before are those of the bundle {bench.spec.pretrained.sha256}."
        )
    return said


def _cutoffs(windows: Sequence[Window]) -> list[str]:
    return [str(max(window.panel.times(s)[-1] for s in range(len(window.panel)))) for window in windows]
