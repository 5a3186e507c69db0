"""Seconds that candidates take, measured: the first guess of an estimate.

Measured by ``python -m benchmarks.training_estimate --measure`` (CPU seconds of one thread, two cores of an x86-64 server of
2023, engine 0.1.0, November 2026) on 3 to 200 series of 30 to 1,200 points, monthly, daily, yearly, weekly and hourly, at
each effort, and fitted to the smallest relative errors. Candidates that no panel there brings up have the rates of their
nearest kin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Rate:
    """Seconds of a candidate: ``fixed`` once; for each window ``series`` a series and ``point`` a point (``seasonal`` more
    where there is a season), of at most ``most_points``. ``patient``: each step of patience adds as much again."""

    fixed: float = 0.0
    series: float = 0.0
    point: float = 0.0
    seasonal: float = 0.0
    most_points: float = float("inf")
    patient: float = 0.0


START_SECONDS: Final = 0.1
FINAL_FITS: Final = 1.2  # windows that fitting on all data and calibrating count as
COVARIATE_SHARE: Final = 0.1  # more for each covariate, of candidates that see them
TREES: Final = Rate(series=0.0004, fixed=0.2, point=2e-4, most_points=4_000, patient=0.8)
RATES: Final[dict[str, Rate]] = {
    "seasonal_naive": Rate(fixed=6e-4, series=1.4e-5),
    "naive": Rate(fixed=6e-4, series=1.4e-5),
    "drift": Rate(fixed=1e-3, series=8e-5),
    "window_average": Rate(fixed=1e-3, series=8e-5),
    "seasonal_window_average": Rate(fixed=3e-3, series=8e-5),
    "seasonal_naive_long": Rate(fixed=1e-3, point=2e-7),
    "standard_theta": Rate(fixed=1e-3, series=5.5e-4, seasonal=9e-6),
    "theta": Rate(series=3e-4, point=3e-5),
    "damped": Rate(series=1.6e-3, seasonal=8.6e-6),
    "ses": Rate(series=8e-4),
    "auto_ets": Rate(fixed=0.02, series=1.6e-3, seasonal=7e-5),
    "auto_ces": Rate(fixed=0.02, series=2.8e-3, point=5.6e-6),
    "auto_arima": Rate(series=0.045, point=5e-5),
    "mstl_arima": Rate(series=0.044, point=1.6e-4),
    "mstl_ets": Rate(series=0.005, point=1.6e-4),
    "croston": Rate(series=5e-4),
    "croston_sba": Rate(series=5e-4),
    "tsb": Rate(series=8e-4),
    "adida": Rate(series=8e-4),
    "imapa": Rate(series=2e-3),
    "lightgbm_global": TREES,
    "lightgbm_recursive": Rate(series=0.02, seasonal=4.4e-4),
    "lightgbm_tweedie": TREES,
    "pretrained_global": Rate(fixed=2e-3, series=8e-4),
    "linear_global": Rate(fixed=0.2, point=5e-5, most_points=20_000),
}
