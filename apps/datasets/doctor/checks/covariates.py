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
    """Columns that are the value itself, a line through it, or the value of a step ahead, in nearly every series."""
    y, same = block.sheet.y, block.sheet.same()
    ahead = np.full(len(y), np.nan)
    ahead[:-1] = np.where(same[1:], y[1:], np.nan)
    for name, column in block.sheet.covariates.items():
        for target in (y, ahead):
            told = _correlation(block, column, target)
            known = ~np.isnan(told)
            if known.any() and (np.abs(told[known]) > NEARLY_ONE).mean() >= MOST_SERIES:
                yield Hit(
                    "covariate_leak", block.sheet.starts[known & (np.abs(told) > NEARLY_ONE)], column=name
                )
                break


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
