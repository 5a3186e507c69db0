"""Predictors in numpy, one a kind of state. They give what the fitting library gives, to rounding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.engine import errors
from apps.engine.features import Design, FeatureSpec, design
from apps.engine.serving.booster import Booster
from apps.engine.serving.state import Floats, Ints, Points, Predictor, State, Tails

NONE, ADDITIVE, MULTIPLICATIVE = 0, 1, 2


@dataclass(frozen=True)
class SeasonalNaive:
    """The value one season earlier; the last value where the history is shorter than a season."""

    state: State
    tails: Tails

    @property
    def fitted(self) -> NDArray[np.bool_]:
        """Every series."""
        return self.state.fitted

    def predict(self, rows: Ints, horizon: int, future: Mapping[str, Floats]) -> Points:  # noqa: ARG002
        """See `Predictor`."""
        season = self.tails.frequency.season_length
        mean = np.empty((len(rows), horizon))
        periods = np.empty(len(rows), np.int64)
        for i, row in enumerate(rows):
            tail = self.tails.series(int(row))
            periods[i] = season if len(tail) >= season else 1
            mean[i] = np.resize(tail[-periods[i] :], horizon)
        rounds = np.arange(horizon)[None, :] // periods[:, None] + 1
        return Points(mean, self.state.arrays["sigma"][rows][:, None] * np.sqrt(rounds))


@dataclass(frozen=True)
class ExponentialSmoothing:
    """ETS(·, N/A/Ad, N/A/M): level, damped slope and season, on a series seasonally adjusted beforehand or
    not.
    """

    state: State
    tails: Tails

    @property
    def fitted(self) -> NDArray[np.bool_]:
        """Where the model could be fitted."""
        return self.state.fitted

    def predict(self, rows: Ints, horizon: int, future: Mapping[str, Floats]) -> Points:  # noqa: ARG002
        """See `Predictor`."""
        level, slope, season = self.components(rows, horizon)
        return Points(
            combine(level + slope, season, self._kind(rows)), self.state.arrays["sigma"][rows, :horizon]
        )

    def components(self, rows: Ints, horizon: int) -> tuple[Floats, Floats, Floats]:
        """Level, slope's share and seasonal term for each step; f8[R, horizon] each."""
        arrays = self.state.arrays
        slope = arrays["slope"][rows][:, None] * damping(arrays["phi"][rows], horizon)
        level = np.repeat(arrays["level"][rows][:, None], horizon, axis=1)
        return level, slope, cycle(arrays["season"][rows], horizon)

    def _kind(self, rows: Ints) -> Ints:
        return np.asarray(self.state.arrays["season_kind"][rows], np.int64)


@dataclass(frozen=True)
class DynamicTheta:
    """Dynamic optimised Theta (Fiorucci et al. 2016) on a seasonally adjusted series."""

    state: State
    tails: Tails

    @property
    def fitted(self) -> NDArray[np.bool_]:
        """Where the model could be fitted."""
        return self.state.fitted

    def predict(self, rows: Ints, horizon: int, future: Mapping[str, Floats]) -> Points:  # noqa: ARG002
        """See `Predictor`."""
        level, drift, season = self.components(rows, horizon)
        kind = np.asarray(self.state.arrays["season_kind"][rows], np.int64)
        return Points(combine(level + drift, season, kind), self.state.arrays["sigma"][rows, :horizon])

    def components(self, rows: Ints, horizon: int) -> tuple[Floats, Floats, Floats]:
        """Smoothed level, the theta line's share and the seasonal term for each step; f8[R, horizon] each."""
        a = {
            name: self.state.arrays[name][rows] for name in ("level", "mean", "a", "b", "n", "alpha", "theta")
        }
        levels, drifts = np.empty((len(rows), horizon)), np.empty((len(rows), horizon))
        level, mean, line_a, line_b, alpha = a["level"], a["mean"], a["a"], a["b"], a["alpha"]
        weight = 1.0 - 1.0 / a["theta"]
        for k in range(horizon):
            i = a["n"] + k
            drift = weight * (line_a * (1 - alpha) ** i + line_b * (1 - (1 - alpha) ** (i + 1)) / alpha)
            levels[:, k], drifts[:, k] = level, drift
            value = level + drift
            level = alpha * value + (1 - alpha) * level
            line_b = ((i - 1) * line_b + 6 * (value - mean) / (i + 1)) / (i + 2)
            mean = (i * mean + value) / (i + 1)
            line_a = mean - line_b * (i + 2) / 2
        return levels, drifts, cycle(self.state.arrays["season"][rows], horizon)


