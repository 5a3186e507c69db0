"""One step of the local models' states. Every number may be a float (one series) or an array (one entry a series):
only sums, products and quotients occur, so both give the same bits.
"""

from __future__ import annotations

from typing import Any, NamedTuple


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
