"""Checks of values: missing, coded, of another unit, negative, copied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from apps.datasets.doctor.checks import extremes
from apps.datasets.doctor.detect import Block, Hit, runs
from apps.datasets.doctor.sheet import Bools, Floats, Ints
from apps.datasets.reading.build import ROW

CODES: Final = (-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0, 999.0, 9999.0, 99999.0, 999999.0, 9999999.0)
LEAST_POINTS: Final = 12
UNIT_POWERS: Final = (2, 3, 6)
UNIT_TOLERANCE: Final = 0.5  # of a power of ten
LEAST_UNIT_RUN: Final = 2
MOST_NEGATIVE: Final = 0.05
LEAST_VARIED: Final = 5
MOST_REPEATED: Final = 0.5  # of a series; one that repeats more is made of repetitions


def faults(block: Block) -> Iterator[Hit]:
    """Cells that were no number, by the reader's own account, and values that are infinite."""
    yield from _infinite(block)
    given = block.about.faults
    if given is None or not given.height:
        return
    for (column, code), group in given.group_by("column", "code", maintain_order=True):
        values = block.sheet.y if column == "y" else block.sheet.covariates.get(str(column))
        if values is None:
            continue
        places = np.flatnonzero(np.isin(block.sheet.rows, group[ROW].to_numpy()) & np.isnan(values))
        places = _of_those_series(block, places, set(group["unique_id"].to_list()))
        if column == "y":
            block.explain(places)
        yield Hit(str(code), places, column=None if column == "y" else str(column))


def _infinite(block: Block) -> Iterator[Hit]:
    places = np.flatnonzero(np.isinf(block.sheet.y))
    block.explain(places)
    yield Hit("non_finite", places)
    for name, values in block.sheet.covariates.items():
        yield Hit("non_finite", np.flatnonzero(np.isinf(values)), column=name)


def _of_those_series(block: Block, places: Ints, ids: set[str | None]) -> Ints:
    """Rows of other files may have the same numbers; those of the named series are meant (None: nobody knows which)."""
    if None in ids:
        return places
    named = [block.sheet.ids[code] in ids for code in block.codes[places].tolist()]
    theirs: Ints = places[np.asarray(named, bool)]
    return theirs


def missing_values(block: Block) -> Iterator[Hit]:
    """Rows with a time but no value, before the series' end."""
    empty = ~block.present & block.past & ~block.explained & ~block.left_out[block.codes]
    yield Hit("missing_values", np.flatnonzero(empty))


def sentinel(block: Block) -> Iterator[Hit]:
    """Values such as -999 and 99999 that stand far from all others of their series."""
    y = block.sheet.y
    coded = block.open & np.isin(y, CODES)
    if not coded.any():
        return
    others = block.open & ~coded
    high = block.per_series(np.where(others, y, -np.inf), np.maximum)[block.codes]
    low = block.per_series(np.where(others, y, np.inf), np.minimum)[block.codes]
    middle = block.medians(np.abs(y), others)[block.codes]
    below = (y < 0) & (low >= 0)
    far = np.abs(y) > 5 * np.maximum(np.maximum(np.abs(high), np.abs(low)), 1)
    usual = np.abs(y) > 3 * np.nan_to_num(middle)
    places = np.flatnonzero(coded & ((below & usual) | far) & (block.lengths >= LEAST_POINTS)[block.codes])
    block.explain(places)
    yield Hit("sentinel", places)


def unit_change(block: Block) -> Iterator[Hit]:
    """Stretches at a hundred, a thousand or a million times the level of the rest, or a fraction of it."""
    y = block.sheet.y
    positive = block.open & (y > 0)
    logs = np.where(positive, np.log10(np.where(positive, y, 1.0)), np.nan)
    jumps = _jumps(block, logs)
    places: list[int] = []
    params: dict[int, dict[str, Any]] = {}
    for series in np.unique(block.codes[jumps]).tolist():
        begin, end = int(block.sheet.indptr[series]), int(block.sheet.indptr[series + 1])
        found = _other_unit(logs[begin:end], jumps[begin:end])
        if found is None:
            continue
        rows, power = found
        places += (rows + begin).tolist()
        params[series] = {"factor": 10.0**-power}
    hits = np.asarray(places, np.int64)
    block.explain(hits)
    yield Hit("unit_change", hits, params=params)


