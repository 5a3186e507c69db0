"""Checks of values: missing, coded, of another unit, negative, copied, far out, shifted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from apps.datasets.doctor.detect import Block, Hit, runs
from apps.datasets.doctor.sheet import Bools, Floats, Ints
from apps.datasets.reading.build import ROW

CODES: Final = (-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0, 999.0, 9999.0, 99999.0, 999999.0, 9999999.0)
LEAST_POINTS: Final = 12
TO_MAD: Final = 1.4826
# An outlier is this many robust deviations from what is near it, and from what was a season apart, and at least by
# this factor (in logarithms) or this share of the series' usual size.
FAR_NEAR, FAR_SEASON = 8.0, 6.0
LEAST_LOG: Final = 0.6
LEAST_SHARE: Final = 0.5
AROUND: Final = 3
# However unsteady a series is: a single value beyond the others by more than twice what they reach over their median is
# one, and a factor of four at least.
BEYOND: Final = 1.5
LEAST_BEYOND: Final = 1.4
UNIT_POWERS: Final = (2, 3, 6)
UNIT_TOLERANCE: Final = 0.5  # of a power of ten
LEAST_UNIT_RUN: Final = 2
MOST_NEGATIVE: Final = 0.05
LEAST_VARIED: Final = 5
MOST_REPEATED: Final = 0.5  # of a series; one that repeats more is made of repetitions
LEAST_WIDTH: Final = 8
SHIFT_SCORE, SHIFT_SHARE = 7.0, 0.35


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
    y, same = block.sheet.y, block.sheet.same()
    positive = block.open & (y > 0)
    logs = np.where(positive, np.log10(np.where(positive, y, 1.0)), np.nan)
    jumps = np.abs(np.diff(logs, prepend=np.nan)) > min(UNIT_POWERS) - UNIT_TOLERANCE
    places: list[int] = []
    params: dict[int, dict[str, Any]] = {}
    for series in np.unique(block.codes[jumps & same]).tolist():
        begin, end = int(block.sheet.indptr[series]), int(block.sheet.indptr[series + 1])
        found = _other_unit(logs[begin:end])
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


def outliers(block: Block) -> Iterator[Hit]:
    """Values far from their neighbours and from what was a season before and after."""
    z, is_log = _scaled(block)
    chosen = block.open & (block.lengths >= LEAST_POINTS)[block.codes]
    if not chosen.any():
        return
    z = np.where(chosen, z, np.nan)
    near = z - _around(z, block, tuple(range(1, AROUND + 1)))
    score = np.abs(near) / _deviation(block, near, chosen)
    least = np.where(is_log, LEAST_LOG, LEAST_SHARE * _size(block, z, chosen))
    far = chosen & (score > FAR_NEAR) & (np.abs(near) > least)
    season = block.sheet.season
    if season > 1 and far.any():
        apart = z - _around(z, block, (season, 2 * season))
        known = ~np.isnan(apart)
        strange = np.abs(apart) / _deviation(block, apart, chosen & known) > FAR_SEASON
        far &= ~known | (strange & (np.abs(apart) > least))
    places = np.flatnonzero(far | _beyond(block, z, is_log, chosen))
    block.explain(places)
    yield Hit("outliers", places)


def _beyond(block: Block, z: Floats, is_log: Bools, chosen: Bools) -> Bools:
    """The one value of a series that lies beyond all its others by more than they span, however unsteady they are."""
    out = np.zeros(len(z), bool)
    for sign in (1.0, -1.0):
        signed = np.where(chosen, sign * z, -np.inf)
        most = block.per_series(signed, np.maximum)
        top = chosen & (signed == most[block.codes])
        rest = np.where(top, -np.inf, signed)
        second = block.per_series(rest, np.maximum)
        with np.errstate(invalid="ignore"):
            span = second - block.medians(signed, chosen)
            apart = np.where(np.isfinite(second), most - second, 0.0)
            least = np.where(is_log[block.sheet.starts], LEAST_BEYOND, 0.0)
            lone = (
                (apart > BEYOND * span)
                & (apart > least)
                & (np.add.reduceat(top.astype(np.int64), block.sheet.starts) == 1)
            )
        out |= top & lone[block.codes]
    return out


def level_shift(block: Block) -> Iterator[Hit]:
    """The place where the level changes at once and stays."""
    season = max(block.sheet.season, 1)
    width = season * -(-LEAST_WIDTH // season)  # whole seasons, so that they cancel out
    z, _ = _scaled(block)
    usable = (block.lengths >= 4 * width) & ~(block.left_out | block.flat)
    if not usable.any():
        return
    before, after = _means(np.where(block.open, z, np.nan), block, width)
    apart = np.where(usable[block.codes], after - before, np.nan)
    known = ~np.isnan(apart)
    usual = block.medians(np.abs(apart), known)[block.codes]
    noise = block.medians(np.abs(np.diff(z, prepend=z[:1])), known & block.sheet.same())[block.codes]
    score = np.abs(apart) / np.maximum(np.maximum(usual, noise / np.sqrt(width) * 2), 1e-12)
    strong = known & (score > SHIFT_SCORE) & (np.abs(apart) > SHIFT_SHARE)
    places = _peaks(block, np.where(strong, np.abs(apart), 0.0), z, width)
    for place in places.tolist():  # its neighbours are far from each other for this reason
        block.explain(np.arange(max(place - AROUND, 0), min(place + AROUND, len(z))))
    yield Hit("level_shift", places)


def _other_unit(logs: Floats) -> tuple[Ints, int] | None:
    """The rows of a series at another power of ten than most, and that power; None where there are none."""
    known = np.flatnonzero(~np.isnan(logs))
    if len(known) < LEAST_POINTS:
        return None
    values = logs[known]
    cuts = np.flatnonzero(np.abs(np.diff(values)) > min(UNIT_POWERS) - UNIT_TOLERANCE) + 1
    stretches = np.split(np.arange(len(values)), cuts)
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


def _scaled(block: Block) -> tuple[Floats, Bools]:
    """Logarithms where a series is positive, else values; and which of both each row has."""
    y = block.sheet.y
    low = block.per_series(np.where(block.open, y, np.inf), np.minimum)
    is_log = (low > 0)[block.codes]
    return np.where(is_log, np.log(np.where(is_log & (y > 0), y, 1.0)), y), is_log


def _around(z: Floats, block: Block, lags: tuple[int, ...]) -> Floats:
    """The median of what lies these steps before and after, where it is there."""
    beside = np.full((2 * len(lags), len(z)), np.nan)
    for number, lag in enumerate(lags):
        if lag >= len(z):
            continue
        same = block.sheet.same(lag)
        beside[2 * number, lag:] = np.where(same[lag:], z[:-lag], np.nan)
        beside[2 * number + 1, :-lag] = np.where(same[lag:], z[lag:], np.nan)
    return nanmedian(beside)


def nanmedian(rows: Floats) -> Floats:
    """The median down each column of a few rows, without NaN; NaN where all are."""
    ordered = np.sort(rows, axis=0)  # NaN last
    count = (~np.isnan(ordered)).sum(axis=0)
    columns = np.arange(rows.shape[1])
    low = np.maximum((count - 1) // 2, 0)
    high = np.minimum(count // 2, rows.shape[0] - 1)
    middle: Floats = (ordered[low, columns] + ordered[np.maximum(high, low), columns]) / 2
    return np.where(count > 0, middle, np.nan)


def _deviation(block: Block, residuals: Floats, chosen: Bools) -> Floats:
    """The robust deviation of each row's series, never nothing."""
    size = np.abs(residuals)
    spread = block.medians(size, chosen & ~np.isnan(residuals)) * TO_MAD
    return np.maximum(np.nan_to_num(spread), 1e-9)[block.codes]


