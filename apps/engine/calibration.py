"""Intervals from the backtest: the scores of what would have been forecast, their pool, and what the bands would have held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from apps.engine import errors, intervals
from apps.engine.backtest import Window
from apps.engine.contracts import Spec
from apps.engine.panel import Floats

MAX_PATHS = 2000


@dataclass(frozen=True)
class Held:
    """What would have been forecast in a window without its own help: mean and own deviation, f8[R, H] each."""

    mean: Floats
    sigma: Floats


@dataclass(frozen=True)
class Calibrated:
    """The pool of scores, `paths` f8[U, H] (whole rows of scores, for sample paths), what is said of each level, the
    share of backtest points inside bands that the other windows alone would have given, notes, and for each level that
    could be tested which points those were: 1 or 0, f8[R, H] a window."""

    pool: intervals.Pool
    paths: Floats
    described: list[dict[str, Any]]
    coverage: dict[int, float | None]
    notes: list[str]
    inside: dict[int, list[Floats]] = field(default_factory=dict)


def calibrate(windows: Sequence[Window], held: Sequence[Held], spec: Spec) -> Calibrated:
    """Bands for the spec's levels; raises Uncalibrated where the spec refuses bands that could not be calibrated."""
    scores = [_scores(window, each) for window, each in zip(windows, held, strict=False)]
    pool = intervals.build_pool(_stacked(scores, spec.horizon), spec.levels)
    described = _described(pool, spec)
    for each in described:
        if spec.uncalibrated == "refuse" and not each["calibrated"]:
            raise errors.Uncalibrated(level=each["level"], scores=each["scores"], needed=each["needed"])
    tested = {level: _inside(scores, level, spec) for level in spec.levels}
    coverage = {level: float(np.concatenate(each).mean()) if each else None for level, each in tested.items()}
    inside = {level: each for level, each in tested.items() if each}
    return Calibrated(pool, _paths(scores, spec), described, coverage, _notes(described), inside)


def _scores(window: Window, held: Held) -> Floats:
    unit = intervals.expected_error(intervals.BLENDED, held.sigma, window.scales)
    found: Floats = (window.actual - held.mean) / unit
    return found


def _stacked(scores: Sequence[Floats], horizon: int) -> Floats:
    return np.concatenate(scores) if scores else np.zeros((0, horizon))


def _paths(scores: Sequence[Floats], spec: Spec) -> Floats:
    """Whole rows of scores, at most MAX_PATHS of them, evenly from all windows."""
    rows = _stacked(scores, spec.horizon)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows) <= MAX_PATHS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MAX_PATHS).astype(np.int64)]


def _described(pool: intervals.Pool, spec: Spec) -> list[dict[str, Any]]:
    fewest = int(pool.counts.min()) if len(pool.counts) else 0
    return [
        {
            "level": level,
            "calibrated": pool.widths(level, spec.horizon) is not None,
            "scores": fewest,
            "needed": intervals.needed(level),
            "pooling": pool.pooling,
        }
        for level in spec.levels
    ]


def _notes(described: Sequence[dict[str, Any]]) -> list[str]:
    return [
        f"The {d['level']} % interval is the model's own, not calibrated: "
        f"{d['scores']} backtest errors, {d['needed']} are needed."
        for d in described
        if not d["calibrated"]
    ]


def _inside(scores: Sequence[Floats], level: int, spec: Spec) -> list[Floats]:
    """Which points of each window the band of the other windows would have held; none where that cannot be told."""
    if len(scores) < 2:
        return []
    hits = []
    for i, held_out in enumerate(scores):
        others = [s for j, s in enumerate(scores) if j != i]
        widths = intervals.build_pool(_stacked(others, spec.horizon), (level,)).widths(level, spec.horizon)
        if widths is None:
            return []
        hits.append(((held_out <= widths.above) & (held_out >= -widths.below)).astype(np.float64))
    return hits