def negative(block: Block) -> Iterator[Hit]:
    """A few negative values in series that are positive otherwise."""
    below = block.open & (block.sheet.y < 0)
    counts = np.add.reduceat(below.astype(np.int64), block.sheet.starts)
    few = (
        (counts > 0)
        & (counts <= np.maximum(1, MOST_NEGATIVE * block.lengths))
        & (block.lengths >= LEAST_POINTS)
    )
    places = np.flatnonzero(below & few[block.codes])
    block.explain(places)
    yield Hit("negative", places)


def repeated_stretch(block: Block) -> Iterator[Hit]:
    """A season or more whose values come again exactly."""
    y = block.sheet.y
    season = max(block.sheet.season, 1)
    for lag in dict.fromkeys((max(season, 6), 2 * season, 7, 12, 14, 24, 28, 30)):
        if lag < LEAST_VARIED or lag >= len(y):
            continue
        again = np.zeros(len(y), bool)
        again[lag:] = (y[lag:] == y[:-lag]) & block.sheet.same(lag)[lag:]
        again &= block.open
        repeated = np.add.reduceat(again.astype(np.int64), block.sheet.starts)
        again &= (repeated <= MOST_REPEATED * block.lengths)[block.codes]
        for begin, end in _long_runs(again, block, lag):
            stretch = y[begin:end]
            if len(np.unique(stretch)) >= max(LEAST_VARIED, 0.6 * min(lag, end - begin)):
                places = np.arange(begin, end)
                block.explain(places)
                yield Hit("repeated_stretch", places)


def _jumps(block: Block, logs: Floats) -> Bools:
    """Where three values from a row on are about a hundred times those before it, or a hundredth; around such a place too."""
    least = min(UNIT_POWERS) - UNIT_TOLERANCE
    high = block.per_series(np.where(np.isnan(logs), -np.inf, logs), np.maximum)
    low = block.per_series(np.where(np.isnan(logs), np.inf, logs), np.minimum)
    if not (high - low > least).any():
        return np.zeros(len(logs), bool)
    before = extremes.beside(logs, block, (1, 2, 3))[0]
    after = extremes.beside(logs, block, (1, 2))[1]
    apart = extremes.nanmedian(np.concatenate([logs[None, :], after])) - extremes.nanmedian(before)
    found: Bools = np.abs(apart) > least
    return found


def _cuts(values: Floats, jumps: Bools) -> Ints:
    """Of each run of jumps the place where two levels fit best."""
    places = np.flatnonzero(jumps)
    if not len(places):
        return places
    cuts = []
    for run in np.split(places, np.flatnonzero(np.diff(places) != 1) + 1):
        low, high = max(int(run[0]) - 3, 0), min(int(run[-1]) + 3, len(values))
        if high - low > 1:
            cuts.append(low + extremes.best_cut(values[low:high]))
    return np.unique(np.asarray(cuts, np.int64))


def _other_unit(logs: Floats, jumps: Bools) -> tuple[Ints, int] | None:
    """The rows of a series at another power of ten than most, and that power; None where there are none."""
    known = np.flatnonzero(~np.isnan(logs))
    if len(known) < LEAST_POINTS:
        return None
    values = logs[known]
    stretches = np.split(np.arange(len(values)), _cuts(values, jumps[known]))
    main = max(stretches, key=len)
    base = float(
        np.median(np.concatenate([values[each] for each in stretches if _near(values[each], values[main])]))
    )
    rows: list[int] = []
    powers: list[int] = []
    for stretch in stretches:
        power = _power(float(np.median(values[stretch])) - base)
        if power and (len(stretch) >= LEAST_UNIT_RUN):
            rows += known[stretch].tolist()
            powers.append(power)
    if not rows or len(set(powers)) > 1 or len(rows) > len(values) / 2:
        return None
    return np.asarray(rows, np.int64), powers[0]


def _near(first: Floats, second: Floats) -> bool:
    return abs(float(np.median(first)) - float(np.median(second))) < 1


def _power(apart: float) -> int:
    for power in UNIT_POWERS:
        if abs(abs(apart) - power) < UNIT_TOLERANCE:
            return power if apart > 0 else -power
    return 0


def _long_runs(flags: Bools, block: Block, least: int) -> Iterator[tuple[int, int]]:
    if flags.sum() < least:
        return
    for begin, end in runs(flags, block.sheet):
        if end - begin >= least:
            yield begin, end
