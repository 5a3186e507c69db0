"""Predictors in numpy, one a kind of state. They give what the fitting library gives, to rounding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.engine.serving import pooled
from apps.engine.serving.components import LEVEL, SEASON, TREND
from apps.engine.serving.recursions import (
    ADDITIVE,
    MULTIPLICATIVE,
    NONE,
    Theta,
    theta_after,
    theta_drift,
)
from apps.engine.serving.state import Floats, Ints, Points, Predictor, State, Tails

FEW_SERIES = 16  # up to here plain floats take less time than arrays


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
        last = [self._last_season(int(row)) for row in rows]
        mean = np.asarray([np.resize(values, horizon) for values in last]).reshape(len(rows), horizon)
        periods = np.asarray([len(values) for values in last], np.int64)
        rounds = np.arange(horizon)[None, :] // periods[:, None] + 1
        return Points(mean, self.state.arrays["sigma"][rows][:, None] * np.sqrt(rounds))

    def parts(self, rows: Ints, horizon: int, future: Mapping[str, Floats]) -> dict[str, Floats]:
        """See `Predictor`: the mean of the last season, and how its values differ from it."""
        means = np.asarray([self._last_season(int(row)).mean() for row in rows])
        level = np.repeat(means[:, None], horizon, axis=1)
        return {LEVEL: level, SEASON: self.predict(rows, horizon, future).mean - level}

    def _last_season(self, row: int) -> Floats:
        tail, season = self.tails.series(row), self.tails.frequency.season_length
        return tail[-season:] if len(tail) >= season else tail[-1:]


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

    def parts(self, rows: Ints, horizon: int, future: Mapping[str, Floats]) -> dict[str, Floats]:  # noqa: ARG002
        """See `Predictor`."""
        return additive(*self.components(rows, horizon), self._kind(rows))

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
        return Points(
            combine(level + drift, season, self._kind(rows)), self.state.arrays["sigma"][rows, :horizon]
        )

    def parts(self, rows: Ints, horizon: int, future: Mapping[str, Floats]) -> dict[str, Floats]:  # noqa: ARG002
        """See `Predictor`."""
        return additive(*self.components(rows, horizon), self._kind(rows))

    def components(self, rows: Ints, horizon: int) -> tuple[Floats, Floats, Floats]:
        """Smoothed level, the theta line's share and the seasonal term for each step; f8[R, horizon] each."""
        start, alpha, weight = self._start(rows)
        levels, drifts = np.empty((horizon, len(rows))), np.empty((horizon, len(rows)))
        if len(rows) > FEW_SERIES:
            _theta_ahead(start, alpha, weight, levels, drifts)
        else:
            for i in range(len(rows)):
                one = Theta(*(column[i].item() for column in start))
                _theta_ahead(one, alpha[i].item(), weight[i].item(), levels[:, i], drifts[:, i])
        return levels.T, drifts.T, cycle(self.state.arrays["season"][rows], horizon)

    def _kind(self, rows: Ints) -> Ints:
        return np.asarray(self.state.arrays["season_kind"][rows], np.int64)

    def _start(self, rows: Ints) -> tuple[Theta, Floats, Floats]:
        arrays = self.state.arrays
        level, mean, a, b, n = (arrays[name][rows] for name in ("level", "mean", "a", "b", "n"))
        alpha = arrays["alpha"][rows]
        power = np.power(1.0 - alpha, n)
        return Theta(level, mean, a, b, n, power), alpha, 1.0 - 1.0 / arrays["theta"][rows]


def _theta_ahead(state: Theta, alpha: Any, weight: Any, levels: Floats, drifts: Floats) -> None:
    """Fill the levels and drifts f8[horizon, ...] of a forecast, which takes its own values for points."""
    for k in range(len(levels)):
        level, drift = state.level, theta_drift(state, alpha, weight)
        levels[k], drifts[k] = level, drift
        state = theta_after(state, alpha, level + drift)


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

    def parts(self, rows: Ints, horizon: int, future: Mapping[str, Floats]) -> dict[str, Floats]:  # noqa: ARG002
        """See `Predictor`."""
        return dict(zip((LEVEL, TREND, SEASON), self.components(rows, horizon), strict=True))

    def components(self, rows: Ints, horizon: int) -> tuple[Floats, Floats, Floats]:
        """Level, trend and seasonal term for each step; f8[R, horizon] each."""
        arrays = self.state.arrays
        level = np.repeat(arrays["level"][rows][:, None], horizon, axis=1)
        return level, arrays["trend"][rows, :horizon], arrays["season"][rows, :horizon]


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


def additive(base: Floats, trend: Floats, season: Floats, kind: Ints) -> dict[str, Floats]:
    """Level, trend and what the season does to their sum, which add up to `combine(base + trend, season, kind)`."""
    return {LEVEL: base, TREND: trend, SEASON: combine(base + trend, season, kind) - (base + trend)}


__all__ = ["ADDITIVE", "MULTIPLICATIVE", "NONE", "PREDICTORS"]

PREDICTORS: dict[str, Callable[[State, Tails], Predictor]] = {
    "seasonal_naive": SeasonalNaive,
    "ets": ExponentialSmoothing,
    "theta": DynamicTheta,
    "paths": Paths,
    "lightgbm_global": pooled.trees,
    "lightgbm_recursive": pooled.recursive_trees,
    "lightgbm_tweedie": pooled.tweedie_trees,
    "linear_global": pooled.line,
}
