"""Predictors of the models that one fit serves all series with: trees or a line over the features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from apps.engine import errors
from apps.engine.designs import Design, Source, design
from apps.engine.features import FeatureSpec
from apps.engine.serving import lines
from apps.engine.serving.booster import Booster
from apps.engine.serving.components import LEVEL, SEASON, kind_of_column
from apps.engine.serving.state import Floats, Ints, Points, State, Tails

LONGEST_LOOKBACK = 1_000_000
LARGEST_LOG, SMALLEST_LOG = 50.0, 1e-9


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
        mean = np.concatenate([self.value(d, each) for d, each in zip(designs, raw, strict=True)])
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

    def value(self, made: Design, raw: Floats) -> Floats:
        """The values f8[1, horizon] that the model's numbers mean."""
        return made.value(raw)

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


@dataclass(frozen=True)
class RecursiveTrees(GlobalTrees):
    """One LightGBM model for the next step of all series; its forecasts are the values that later steps see."""

    def predict(self, rows: Ints, horizon: int, future: Mapping[str, Floats]) -> Points:
        """See `Predictor`."""
        mean = np.zeros((len(rows), horizon))
        unit = np.zeros(len(rows))
        sources = [self.source(int(row), _of(future, i)) for i, row in enumerate(rows)]
        for step in range(horizon if len(rows) else 0):
            designs = [self.next_step(source) for source in sources]
            raw = self.raw(np.concatenate([made.x for made in designs]))
            mean[:, step] = [self.value(made, raw[i : i + 1])[0, 0] for i, made in enumerate(designs)]
            unit = unit if step else np.asarray([self.unit(made) for made in designs])
            sources = [_longer(source, mean[i, step]) for i, source in enumerate(sources)]
        return Points(mean, unit[:, None] * self.state.arrays["residual_sd"][:horizon])

    def parts(self, rows: Ints, horizon: int, future: Mapping[str, Floats]) -> dict[str, Floats]:
        """See `Predictor`: each step's own shares; what was forecast before it is part of its level."""
        found: dict[str, Floats] = {}
        mean = self.predict(rows, horizon, future).mean
        for i, row in enumerate(rows):
            source = self.source(int(row), _of(future, i))
            for step in range(horizon):
                for kind, share in self.shares(self.next_step(source)).items():
                    found.setdefault(kind, np.zeros((len(rows), horizon)))[i, step] += share[0]
                source = _longer(source, mean[i, step])
        return found

    def next_step(self, source: Source) -> Design:
        """Features of the step after the source's values."""
        return design(self.spec, source, np.asarray([len(source.y) - 1]), np.ones((1, 1), np.int64))


def _longer(source: Source, value: float) -> Source:
    """The source with one value more; what nobody knows ahead stays as it was."""
    past = {name: np.append(column, column[-1]) for name, column in source.past.items()}
    return replace(source, y=np.append(source.y, value), past=past)


@dataclass(frozen=True)
class TweedieTrees(GlobalTrees):
    """One LightGBM model for the logarithm of values: floor + size * exp(trees(features))."""

    def value(self, made: Design, raw: Floats) -> Floats:
        """See `Pooled`."""
        above = np.exp(np.minimum(raw, LARGEST_LOG)).reshape(1, -1)
        return np.asarray(made.floor[:, None] + made.size[:, None] * above, np.float64)

    def unit(self, made: Design) -> float:
        """See `Pooled`."""
        return float(made.size[0])

    def shares(self, made: Design) -> dict[str, Floats]:
        """See `Pooled`: what the logarithms' shares come to, in proportion."""
        each = self.contributions(made.x).T
        base, apart = each[-1], each[:-1].sum(axis=0)
        level, value = self.value(made, base)[0], self.value(made, base + apart)[0]
        moved = np.abs(apart) > SMALLEST_LOG
        factor = np.where(moved, (value - level) / np.where(moved, apart, 1.0), value - made.floor[0])
        rest = value - level - factor * apart
        return gathered(self.spec, factor * each, {LEVEL: level + rest, SEASON: np.zeros_like(level)})


@dataclass(frozen=True)
class LinearGlobal(Pooled):
    """One line for all series and steps: intercept + sum of slope * (column - mean) / deviation."""

    def raw(self, x: Floats) -> Floats:
        """See `Pooled`."""
        return lines.said(self.state.arrays, lines.expanded(self.spec, x))

    def contributions(self, x: Floats) -> Floats:
        """See `Pooled`."""
        arrays = self.state.arrays
        each = lines.shares(arrays, lines.expanded(self.spec, x))
        found = np.zeros((len(self.spec.names) + 1, len(x)))
        np.add.at(found, lines.owners(self.spec), each.T)
        found[-1] = arrays["intercept"][0]
        return found.T


def trees(state: State, tails: Tails) -> GlobalTrees:
    """The predictor of a state with a LightGBM model; raises BundleDamaged where there is none."""
    return GlobalTrees(state, tails, spec_of(state), booster_of(state))


def recursive_trees(state: State, tails: Tails) -> RecursiveTrees:
    """As `trees`."""
    return RecursiveTrees(state, tails, spec_of(state), booster_of(state))


def tweedie_trees(state: State, tails: Tails) -> TweedieTrees:
    """As `trees`."""
    return TweedieTrees(state, tails, spec_of(state), booster_of(state))


def line(state: State, tails: Tails) -> LinearGlobal:
    """The predictor of a state with a line."""
    return LinearGlobal(state, tails, spec_of(state))


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