@dataclass(frozen=True)
class Paths:
    """A forecast kept as the parts it was made of: level, trend and season of each step, which add up."""

    state: State
    tails: Tails

    @property
    def fitted(self) -> NDArray[np.bool_]:
        """Where the model could be fitted."""
        return self.state.fitted

    def predict(self, rows: Ints, horizon: int, future: Mapping[str, Floats]) -> Points:  # noqa: ARG002
        """See `Predictor`."""
        level, trend, season = self.components(rows, horizon)
        return Points(level + trend + season, self.state.arrays["sigma"][rows, :horizon])

    def components(self, rows: Ints, horizon: int) -> tuple[Floats, Floats, Floats]:
        """Level, trend and seasonal term for each step; f8[R, horizon] each."""
        arrays = self.state.arrays
        level = np.repeat(arrays["level"][rows][:, None], horizon, axis=1)
        return level, arrays["trend"][rows, :horizon], arrays["season"][rows, :horizon]


@dataclass(frozen=True)
class GlobalTrees:
    """One LightGBM model for all series and steps: anchor + scale * trees(features)."""

    state: State
    tails: Tails
    spec: FeatureSpec
    booster: Booster

    @property
    def fitted(self) -> NDArray[np.bool_]:
        """Which series it can forecast."""
        return self.state.fitted

    def predict(self, rows: Ints, horizon: int, future: Mapping[str, Floats]) -> Points:
        """See `Predictor`."""
        designs = [
            self.design(int(r), horizon, {k: v[i] for k, v in future.items()}) for i, r in enumerate(rows)
        ]
        if not designs:
            return Points(np.zeros((0, horizon)), np.zeros((0, horizon)))
        raw = self.booster.predict(np.concatenate([d.x for d in designs])).reshape(len(rows), horizon)
        anchor = np.concatenate([d.anchor for d in designs])[:, None]
        scale = np.concatenate([d.scale for d in designs])[:, None]
        return Points(anchor + scale * raw, scale * self.state.arrays["residual_sd"][:horizon])

    def design(self, row: int, horizon: int, future: Mapping[str, Floats]) -> Design:
        """Features of one series for steps 1..horizon; `future` maps each covariate to f8[horizon]."""
        tail = self.tails.series(row)
        covariates = {
            name: np.concatenate([self.tails.covariate(name, row), future[name]])
            for name in self.spec.covariates
        }
        return design(
            self.spec,
            tail,
            np.asarray([len(tail) - 1]),
            np.arange(1, horizon + 1),
            frequency=self.tails.frequency,
            start=self.tails.times(row)[0],
            offset=int(self.tails.lengths[row]) - len(tail),
            covariates=covariates,
        )


def damping(phi: Floats, horizon: int) -> Floats:
    """By how many slopes the level has moved after each step, for phi f8[R]; f8[R, horizon].

    phi, 2 phi, 2 phi + phi^2, ...: the library that estimates the models counts the first power twice, where
    the textbook has phi, phi + phi^2, ... A forecast here is the library's own.
    """
    powers = np.power(phi[:, None], np.maximum(np.arange(horizon), 1))
    return np.asarray(np.cumsum(powers, axis=1), np.float64)


def cycle(season: Floats, horizon: int) -> Floats:
    """Seasonal values f8[R, m] repeated over the horizon; f8[R, horizon]."""
    repeats = -(-horizon // season.shape[1])
    return np.tile(season, (1, repeats))[:, :horizon]


def combine(base: Floats, season: Floats, kind: Ints) -> Floats:
    """`base` with its seasonal term added, multiplied or left out, as `kind` i8[R] says."""
    chosen = kind[:, None]
    return np.where(
        chosen == MULTIPLICATIVE, base * season, np.where(chosen == ADDITIVE, base + season, base)
    )


def _trees(state: State, tails: Tails) -> Predictor:
    if state.text is None:
        raise errors.BundleDamaged(reason="the text of its LightGBM model is missing")
    return GlobalTrees(state, tails, FeatureSpec.from_json(state.meta["features"]), Booster(state.text))


PREDICTORS: dict[str, Callable[[State, Tails], Predictor]] = {
    "seasonal_naive": SeasonalNaive,
    "ets": ExponentialSmoothing,
    "theta": DynamicTheta,
    "paths": Paths,
    "lightgbm_global": _trees,
}
