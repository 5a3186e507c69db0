"""The contract of a forecaster: checked input, a frozen result, a predictor that lives in
`engine.serving`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from apps.engine import errors
from apps.engine.panel import Floats, Ints, Panel
from apps.engine.pretrained import Pretrained
from apps.engine.serving.predictors import PREDICTORS
from apps.engine.serving.state import Points, Predictor, State, Tails
from apps.engine.workers import Clock, InThisProcess, Workers

NEVER = Clock()
HERE = InThisProcess()


@dataclass(frozen=True)
class FitContext:
    """How to fit: `horizon` steps, `seed`, `threads` for native libraries, until which time (`clock`) and where (`workers`).
    `patience` is how many times as many and smaller steps a learner takes than it needs at least;
    `pretrained` are trees that were trained before.

    `hints` carries a forecaster's own choices from an earlier cutoff of the same panel (by series id), so
    that a backtest searches once and only re-estimates afterwards; it never carries later data to an earlier
    cutoff.
    """

    horizon: int
    seed: int = 0
    threads: int = 1
    hints: Mapping[str, str] = field(default_factory=dict)
    clock: Clock = NEVER
    workers: Workers = HERE
    patience: int = 1
    pretrained: Pretrained | None = None


@dataclass(frozen=True)
class Fitted:
    """A fitted forecaster: immutable, shareable between threads.

    `reasons` says why a series of the panel was left out; `hints` what to reuse at a later cutoff; `horizon` how many
    steps it was fitted for.
    """

    name: str
    series_ids: tuple[str, ...]
    state: State
    tails: Tails
    predictor: Predictor
    reasons: Mapping[str, str]
    hints: Mapping[str, str] = field(default_factory=dict)
    horizon: int = 1

    def predict(self, rows: Ints, horizon: int, future: Mapping[str, Floats] | None = None) -> Points:
        """Steps 1..horizon for the panel's series `rows`; f8[R, horizon]. The model's own values, not yet
        bounded.
        """
        return self.predictor.predict(np.asarray(rows, np.int64), horizon, future or {})


@dataclass(frozen=True)
class Estimate:
    """What `_fit` returns: the state, why series were left out, and hints for later cutoffs."""

    state: State
    reasons: Mapping[str, str] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)


class Forecaster(ABC):
    """One way to forecast a panel. Instances hold no data.

    `min_points` is the shortest series it takes; `of_panel` whether it is one model of the whole panel,
    which sees covariates; `library` the module it stands on and `import_seconds` what importing that takes at worst.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    min_points: ClassVar[int] = 1
    of_panel: ClassVar[bool] = False
    library: ClassVar[str] = "numpy"
    import_seconds: ClassVar[float] = 0.0

    def fit(self, panel: Panel, context: FitContext) -> Fitted:
        """Fit every series that is long enough; raises NothingFitted when none is."""
        estimate = self._fit(panel, context)
        if not estimate.state.fitted.any():
            reason = next(iter(estimate.reasons.values()), "no series was usable")
            raise errors.NothingFitted(forecaster=self.label, series=len(panel), reason=reason)
        tails = make_tails(panel, context.horizon)
        predictor = PREDICTORS[estimate.state.kind](estimate.state, tails)
        return Fitted(
            self.name,
            panel.series_ids,
            estimate.state,
            tails,
            predictor,
            estimate.reasons,
            estimate.hints,
            context.horizon,
        )

    @abstractmethod
    def _fit(self, panel: Panel, context: FitContext) -> Estimate:
        """Estimate from a valid panel without gaps; `state.fitted` bool[S]."""


def plausible(forecast: Floats, y: Floats) -> bool:
    """False when a forecast is not finite or lies further outside the history than three times its range.

    Estimation now and then ends in a state (a seasonal index of 13, say) that no history supports.
    """
    reach = 3.0 * float(np.ptp(y))
    return bool(
        np.isfinite(forecast).all()
        and (forecast >= y.min() - reach).all()
        and (forecast <= y.max() + reach).all()
    )


def tail_length(season_length: int, horizon: int) -> int:
    """Points kept of each series: four seasons and what features and plots need."""
    return max(4 * season_length + 2, 200, min(2 * horizon, 400))


def make_tails(panel: Panel, horizon: int) -> Tails:
    """The ends of the panel's series."""
    keep = np.minimum(panel.lengths, tail_length(panel.frequency.season_length, horizon))
    index = np.concatenate([np.arange(e - k, e) for e, k in zip(panel.indptr[1:], keep, strict=True)])
    return Tails(
        panel.values[index],
        np.concatenate([[0], np.cumsum(keep)]).astype(np.int64),
        panel.ds[index],
        panel.lengths,
        panel.frequency,
        {name: column[index] for name, column in panel.known_future.items()},
        {name: block[:, :horizon] for name, block in panel.future.items() if block.shape[1]},
        {name: column[index] for name, column in panel.past.items()},
    )
