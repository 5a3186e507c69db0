"""Training: backtest every candidate, choose the best, refit it on all points, calibrate, and pack the
bundle.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from apps.engine import backtest, bundle, errors, intervals
from apps.engine.backtest import Outcome, Window
from apps.engine.contracts import Candidate, Progress, Spec, TrainResult
from apps.engine.forecasters import NAIVE, FitContext, Forecaster, choose
from apps.engine.packing import Chosen, pack_model
from apps.engine.panel import Floats, Panel, fill_gaps

Flags = dict[str, list[str]]


@dataclass(frozen=True)
class Trial:
    """A candidate after its backtest: its line of the leaderboard and, unless it failed, its forecasts."""

    forecaster: Forecaster
    line: Candidate
    outcome: Outcome | None


@dataclass(frozen=True)
class Bench:
    """What every candidate is tried on: the windows of a panel with `series` series, the spec and a clock."""

    windows: Sequence[Window]
    series: int
    spec: Spec
    clock: Callable[[], float]


def _silent(stage: str, percent: float) -> None:  # noqa: ARG001
    return None


def train(
    panel: Panel,
    spec: Spec,
    progress: Progress = _silent,
    clock: Callable[[], float] = time.perf_counter,
) -> TrainResult:
    """Train on `panel` as `spec` says and return the leaderboard and the bundle.

    `progress` is called with a stage in words and a percentage from 0 to 100 that never falls. The same panel
    and spec give the same bundle, byte for byte; only `seconds` in the leaderboard depends on `clock`.
    Raises an EngineError for a spec or panel that cannot be used; a candidate's own failure stands in its
    line.
    """
    forecasters = choose(spec.candidates)
    progress("Checking the data", 0.0)
    panel, notes, flags = _prepare(panel)
    known = _covariates_known(panel, spec, notes)
    windows = backtest.plan(panel, spec.horizon, spec.windows, spec.non_negative, covariates_known=known)
    _note_windows(panel, windows, notes, flags)
    bench = Bench(windows, len(panel), spec, clock)
    trials = _try_all(forecasters, bench, progress)
    progress("Fitting the chosen model on all data", 88.0)
    chosen, trials = _fit_best(trials, panel, spec, notes, flags)
    progress("Calibrating the intervals", 95.0)
    best = next(t for t in trials if t.line.selected)
    scores = backtest.conformal_scores(windows, best.outcome) if best.outcome and windows else []
    pool = intervals.build_pool(_stacked(scores, spec.horizon), spec.levels)
    described = _describe(pool, spec)
    notes.extend(_interval_notes(described))
    progress("Packing the bundle", 97.0)
    data = pack_model(panel, spec, chosen, pool, intervals=described, notes=notes, flags=flags)
    progress("Done", 100.0)
    return TrainResult(
        [t.line for t in trials], best.line.name, data, bundle.digest(data), notes, _cutoffs(windows),
        described, _coverage(scores, spec), {s: tuple(f) for s, f in flags.items()}, len(windows),
    )  # fmt: skip


def _prepare(panel: Panel) -> tuple[Panel, list[str], Flags]:
    panel, filled = fill_gaps(panel)
    notes: list[str] = []
    flags: Flags = {s: ["gap_filled"] for s in filled}
    if filled:
        listed = ", ".join(f"{s} ({n})" for s, n in list(filled.items())[:5])
        more = f" and {len(filled) - 5} more" if len(filled) > 5 else ""
        notes.append(
            f"Missing times were filled with the value one season earlier for fitting: {listed}{more}."
        )
    for s, series_id in enumerate(panel.series_ids):
        if len(panel.series(s)) > 1 and np.ptp(panel.series(s)) == 0:
            flags.setdefault(series_id, []).append("constant")
    return panel, notes, flags


def _covariates_known(panel: Panel, spec: Spec, notes: list[str]) -> bool:
    """Whether a backtest may see the covariates beyond a cutoff: only when a forecast will know them too.

    When the data set ends with the target, forecasts carry covariates forward; then the backtest does so as
    well, and its errors are those that users will meet.
    """
    if not panel.known_future or spec.future_covariates == "request":
        return True
    wanted = 0.9 * len(panel) * spec.horizon
    if all(
        name in panel.future and np.isfinite(panel.future[name][:, : spec.horizon]).sum() >= wanted
        for name in panel.known_future
    ):
        return True
    notes.append(
        "The covariates are not known beyond the data, so forecasts carry them forward unless a request "
        "brings them; the backtest did the same."
    )
    return False


def _note_windows(panel: Panel, windows: Sequence[Window], notes: list[str], flags: Flags) -> None:
    tested = set(windows[0].rows.tolist()) if windows else set()
    untested = [s for row, s in enumerate(panel.series_ids) if row not in tested]
    for series_id in untested:
        flags.setdefault(series_id, []).append("not_backtested")
    if not windows:
        notes.append("No series is long enough for a backtest at this horizon; the seasonal naive serves.")
    elif len(windows) == 1:
        notes.append("The history allows only one backtest window; two or more make the choice safer.")
    if untested and windows:
        notes.append(
            f"{len(untested)} of {len(panel)} series are too short to be backtested at this horizon."
        )


def _try_all(forecasters: Sequence[Forecaster], bench: Bench, progress: Progress) -> list[Trial]:
    trials: list[Trial] = []
    naive: Outcome | None = None
    share = 86.0 / len(forecasters)
    count = len(bench.windows)
    for i, forecaster in enumerate(forecasters):
        low = 2.0 + i * share
        progress(f"{forecaster.label}: starting", low)

        def tick(done: int, low: float = low, label: str = forecaster.label) -> None:
            progress(f"{label}: window {done} of {count}", low + share * done / count)

        trial = _try(forecaster, bench, naive, tick)
        naive = trial.outcome if forecaster.name == NAIVE else naive
        trials.append(trial)
    return _ranked(trials)


def _try(forecaster: Forecaster, bench: Bench, naive: Outcome | None, tick: Callable[[int], None]) -> Trial:
    windows, spec = bench.windows, bench.spec
    started = bench.clock()
    line = Candidate(
        forecaster.name, forecaster.label, None, None, None, None, len(windows), 0.0, None, selected=False
    )
    if not windows:
        return Trial(forecaster, line, None)
    try:
        context = FitContext(spec.horizon, spec.seed, spec.threads)
        outcome = backtest.run(forecaster, windows, context, naive, tick)
        found = backtest.score(windows, outcome, bench.series)
    except Exception as error:  # noqa: BLE001 - whatever a library raises must not sink the other candidates
        return Trial(forecaster, replace(line, seconds=bench.clock() - started, error=_words(error)), None)
    line = replace(
        line,
        mase=found.mase,
        smape=found.smape,
        rmsse=found.rmsse,
        wape=_finite(found.wape),
        step_mase=found.step_mase,
        seconds=bench.clock() - started,
        fallback_series=len(outcome.fallback),
    )
    return Trial(forecaster, line, outcome)


def _ranked(trials: list[Trial]) -> list[Trial]:
    """Best first; failures last; the seasonal naive before what only equals it."""
    naive = next(t for t in trials if t.forecaster.name == NAIVE).line.mase

    def judged(trial: Trial) -> Trial:
        if trial.line.mase is None or naive is None or trial.forecaster.name == NAIVE:
            return trial
        return replace(trial, line=replace(trial.line, beats_naive=trial.line.mase < naive))

    return sorted(
        map(judged, trials),
        key=lambda t: (t.line.error is not None, t.line.mase if t.line.mase is not None else np.inf),
    )


def _fit_best(
    trials: list[Trial], panel: Panel, spec: Spec, notes: list[str], flags: Flags
) -> tuple[Chosen, list[Trial]]:
    """Fit the best candidate on everything; when that fails it is marked and the next best takes its
    place.
    """
    trials = list(trials)
    for i, trial in enumerate(trials):
        if trial.line.error is not None:
            continue
        hints = trial.outcome.hints if trial.outcome else {}
        context = FitContext(spec.horizon, spec.seed, spec.threads, hints)
        try:
            chosen = _chosen(trial.forecaster, panel, context, notes, flags)
        except Exception as error:  # noqa: BLE001 - see _try
            trials[i] = replace(trial, line=replace(trial.line, error=_words(error)))
            continue
        trials[i] = replace(trial, line=replace(trial.line, selected=True))
        return chosen, trials
    raise errors.NothingFitted(
        forecaster="Every candidate", series=len(panel), reason=str(trials[0].line.error)
    )


def _chosen(
    forecaster: Forecaster, panel: Panel, context: FitContext, notes: list[str], flags: Flags
) -> Chosen:
    """The forecaster fitted on everything, with the seasonal naive for the series it cannot take."""
    fitted = forecaster.fit(panel, context)
    mean = backtest.predict_all(fitted, context.horizon)
    served = np.asarray(np.isfinite(mean).all(axis=1), np.bool_)
    if served.all():
        return Chosen(forecaster.name, forecaster.label, fitted, None)
    for row in np.flatnonzero(~served):
        flags.setdefault(panel.series_ids[row], []).append("fallback_naive")
    count = int((~served).sum())
    notes.append(
        f"{count} of {len(panel)} series are served by the seasonal naive: the chosen model cannot take them."
    )
    naive = choose((NAIVE,))[0].fit(panel, context)
    return Chosen(forecaster.name, forecaster.label, fitted, naive, served)


def _stacked(scores: list[Floats], horizon: int) -> Floats:
    return np.concatenate(scores) if scores else np.zeros((0, horizon))


def _describe(pool: intervals.Pool, spec: Spec) -> list[dict[str, object]]:
    fewest = int(pool.counts.min()) if len(pool.counts) else 0
    return [
        {
            "level": level,
            "calibrated": pool.quantile(level, spec.horizon) is not None,
            "scores": fewest,
            "needed": intervals.needed(level),
            "pooling": pool.pooling,
        }
        for level in spec.levels
    ]


def _interval_notes(described: list[dict[str, object]]) -> list[str]:
    return [
        f"The {d['level']} % interval is the model's own, not calibrated: "
        f"{d['scores']} backtest errors, {d['needed']} are needed."
        for d in described
        if not d["calibrated"]
    ]


def _coverage(scores: list[Floats], spec: Spec) -> dict[int, float | None]:
    """Share of each window's errors inside the band that the other windows give; None with fewer than two."""
    return {level: _covered(scores, level, spec) for level in spec.levels}


def _covered(scores: list[Floats], level: int, spec: Spec) -> float | None:
    hits = []
    for i, held_out in enumerate(scores):
        others = [s for j, s in enumerate(scores) if j != i]
        widths = intervals.build_pool(_stacked(others, spec.horizon), (level,)).quantile(level, spec.horizon)
        if widths is None:
            return None
        hits.append((held_out <= widths[None, :]).astype(np.float64))
    return float(np.concatenate(hits).mean()) if len(hits) > 1 else None


def _cutoffs(windows: Sequence[Window]) -> list[str]:
    return [str(max(window.panel.times(s)[-1] for s in range(len(window.panel)))) for window in windows]


def _words(error: Exception) -> str:
    return error.detail if isinstance(error, errors.EngineError) else f"{type(error).__name__}: {error}"


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
