"""How much each forecaster counts for each series: weights learned from the rolling backtest.

Equal weights over diverse members are hard to beat, so they are where the weights start and what they stay near while
there is little evidence; only that models of the whole panel, which err in another way than the many models of single
series, start with PANEL_SHARE together. Errors are looked at as ratios to the members' mean error on the same series and window, in
logarithms. What the whole panel says moves all series' weights, and the more where only some members see covariates: then they
differ in what they know, not in their luck. What one series' own errors say beyond that counts the more, the more points it was
tested on. A member that did worse than the seasonal naive on a series, by the same
shrunken measure, gets nothing there; where no member is left the naive serves. Only numpy is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from apps.engine.serving.mixing import together

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PANEL_POWER = 2.0
INFORMED_POWER = 6.0  # where only some members see covariates
SERIES_POWER = 4.0
POINTS_FOR_HALF = 40.0  # tested points at which a series' own errors count half
LOG_CLIP = 2.0
WORSE_THAN_NAIVE = 1.10  # the ratio of shrunken errors from which a member counts as worse
PANEL_SHARE = 0.4  # of the weight, before any evidence, for models of the whole panel
SMALLEST = 0.02  # a weight below this is not worth fitting the member for


@dataclass(frozen=True)
class Evidence:
    """Mean scaled errors f8[K, S, M] of M members on S series in K windows; NaN where there is no forecast.

    `points` is how many points a window tests; member `naive` is the seasonal naive; `of_panel` bool[M] says which members
    are models of the whole panel, which alone see covariates where the panel has any (`covariates`).
    """

    errors: Floats
    points: int
    naive: int
    of_panel: Bools
    covariates: bool = False

    def without(self, window: int) -> Evidence:
        """The evidence of the other windows; all of it when there is only one."""
        kept = [k for k in range(len(self.errors)) if k != window] or [window]
        return replace(self, errors=self.errors[kept])

    @property
    def power(self) -> float:
        """How much the panel's errors count."""
        return INFORMED_POWER if self.covariates else PANEL_POWER

    def prior(self) -> Floats:
        """What members weigh before any evidence, up to a factor; f8[M]."""
        others = np.arange(len(self.of_panel)) != self.naive
        singles, panels = int((others & ~self.of_panel).sum()), int(self.of_panel.sum())
        if not singles or not panels:
            return np.ones(len(self.of_panel))
        each = PANEL_SHARE / (1 - PANEL_SHARE) * singles / panels
        return np.where(self.of_panel, each, 1.0)


def weigh(evidence: Evidence, can: Bools) -> Floats:
    """Weights f8[S, M], rows sum to 1; `can` bool[S, M] says which members can forecast which series.

    The naive takes part only where nothing else does.
    """
    seen = _seen(evidence)
    weights = evidence.prior() * np.exp(-seen.exponent(evidence.power))
    others = np.arange(weights.shape[1]) != evidence.naive
    errors = seen.shrunken()
    better = errors - errors[:, [evidence.naive]] < np.log(WORSE_THAN_NAIVE)
    weights = np.where(can & others & (better | (seen.counts == 0)), weights, 0.0)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
    weights = np.where(weights < SMALLEST, 0.0, weights)
    alone = weights.sum(axis=1) == 0
    weights[alone, evidence.naive] = 1.0
    found: Floats = weights / weights.sum(axis=1, keepdims=True)
    return found


def single(best: int, naive: int, can: Bools) -> Floats:
    """Weights where one member serves whatever it can and the naive the rest."""
    weights = np.zeros(can.shape)
    weights[can[:, best], best] = 1.0
    weights[~can[:, best], naive] = 1.0
    return weights


def mixed(forecasts: Sequence[Floats], sigmas: Sequence[Floats], weights: Floats) -> tuple[Floats, Floats]:
    """The members' forecasts and deviations f8[R, H] each, mixed by `weights` f8[R, M]; a member without a forecast cedes
    its weight."""
    stack, spread = np.stack(forecasts, axis=1), np.stack(sigmas, axis=1)
    there = np.asarray(np.isfinite(stack).all(axis=2), np.bool_)
    kept = np.where(there, weights, 0.0)
    short = kept.sum(axis=1) <= 0
    kept[short] = there[short]
    kept /= np.maximum(kept.sum(axis=1, keepdims=True), 1e-300)
    clear = there[:, :, None]
    return together(np.where(clear, stack, 0.0), np.where(clear, spread, 0.0), kept)


@dataclass(frozen=True)
class _Seen:
    """Each member's mean log error on each series f8[S, M], on how many points it rests f8[S, M], and what the panel says
    of it: the mean of the logs, and the log of the mean, f8[M] each."""

    own: Floats
    counts: Floats
    panel_log: Floats
    panel: Floats

    @property
    def share(self) -> Floats:
        """How much a series' own errors count beside the panel's."""
        return self.counts / (self.counts + POINTS_FOR_HALF)

    def exponent(self, power: float) -> Floats:
        """What the weights are the negative exponential of, f8[S, M]; `power` is the panel's."""
        own = SERIES_POWER * self.share * (self.own - self.panel_log)
        return np.asarray(own + power * (self.panel - self.panel.min()), np.float64)

    def shrunken(self) -> Floats:
        """Each series' log errors, drawn towards the panel's, f8[S, M]."""
        return self.share * self.own + (1 - self.share) * self.panel_log


def _seen(evidence: Evidence) -> _Seen:
    logs, ratios = _relative(evidence)
    there = np.isfinite(logs)
    tests = there.sum(axis=0).astype(np.float64)
    total = np.where(there, logs, 0.0).sum(axis=0)
    means = np.where(there, ratios, 0.0).sum(axis=(0, 1)) / np.maximum(tests.sum(axis=0), 1.0)
    return _Seen(
        total / np.maximum(tests, 1.0),
        tests * evidence.points,
        total.sum(axis=0) / np.maximum(tests.sum(axis=0), 1.0),
        np.log(np.maximum(means, 1e-12)),
    )


def _relative(evidence: Evidence) -> tuple[Floats, Floats]:
    """Log and plain ratios of each error to the members' mean on the same series and window, both bounded."""
    there = np.isfinite(evidence.errors)
    level = np.where(there, evidence.errors, 0.0).sum(axis=2, keepdims=True)
    level /= np.maximum(there.sum(axis=2, keepdims=True), 1)
    flat = level <= 0
    ratios = np.where(flat, 1.0, evidence.errors / np.where(flat, 1.0, level))
    ratios = np.where(there, ratios, np.nan)
    low, high = np.exp(-LOG_CLIP), np.exp(LOG_CLIP)
    return np.log(np.clip(ratios, low, high)), np.minimum(ratios, high)