def _size(block: Block, z: Floats, chosen: Bools) -> Floats:
    """The usual absolute value of each row's series."""
    return np.maximum(np.nan_to_num(block.medians(np.abs(z), chosen)), 1e-9)[block.codes]


def _means(z: Floats, block: Block, width: int) -> tuple[Floats, Floats]:
    """The mean of the ``width`` rows before each row, and of those from it on; NaN where not all of them are there."""
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(z))])
    absent = np.concatenate([[0], np.cumsum(np.isnan(z))])
    places = np.arange(len(z))
    starts, ends = block.sheet.indptr[:-1][block.codes], block.sheet.indptr[1:][block.codes]
    fits = (places - width >= starts) & (places + width <= ends)
    left, right = np.maximum(places - width, 0), np.minimum(places + width, len(z))
    fits &= absent[right] == absent[left]
    before = np.where(fits, (total[places] - total[left]) / width, np.nan)
    after = np.where(fits, (total[right] - total[places]) / width, np.nan)
    return before, after


def _peaks(block: Block, strength: Floats, z: Floats, width: int) -> Ints:
    """Of each series with a strong change its strongest place, moved to where neighbouring values are farthest apart."""
    most = block.per_series(strength, np.maximum)
    found = []
    for series in np.flatnonzero(most > 0).tolist():
        begin, end = int(block.sheet.indptr[series]), int(block.sheet.indptr[series + 1])
        at = begin + int(np.argmax(strength[begin:end]))
        low, high = max(at - width // 2, begin + 1), min(at + width // 2 + 1, end)
        apart = np.abs(np.diff(z[low - 1 : high]))
        place = low + int(np.argmax(apart))
        if _stays(z[begin:end], place - begin, width):
            found.append(place)
    return np.asarray(found, np.int64)


def _stays(z: Floats, at: int, width: int) -> bool:
    """Whether all that follows is on the far side of all that was before, as no peak or trend is."""
    before, after = z[:at], z[at:]
    if len(before) < width or len(after) < width:
        return False
    apart = float(np.median(after) - np.median(before))
    step = float(np.mean(z[at : at + width]) - np.mean(z[at - width : at]))
    jump = float(z[at] - z[at - 1])
    spread = max(float(np.std(before[-2 * width :])), float(np.std(after[: 2 * width])), 1e-12)
    return bool(
        abs(step) > 2.5 * spread
        and apart * step > 0
        and abs(apart) > 0.6 * abs(step)
        and abs(jump) > 0.5 * abs(step)
    )
