"""Checks of whole series: empty, short, flat, ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from apps.datasets.doctor.detect import Block, Hit

MIN_POINTS: Final = 8
ZERO_SHARE: Final = 0.3
LEAST_PATIENCE, MOST_PATIENCE = 3, 12


def no_values(block: Block) -> Iterator[Hit]:
    """Series without any value."""
    empty = np.flatnonzero(block.lengths == 0)
    block.left_out[empty] = True
    block.explain(np.flatnonzero(np.isin(block.codes, empty)))
    yield Hit("no_values", block.sheet.starts[empty])


def constant(block: Block) -> Iterator[Hit]:
    """Series that have one value throughout."""
    y = block.sheet.y
    least = block.per_series(np.where(block.present, y, np.inf), np.minimum)
    most = block.per_series(np.where(block.present, y, -np.inf), np.maximum)
    flat = (least == most) & (block.lengths >= MIN_POINTS) & ~block.left_out
    block.flat[flat] = True
    yield Hit("all_zero", block.sheet.starts[flat & (most == 0)])
    yield Hit("constant", block.sheet.starts[flat & (most != 0)])


def intermittent(block: Block) -> Iterator[Hit]:
    """Series that are often zero; peaks are what they are made of, so nothing else is looked for in them."""
    zeros = np.add.reduceat((block.sheet.y == 0).astype(np.int64), block.sheet.starts)
    often = (zeros >= ZERO_SHARE * np.maximum(block.lengths, 1)) & (block.lengths >= MIN_POINTS)
    often &= ~block.left_out & ~block.flat
    block.flat[often] = True
    yield Hit("intermittent", block.sheet.starts[often])


def too_short(block: Block) -> Iterator[Hit]:
    """Series with fewer than two seasons, or fewer than what is asked for."""
    enough = max(MIN_POINTS, 2 * block.sheet.season, 2 * (block.about.horizon or 0))
    short = (block.lengths > 0) & (block.lengths < enough) & ~block.left_out
    yield Hit("too_short", block.sheet.starts[short], block.lengths[short])


def stopped_early(block: Block) -> Iterator[Hit]:
    """Series that end some steps before the table does."""
    sheet = block.sheet
    if sheet.frequency is None:
        return
    patience = min(max(sheet.season, LEAST_PATIENCE), MOST_PATIENCE)
    last = np.maximum(block.last, 0)
    spacing = block.medians(np.diff(sheet.ds, prepend=sheet.ds[:1]).astype(float), sheet.same())
    behind = block.latest - sheet.ds[last]
    stopped = (behind > np.nan_to_num(spacing, nan=np.inf) * patience) & (block.lengths > 0)
    yield Hit("stopped_early", last[stopped & ~block.left_out])
