"""A seasonality test and seasonal indices by classical decomposition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from apps.engine.panel import Floats, Ints
from apps.engine.serving.predictors import ADDITIVE, MULTIPLICATIVE, NONE

SEASONS_TO_TELL = 2.5
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Adjusted:
    """A series without its season: `values` f8[n]; `ahead` f8[m], the seasonal term of steps 1..m; `kind` how
    it enters.
    """

    values: Floats
    ahead: Floats
    kind: int


def is_seasonal(y: Floats, m: int) -> bool:
    """Whether `y` has a season of `m` steps; needs SEASONS_TO_TELL of them.

    An analysis of variance of the positions in the season, on what the moving average leaves of the series (of its
    logarithm where it is positive). The autocorrelation at lag `m`, which the M4 competition's test looks at, takes
    every long random walk for seasonal and misses a season on a steep trend.
    """
    if m < 2 or len(y) < SEASONS_TO_TELL * m:
        return False
    rest = np.log(y) if y.min() > 0 else y
    rest = rest - _moving_average(rest, m)
    inside = np.isfinite(rest)
    return _chance(rest[inside], (np.arange(len(y)) % m)[inside]) < SIGNIFICANT


def found_season(y: Floats, m: int) -> int:
    """1 where the test finds no season of `m` steps, else `m`; a series too short to tell is left to its model."""
    return m if len(y) < SEASONS_TO_TELL * m or is_seasonal(y, m) else 1


def _chance(values: Floats, groups: Ints) -> float:
    """How likely means of groups are as far apart when nothing sets them apart: the p-value of the F-test."""
    from scipy.special import fdtrc

    counts = np.bincount(groups)
    means = np.bincount(groups, values) / np.maximum(counts, 1)
    between, within = int((counts > 0).sum()) - 1, len(values) - int((counts > 0).sum())
    explained = float(((means[groups] - values.mean()) ** 2).sum())
    left = float(((values - means[groups]) ** 2).sum())
    if within <= 0 or between <= 0 or explained <= 0:
        return 1.0
    if left <= 0:
        return 0.0
    return float(fdtrc(between, within, (explained / between) / (left / within)))


def adjust(y: Floats, m: int) -> Adjusted:
    """Take the season of length `m` out where the test finds one: by ratios for positive series, else by
    differences.
    """
    if not is_seasonal(y, m):
        return Adjusted(y, np.zeros(1), NONE)
    trend = _moving_average(y, m)
    inside = np.isfinite(trend)
    phase = np.arange(len(y)) % m
    multiplicative = bool(y.min() > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = y / trend if multiplicative else y - trend
    index = np.asarray([ratios[inside & (phase == p)].mean() for p in range(m)])
    index = index / index.mean() if multiplicative else index - index.mean()
    if multiplicative and index.min() < 0.01:
        multiplicative = False
        index = np.asarray([(y - trend)[inside & (phase == p)].mean() for p in range(m)])
        index = index - index.mean()
    values = y / index[phase] if multiplicative else y - index[phase]
    ahead = np.roll(index, -(len(y) % m))
    return Adjusted(values, ahead, MULTIPLICATIVE if multiplicative else ADDITIVE)


def _moving_average(y: Floats, m: int) -> Floats:
    """Centred moving average over one season; NaN at the ends."""
    weights = np.concatenate([[0.5], np.ones(m - 1), [0.5]]) / m if m % 2 == 0 else np.ones(m) / m
    half = len(weights) // 2
    trend = np.full(len(y), np.nan)
    trend[half : len(y) - half] = np.convolve(y, weights, mode="valid")
    return trend
