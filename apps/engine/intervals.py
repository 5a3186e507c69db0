"""Split-conformal bands from pooled backtest errors.

A score is |actual - forecast| divided by the series' scale at the cutoff. For n exchangeable scores the
smallest k with k >= (n + 1) * level gives a band that covers at least `level` (Lei et al. 2018); it exists
when k <= n, so 95 % needs 19 scores and 80 % needs 4. Only numpy is imported.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MAX_SCORES = 4000
MIN_UNITS = 4


@dataclass(frozen=True)
class Pool:
    """Sorted scores per horizon step: `scores` f8[H, n] ascending, padded with +inf; `counts` i8[H].

    `pooling` is "step" when each step has its own scores and "neighbours" when steps share theirs.
    """

    scores: Floats
    counts: NDArray[np.int64]
    pooling: str

    def quantile(self, level: int, horizon: int) -> Floats | None:
        """Half-widths in units of the scale for steps 1..horizon; None when a step has too few scores.

        They never fall from one step to the next: an error further ahead is not known better.
        """
        widths = self._of_steps(level)[:horizon]
        return None if np.isnan(widths).any() else np.maximum.accumulate(widths)

    def _of_steps(self, level: int) -> Floats:
        """The quantile of each step by itself, NaN where there are too few; a forecast asks for the same few levels."""
        if level not in self._found:
            each = (
                conformal_quantile(row[:count], level)
                for row, count in zip(self.scores, self.counts, strict=True)
            )
            self._found[level] = np.asarray(
                [np.nan if width is None else width for width in each], np.float64
            )
        return self._found[level]

    @functools.cached_property
    def _found(self) -> dict[int, Floats]:
        return {}


def needed(level: int) -> int:
    """The fewest scores from which a `level` percent band exists: 19 for 95, 4 for 80."""
    alpha = Fraction(100 - level, 100)
    return -(-(1 - alpha) // alpha)


def rank(count: int, level: int) -> int:
    """Which of `count` ascending scores (1-based) bounds the `level` percent band; above `count` when none
    does.
    """
    return -(-(count + 1) * level // 100)


def conformal_quantile(scores: Floats, level: int) -> float | None:
    """The score of that rank in ascending `scores`, or None when there are too few."""
    k = rank(len(scores), level)
    return float(scores[k - 1]) if k <= len(scores) else None


def build_pool(scores: Floats, levels: tuple[int, ...]) -> Pool:
    """Pool scores f8[U, H] (U = series x windows, NaN where nothing was observed) per step.

    When a step has fewer than the widest level needs, it borrows the scores of its nearest steps, one
    neighbour on either side at a time, until it has enough or there are no more; but only when at least
    MIN_UNITS units were scored, because the steps of one window err together and count for little more than
    one.
    """
    horizon = scores.shape[1]
    units = int((~np.isnan(scores)).any(axis=1).sum())
    enough = max((needed(level) for level in levels), default=0) if units >= MIN_UNITS else 0
    own = (~np.isnan(scores)).sum(axis=0)
    lists = [_nearest(scores, k, enough) for k in range(horizon)]
    lists = [_thin(np.sort(values)) for values in lists]
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


def _nearest(scores: Floats, step: int, enough: int) -> Floats:
    for reach in range(scores.shape[1]):
        block = scores[:, max(step - reach, 0) : step + reach + 1]
        values = block[~np.isnan(block)]
        if len(values) >= enough:
            return values
    return scores[~np.isnan(scores)]


def _thin(ascending: Floats) -> Floats:
    """At most MAX_SCORES order statistics, evenly spaced and rounded up, so that bands only ever get
    wider.
    """
    if len(ascending) <= MAX_SCORES:
        return ascending
    index = np.ceil(np.arange(1, MAX_SCORES + 1) * len(ascending) / MAX_SCORES).astype(np.int64) - 1
    return ascending[index]
