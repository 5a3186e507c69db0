"""One step of the local models' states.

Theta's numbers may be floats (one series) or arrays (one entry a series): only sums, products and quotients occur, so
both give the same bits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from apps.engine.serving.state import Floats

NONE, ADDITIVE, MULTIPLICATIVE = 0, 1, 2
TINY = 1e-10


class Theta(NamedTuple):
    """Dynamic optimised Theta after `n` points: smoothed `level`, running `mean`, the line `a` + `b` t through all
    points, and `power` = (1 - alpha) ** n.
    """

    level: Any
    mean: Any
    a: Any
    b: Any
    n: Any
    power: Any


def theta_drift(state: Theta, alpha: Any, weight: Any) -> Any:
    """What the theta line adds to the level in the next step; `weight` is 1 - 1 / theta."""
    reach = (1.0 - state.power * (1.0 - alpha)) / alpha
    return weight * (state.a * state.power + state.b * reach)


def theta_after(state: Theta, alpha: Any, value: Any) -> Theta:
    """The state after one more `value`, seasonally adjusted."""
    n = state.n
    line_b = ((n - 1) * state.b + 6.0 * (value - state.mean) / (n + 1)) / (n + 2)
    mean = (n * state.mean + value) / (n + 1)
    level = alpha * value + (1.0 - alpha) * state.level
    return Theta(level, mean, mean - line_b * (n + 2) / 2.0, line_b, n + 1, state.power * (1.0 - alpha))


class Smoothing(NamedTuple):
    """Exponential smoothing's state and parameters: `season` f8[m], the next step's first; `kind` how it enters."""

    level: float
    slope: float
    season: Floats
    kind: int
    alpha: float
    beta: float
    gamma: float
    phi: float


def smoothing_after(state: Smoothing, value: float) -> Smoothing:
    """The state after one more `value`: the library's own order, in which all see the level before it."""
    slope = state.phi * state.slope
    base = state.level + slope
    level = base + state.alpha * (adjusted(value, state.season, state.kind) - base)
    grown = slope + state.beta / state.alpha * (level - state.level - slope) if state.beta else slope
    return state._replace(level=level, slope=grown, season=_season_after(state, value, base))


def adjusted(value: float, season: Floats, kind: int) -> float:
    """`value` without the seasonal term of its step, the first of `season`."""
    if kind == ADDITIVE:
        return value - float(season[0])
    return value / max(float(season[0]), TINY) if kind == MULTIPLICATIVE else value


def _season_after(state: Smoothing, value: float, base: float) -> Floats:
    if state.kind == NONE:
        return state.season
    season = np.roll(state.season, -1)
    if state.gamma and (state.kind == ADDITIVE or abs(base) > TINY):
        seen = value / base if state.kind == MULTIPLICATIVE else value - base
        season[-1] += state.gamma * (seen - season[-1])
    return season
