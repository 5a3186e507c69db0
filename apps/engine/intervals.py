"""Split-conformal bands from pooled backtest errors.

A score is (actual - forecast) / unit, the unit being how far off this series is expected to be at this step. For n
exchangeable scores the smallest k with k >= (n + 1) * level of their ascending sizes gives a band that covers at least
`level` (Lei et al. 2018); it exists when k <= n, so 95 % needs 19 scores and 80 % needs 4. Where there are enough for each
tail by itself, a side lies half way between that and its own tail's quantile: skewed errors get a skewed band, and one
tail's few extremes do not rule it. Only numpy is imported.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MAX_SCORES = 4000
MIN_UNITS = 4


class Widths(NamedTuple):
    """How far a band reaches below and above the forecast at each step, in units; f8[H] each, never negative."""

    below: Floats
    above: Floats


class Unit(NamedTuple):
    """How expected errors are put together: own deviation ^ `share` times (scale * step ^ `growth`) ^ (1 - `share`)."""

    share: float
    growth: float


SCALE_ONLY = Unit(0.0, 0.0)
BLENDED = Unit(0.6, 0.5)


@dataclass(frozen=True)
class Pool:
    """Sorted scores per horizon step: `scores` f8[H, n] ascending, padded with +inf; `counts` i8[H].

    `pooling` is "step" when each step has its own scores, "neighbours" when steps share theirs with others; `signed` is
    False for scores of which only the size was kept; `unit` says in what they are measured.
    """

    scores: Floats
    counts: NDArray[np.int64]
    pooling: str
    signed: bool = True
    unit: Unit = BLENDED

    def widths(self, level: int, horizon: int) -> Widths | None:
        """Of the `level` percent band for steps 1..horizon; None when a step has too few scores."""
        found = self._found(level)[:horizon]
        if np.isnan(found).any():
            return None
        # Sizes alone were measured in the scale, which does not grow with the step: then the band must.
        found = found if self.signed else np.maximum.accumulate(found)
        return Widths(found[:, 0], found[:, 1])

    def _found(self, level: int) -> Floats:
        """Both widths of each step, NaN where there are too few scores; a forecast asks for the same few levels."""
        if level not in self._known:
            lists = [row[:count] for row, count in zip(self.scores, self.counts, strict=True)]
            self._known[level] = np.asarray([_widths(each, level, signed=self.signed) for each in lists])
        return self._known[level]

    @functools.cached_property
    def _known(self) -> dict[int, Floats]:
        return {}


def expected_error(unit: Unit, sigma: Floats, scales: Floats) -> Floats:
    """The unit of scores, f8[S, H]: from the forecast's own deviations f8[S, H] and the series' scales f8[S]."""
    grown = scales[:, None] * np.arange(1, sigma.shape[1] + 1) ** unit.growth
    if unit.share == 0:
        return grown
    own = np.where(np.isfinite(sigma) & (sigma > 0), sigma, grown)
    found: Floats = own**unit.share * grown ** (1 - unit.share)
    return found


def scales_for(sigma: Floats) -> Floats:
    """Scales f8[S] in which the unit of BLENDED is `sigma` f8[S, H], above 0, on the whole."""
    steps = np.arange(1, sigma.shape[1] + 1)
    found: Floats = np.exp(np.mean(np.log(sigma) - BLENDED.growth * np.log(steps), axis=1))
    return found


def needed(level: int) -> int:
    """The fewest scores from which a `level` percent band exists: 19 for 95, 4 for 80."""
    alpha = Fraction(100 - level, 100)
    return -(-(1 - alpha) // alpha)


def rank(count: int, level: float) -> int:
    """Which of `count` ascending scores (1-based) bounds the `level` percent band; above `count` when none
    does.
    """
    return int(-(-(count + 1) * Fraction(level) // 100))


def conformal_quantile(scores: Floats, level: float) -> float | None:
    """The score of that rank in ascending `scores`, or None when there are too few."""
    k = rank(len(scores), level)
    return float(scores[k - 1]) if k <= len(scores) else None


def build_pool(scores: Floats, levels: tuple[int, ...]) -> Pool:
    """Pool signed scores f8[U, H] (U = series x windows, NaN where nothing was observed) per step.

    When a step has fewer than the widest level needs, it borrows the scores of its nearest steps, one
    neighbour on either side at a time, until it has enough or there are no more; but only when at least
    MIN_UNITS units were scored, because the steps of one window err together and count for little more than
    one.
    """
    horizon = scores.shape[1]
    units = int((~np.isnan(scores)).any(axis=1).sum())
    enough = max((needed(level) for level in levels), default=0) if units >= MIN_UNITS else 0
    own = (~np.isnan(scores)).sum(axis=0)
    lists = [_thin(np.sort(_nearest(scores, k, enough))) for k in range(horizon)]
    width = max((len(values) for values in lists), default=0)
    padded = np.full((horizon, width), np.inf)
    for k, values in enumerate(lists):
        padded[k, : len(values)] = values
    counts = np.asarray([len(values) for values in lists], np.int64)
    shared = bool((own < enough).any() and own.any())
    return Pool(padded, counts, "neighbours" if shared else "step")


def normal_width(level: int) -> float:
    """Half-width of the central `level` percent of the standard normal distribution."""
    return NormalDist().inv_cdf(0.5 + level / 200.0)


def _widths(ascending: Floats, level: int, *, signed: bool) -> tuple[float, float]:
    """Below and above, NaN where there are too few scores."""
    sizes = np.sort(np.abs(ascending)) if signed else ascending
    both = conformal_quantile(sizes, level)
    if both is None:
        return (np.nan, np.nan)
    tail = 50 + level / 2
    above = conformal_quantile(ascending, tail) if signed else None
    below = conformal_quantile(-ascending[::-1], tail) if signed else None
    if above is None or below is None:
        return (both, both)
    return ((both + max(below, 0.0)) / 2, (both + max(above, 0.0)) / 2)


def _nearest(scores: Floats, step: int, enough: int) -> Floats:
    for wide in range(scores.shape[1]):
        block = scores[:, max(step - wide, 0) : step + wide + 1]
        values = block[~np.isnan(block)]
        if len(values) >= enough:
            return values
    return scores[~np.isnan(scores)]


def _thin(ascending: Floats) -> Floats:
    """At most MAX_SCORES order statistics, evenly spaced; from the middle outwards they are rounded away from it, so that
    bands only ever get wider."""
    count = len(ascending)
    if count <= MAX_SCORES:
        return ascending
    place = (np.arange(MAX_SCORES) + 0.5) * count / MAX_SCORES - 0.5
    middle = (count - 1) / 2
    index = np.where(place < middle, np.floor(place), np.ceil(place)).astype(np.int64)
    return ascending[np.clip(index, 0, count - 1)]
