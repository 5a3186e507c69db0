"""Sample paths: possible futures of a series, whose steps belong together.

An error of the backtest is a whole row, the steps of one cutoff, so a path that starts too low stays too low as far as
the model's own errors do. Where the bundle has no such rows, errors are a random walk whose spread at each step is the
model's own standard deviation there.
"""

from __future__ import annotations

import numpy as np

from apps.engine import errors
from apps.engine.serving.state import Floats, Ints, Points

FEWEST_ROWS = 4
MOST_PATHS = 10_000


def check(count: int, seed: int) -> None:
    """Raises InvalidSampling unless `count` is from 1 to MOST_PATHS and `seed` a whole number from 0 on."""
    for field, value, high in (("count", count, MOST_PATHS), ("seed", seed, 2**63 - 1)):
        low = int(field == "count")
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            reason = f"it must be a whole number from {low} to {high}"
            raise errors.InvalidSampling(field=field, value=value, reason=reason)


def complete(scaled_errors: Floats | None) -> Floats:
    """The rows f8[U, H] without a missing step; none where there are fewer than FEWEST_ROWS."""
    if scaled_errors is None:
        return np.zeros((0, 0))
    rows = scaled_errors[np.isfinite(scaled_errors).all(axis=1)]
    return rows if len(rows) >= FEWEST_ROWS else rows[:0]


def paths(
    points: Points, scaled_errors: Floats, *, rows: Ints, unit: Floats, count: int, seed: int
) -> Floats:
    """`count` paths around each forecast; f8[R, count, H], not yet bounded.

    `unit` f8[R, H] is what the errors f8[U, H] are measured in. A series' paths depend on its place `rows` in the bundle and the
    seed, not on the series beside it.
    """
    horizon = points.mean.shape[1]
    found = np.empty((len(rows), count, horizon))
    for i, row in enumerate(rows):
        rng = np.random.default_rng([seed, int(row)])
        if len(scaled_errors):
            drawn = scaled_errors[rng.integers(len(scaled_errors), size=count), :horizon] * unit[i]
        else:
            drawn = walks(rng, points.sigma[i], count)
        found[i] = points.mean[i] + drawn
    return found


def walks(rng: np.random.Generator, sigma: Floats, count: int) -> Floats:
    """Normal random walks f8[count, H] with standard deviation `sigma` f8[H] at each step."""
    steps = np.arange(1, len(sigma) + 1)
    # Steps first, so that a shorter horizon gives the beginning of the same paths.
    walk = np.cumsum(rng.standard_normal((len(sigma), count)), axis=0).T
    return np.asarray(walk * (sigma / np.sqrt(steps)), np.float64)
