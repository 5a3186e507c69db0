"""Intervals around forecasts: conformal where the backtest gave enough errors, else the model's own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from apps.engine.intervals import Pool, expected_error, normal_width
from apps.engine.serving.state import Floats, Points


class Band(NamedTuple):
    """One interval: `lo` and `hi` f8[S, H]; `calibrated` is False when it is the model's own band."""

    lo: Floats
    hi: Floats
    calibrated: bool


def make_bands(
    points: Points,
    pool: Pool,
    levels: tuple[int, ...],
    *,
    scales: Floats,
    lower: Floats,
    upper: float | Floats = np.inf,
) -> dict[int, Band]:
    """Bands around `points.mean`, nested by level, not below `lower` nor above `upper`; conformal where the pool is large
    enough.
    """
    bands: dict[int, Band] = {}
    below, above = np.zeros_like(points.mean), np.zeros_like(points.mean)
    unit = expected_error(pool.unit, points.sigma, scales)
    for level in levels:
        widths = pool.widths(level, points.mean.shape[1])
        own = normal_width(level) * points.sigma
        below = np.maximum(below, own if widths is None else widths.below * unit)
        above = np.maximum(above, own if widths is None else widths.above * unit)
        low = np.maximum(points.mean - below, lower[:, None])
        bands[level] = Band(low, np.minimum(points.mean + above, upper), widths is not None)
    return bands
