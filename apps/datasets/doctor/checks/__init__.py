"""The checks, in the order in which they explain rows to each other. One function and one line here adds another."""

from __future__ import annotations

from typing import Final

from apps.datasets.doctor.checks import covariates, extremes, series, times, values
from apps.datasets.doctor.detect import Check

CHECKS: Final[tuple[Check, ...]] = (
    series.no_values,
    times.far_dates,
    times.mixed_frequency,
    times.swapped_dates,
    times.dst_doubling,
    times.duplicates,
    times.future_dates,
    times.irregular,
    times.gaps,
    values.faults,
    values.missing_values,
    values.sentinel,
    values.unit_change,
    values.negative,
    values.repeated_stretch,
    series.constant,
    series.intermittent,
    extremes.level_shift,
    extremes.outliers,
    series.too_short,
    series.stopped_early,
    covariates.future_rows,
    covariates.missing,
    covariates.leak,
)
