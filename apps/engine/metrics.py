"""Forecast errors. Arrays are f8; `y` and `f` have equal shapes; NaN in `y` (no actual there) is left out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def naive_scale(history: Floats, season_length: int) -> float:
    """Mean absolute seasonal-naive error within `history`: the denominator of MASE, in units of the data.

    Falls back to the last-value naive when the season is too long or gives 0, then to the mean size, then to
    1, so that it is always positive.
    """
    for lag in (season_length, 1):
        if len(history) > lag:
            scale = float(np.abs(history[lag:] - history[:-lag]).mean())
            if scale > 1e-12 * max(float(np.abs(history).max()), 1e-300):
                return scale
    size = float(np.abs(history).mean())
    return size if size > 0 else 1.0


def squared_scale(history: Floats, season_length: int) -> float:
    """Root mean squared seasonal-naive error within `history`: the denominator of RMSSE; never 0."""
    for lag in (season_length, 1):
        if len(history) > lag:
            scale = float(np.sqrt(np.mean((history[lag:] - history[:-lag]) ** 2)))
            if scale > 1e-12 * max(float(np.abs(history).max()), 1e-300):
                return scale
    return naive_scale(history, season_length)


def mae(y: Floats, f: Floats) -> float:
    """Mean absolute error, in units of the data."""
    return float(np.nanmean(np.abs(y - f)))


def rmse(y: Floats, f: Floats) -> float:
    """Root mean squared error, in units of the data."""
    return float(np.sqrt(np.nanmean((y - f) ** 2)))


def mase(y: Floats, f: Floats, scale: float) -> float:
    """Mean absolute scaled error (Hyndman and Koehler 2006); 1 = as good as the in-sample seasonal naive."""
    return mae(y, f) / scale


def rmsse(y: Floats, f: Floats, scale: float) -> float:
    """Root mean squared scaled error (M5 competition), with `squared_scale`."""
    return rmse(y, f) / scale


def smape(y: Floats, f: Floats) -> float:
    """Symmetric mean absolute percentage error in percent (M4 definition, 0 to 200); 0/0 counts as 0."""
    total = np.abs(y) + np.abs(f)
    ratio = np.divide(200.0 * np.abs(y - f), total, out=np.zeros_like(total), where=total > 0)
    return float(np.nanmean(np.where(np.isnan(y), np.nan, ratio)))


def wape(y: Floats, f: Floats) -> float:
    """Weighted absolute percentage error: sum of absolute errors over sum of absolute actuals (NaN when those
    are 0).
    """
    total = float(np.nansum(np.abs(y)))
    return float(np.nansum(np.abs(y - f))) / total if total > 0 else float("nan")


def bias(y: Floats, f: Floats) -> float:
    """Mean of forecast minus actual, in units of the data."""
    return float(np.nanmean(f - y))


def coverage(y: Floats, lo: Floats, hi: Floats) -> float:
    """Share of actuals inside [lo, hi]."""
    present = ~np.isnan(y)
    return float(((y >= lo) & (y <= hi))[present].mean())


def msis(y: Floats, lo: Floats, hi: Floats, scale: float, level: int) -> float:
    """Mean scaled interval score (M4): width plus penalty for misses, over `scale`."""
    penalty = 2.0 / (1.0 - level / 100.0)
    score = (hi - lo) + penalty * (np.maximum(lo - y, 0.0) + np.maximum(y - hi, 0.0))
    return float(np.nanmean(score)) / scale


def pinball(y: Floats, f: Floats, quantile: float) -> float:
    """Mean quantile loss, in units of the data."""
    error = y - f
    return float(np.nanmean(np.maximum(quantile * error, (quantile - 1.0) * error)))
