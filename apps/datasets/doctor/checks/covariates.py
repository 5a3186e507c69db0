"""Checks of the columns beside the value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from apps.datasets.doctor.detect import Block, Hit
from apps.datasets.doctor.sheet import Bools, Floats

LEAST_POINTS: Final = 12
NEARLY_ONE: Final = 0.9999
MOST_SERIES: Final = 0.9
STEPS_AHEAD: Final = (1, 2, 3)  # beside a season
PLAINLY: Final = 10.0  # times closer to a line than the step before comes
ROUNDING: Final = 1e-12


def future_rows(block: Block) -> Iterator[Hit]:
    """Rows after the last value, whose columns say what is known ahead."""
    if block.about.covariates:
        yield Hit(
            "future_rows", np.flatnonzero(~block.past & ~block.present & (block.last[block.codes] >= 0))
        )


def missing(block: Block) -> Iterator[Hit]:
    """Empty cells of a column: where there is a value, and in rows that are there to say what is known ahead."""
    for name, column in block.sheet.covariates.items():
        empty = np.isnan(column) & ~block.left_out[block.codes]
        yield Hit("missing_covariate", np.flatnonzero(empty & block.past & block.present), column=name)
        if name in block.about.covariates:
            ahead = np.flatnonzero(empty & ~block.past)
            yield Hit("covariate_missing_future", ahead, column=name)


def leak(block: Block) -> Iterator[Hit]:
    """Columns that are a line through the value, or through one of a step ahead, in nearly every series.

    A column that is known only up to now may well say what the value of its own step was. One that is as close to the
    value of the step before says what was known then: a smooth series is nearly a line through its own past.
    """
    steps = dict.fromkeys((*STEPS_AHEAD, block.sheet.season))
    for name, column in block.sheet.covariates.items():
        own = (0,) if name in block.about.covariates else ()
        for ahead in (*own, *steps):
            told = _off_line(block, column, ahead)
            known = ~np.isnan(told)
            if not known.any() or (told[known] < 1 - NEARLY_ONE).mean() < MOST_SERIES:
                continue
            before = np.nan_to_num(_off_line(block, column, -1), nan=1.0)
            giving = known & (told < 1 - NEARLY_ONE) & (told * PLAINLY < before)
            if giving.sum() >= MOST_SERIES * known.sum():
                yield Hit("covariate_leak", block.sheet.starts[giving], column=name)
                break


def _off_line(block: Block, column: Floats, ahead: int) -> Floats:
    """How far, of each series, the column is from a line through the value ``ahead`` steps later: 0 on it, 1 nowhere near."""
    told = np.abs(_correlation(block, column, _moved(block, ahead)))
    off: Floats = np.maximum(1 - told, ROUNDING)
    return off


def _moved(block: Block, ahead: int) -> Floats:
    """Each row's value as it is ``ahead`` rows later in its series; NaN where that has none."""
    y, lag = block.sheet.y, abs(ahead)
    if not ahead:
        return y
    out = np.full(len(y), np.nan)
    if lag >= len(y):
        return out
    same = block.sheet.same(lag)[lag:]
    if ahead > 0:
        out[:-lag] = np.where(same, y[lag:], np.nan)
    else:
        out[lag:] = np.where(same, y[:-lag], np.nan)
    return out


def _correlation(block: Block, first: Floats, second: Floats) -> Floats:
    """Of each series with enough points and some variation; NaN for the others."""
    chosen: Bools = ~np.isnan(first) & ~np.isnan(second) & block.open
    starts = block.sheet.starts

    def total(values: Floats) -> Floats:
        found: Floats = np.add.reduceat(np.where(chosen, values, 0.0), starts)
        return found

    count = total(np.ones(len(first)))
    with np.errstate(invalid="ignore", divide="ignore"):
        a = first - (total(first) / count)[block.codes]
        b = second - (total(second) / count)[block.codes]
        made: Floats = total(a * b) / np.sqrt(total(a * a) * total(b * b))
    flat = (total(a * a) <= 1e-12 * count) | (total(b * b) <= 1e-12 * count)
    return np.where((count >= LEAST_POINTS) & ~flat, made, np.nan)
