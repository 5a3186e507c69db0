"""Predictors of the models that one fit serves all series with: trees or a line over the features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.engine import errors
from apps.engine.designs import Design, Source, design
from apps.engine.features import FeatureSpec
from apps.engine.serving.booster import Booster
from apps.engine.serving.components import LEVEL, SEASON, kind_of_column
from apps.engine.serving.state import Floats, Ints, Points, State, Tails

LONGEST_LOOKBACK = 1_000_000


@dataclass(frozen=True)
class Pooled(ABC):
    """anchor + season + scale * model(features), all steps at once."""

    state: State
    tails: Tails
    spec: FeatureSpec

    @property
    def fitted(self) -> NDArray[np.bool_]:
        """Which series it can forecast."""
        return self.state.fitted

    @abstractmethod
    def raw(self, x: Floats) -> Floats:
        """What the model says of the rows f8[R, F]; f8[R]."""

    @abstractmethod
    def contributions(self, x: Floats) -> Floats:
        """What each feature adds to it, f8[R, F + 1], the expected value last."""

    def predict(self, rows: Ints, horizon: int, future: Mapping[str, Floats]) -> Points:
        """See `Predictor`."""
        if not len(rows):
            return Points(np.zeros((0, horizon)), np.zeros((0, horizon)))
        designs = [self.design(int(r), horizon, _of(future, i)) for i, r in enumerate(rows)]
        raw = self.raw(np.concatenate([d.x for d in designs])).reshape(len(rows), horizon)
        mean = np.concatenate([d.value(each) for d, each in zip(designs, raw, strict=True)])
        unit = np.asarray([self.unit(d) for d in designs])
        return Points(mean, unit[:, None] * self.state.arrays["residual_sd"][:horizon])

    def parts(self, rows: Ints, horizon: int, future: Mapping[str, Floats]) -> dict[str, Floats]:
        """See `Predictor`: the features' shares, summed by the kind of their columns."""
        found = {kind: np.zeros((len(rows), horizon)) for kind in (LEVEL, SEASON)}
        for i, row in enumerate(rows):
            for kind, share in self.shares(self.design(int(row), horizon, _of(future, i))).items():
                found.setdefault(kind, np.zeros((len(rows), horizon)))[i] += share
        return found

    def shares(self, made: Design) -> dict[str, Floats]:
        """The parts of one series; f8[horizon] each."""
        each = made.scale[0] * self.contributions(made.x).T
        return gathered(self.spec, each, {LEVEL: made.anchor[0] + each[-1], SEASON: made.season[0]})

    def unit(self, made: Design) -> float:
        """What the model's numbers are measured in."""
        return float(made.scale[0])

    def design(self, row: int, horizon: int, future: Mapping[str, Floats]) -> Design:
        """Features of one series for steps 1..horizon; `future` maps each covariate to f8[horizon]."""
        source = self.source(row, future)
        return design(self.spec, source, np.asarray([len(source.y) - 1]), np.arange(1, horizon + 1)[None, :])

    def source(self, row: int, future: Mapping[str, Floats]) -> Source:
        """The end of one series with its covariates."""
        tails, y = self.tails, self.tails.series(row)
        known = {
            name: np.concatenate([tails.covariate(name, row), future[name]]) for name in self.spec.covariates
        }
        past = {name: tails.past_covariate(name, row) for name in self.spec.past}
        codes = self.state.arrays["static"][row] if self.spec.static else np.zeros(0)
        offset = int(tails.lengths[row]) - len(y)
        return Source(y, tails.frequency, tails.times(row)[0], offset, known, past, codes)


def gathered(spec: FeatureSpec, each: Floats, start: Mapping[str, Floats]) -> dict[str, Floats]:
    """`start` and the shares f8[F + 1, horizon] of the columns, summed by kind."""
    found = dict(start)
    for name, share in zip(spec.names, each[:-1], strict=True):
        kind = kind_of_column(spec, name)
        found[kind] = found.get(kind, 0.0) + share
    return found


@dataclass(frozen=True)
class GlobalTrees(Pooled):
    """One LightGBM model for all series and steps."""

    booster: Booster

    def raw(self, x: Floats) -> Floats:
        """See `Pooled`."""
        return self.booster.predict(x)

    def contributions(self, x: Floats) -> Floats:
        """See `Pooled`: the trees' own SHAP values."""
        return self.booster.contributions(x)


def trees(state: State, tails: Tails) -> GlobalTrees:
    """The predictor of a state with a LightGBM model; raises BundleDamaged where there is none."""
    return GlobalTrees(state, tails, spec_of(state), booster_of(state))


def spec_of(state: State) -> FeatureSpec:
    """The features of a state; raises BundleDamaged where they are out of all reason."""
    spec = FeatureSpec.from_json(state.meta["features"])
    if spec.lookback > LONGEST_LOOKBACK:
        raise errors.BundleDamaged(reason=f"its features look back {spec.lookback} points")
    return spec


def booster_of(state: State) -> Booster:
    """The trees of a state; raises BundleDamaged where there are none."""
    if state.text is None:
        raise errors.BundleDamaged(reason="the text of its LightGBM model is missing")
    return Booster(state.text)


def _of(future: Mapping[str, Floats], i: int) -> dict[str, Floats]:
    return {name: block[i] for name, block in future.items()}
