"""Checks of what stands out from its neighbours: single values, and levels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from apps.datasets.doctor.detect import Block, Hit
from apps.datasets.doctor.sheet import Bools, Floats, Ints

LEAST_POINTS: Final = 12
TO_MAD: Final = 1.4826
# An outlier is this many robust deviations from what is near it, and from what was a season apart, and at least by
# this factor (in logarithms) or this share of the series' usual size.
FAR_NEAR, FAR_SEASON = 8.0, 6.0
LEAST_LOG: Final = 0.6
LEAST_SHARE: Final = 0.5
AROUND: Final = 3
# However unsteady a series is: a few values are outliers when they are eight times larger than all others, and further
# from these than most of the way by which the others reach over their own nine tenths. Of 913 weekly series of a shop
# with promotions, three have such values. In series with zeros or negative values: one value, by its distance to the median.
TAIL: Final = 0.9
BEYOND, BEYOND_LINEAR = 0.6, 1.5
LEAST_BEYOND: Final = float(np.log(8))
MOST_BEYOND, FEW_BEYOND = 3, 0.03
LEAST_WIDTH: Final = 8
SHIFT_SCORE, SHIFT_SHARE = 7.0, 0.35
MOST_KNOWN: Final = 0.8  # of the rows around a shift that must have a value


def outliers(block: Block) -> Iterator[Hit]:
    """Values far from their neighbours and from what was a season before and after."""
    z, is_log = _scaled(block)
    chosen = block.open & (block.lengths >= LEAST_POINTS)[block.codes]
    if not chosen.any():
        return
    z = np.where(chosen, z, np.nan)
    lags = tuple(range(1, AROUND + 1))
    usual = _deviation(block, z - _around(z, block, lags), chosen)
    near = _from_both_sides(z, block, lags)
    score = np.abs(near) / usual
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


def _from_both_sides(z: Floats, block: Block, lags: tuple[int, ...]) -> Floats:
    """How far each value is at least from what lies before and what lies after, 0 where it lies between: beside a step in the
    level it is like one of them. Half of it where there is one side only, as a rise may begin there."""
    before, after = (z - nanmedian(each) for each in beside(z, block, lags))
    least = np.minimum(np.abs(before), np.abs(after)) * np.sign(before) * (np.sign(before) == np.sign(after))
    one = np.where(np.isnan(before), after, before) / 2
    return np.where(np.isnan(before) | np.isnan(after), one, least)


def _beyond(block: Block, z: Floats, is_log: Bools, chosen: Bools) -> Bools:
    """The few values of a series that lie beyond all its others, far for a series whose values reach as far as they do."""
    out = np.zeros(len(z), bool)
    for sign in (1.0, -1.0):
        signed = np.where(chosen, sign * z, -np.inf)
        log = is_log[block.sheet.starts]
        usual = np.where(log, block.quantiles(signed, chosen, TAIL), block.medians(signed, chosen))
        with np.errstate(invalid="ignore"):
            reach = block.per_series(signed, np.maximum) - usual
            suspects = np.flatnonzero(reach > np.where(log, LEAST_BEYOND, 0.0))
        for series in suspects.tolist():
            begin, end = int(block.sheet.indptr[series]), int(block.sheet.indptr[series + 1])
            edge = _edge(signed[begin:end], float(usual[series]), is_log=bool(log[series]))
            out[begin:end] |= signed[begin:end] > edge
    return out & chosen


def _edge(signed: Floats, usual: float, *, is_log: bool) -> float:
    """What the few values beyond all others of a series lie above; infinite where there are none."""
    most = min(MOST_BEYOND, max(1, int(FEW_BEYOND * len(signed)))) if is_log else 1
    if len(signed) <= most:
        return np.inf
    ordered = -np.partition(-signed, most)[: most + 1]
    ordered = np.sort(ordered)[::-1]
    apart = ordered[:-1] - ordered[1:]
    beyond = BEYOND if is_log else BEYOND_LINEAR
    least = LEAST_BEYOND if is_log else 0.0
    far = np.flatnonzero(
        np.isfinite(ordered[1:]) & (apart > least) & (apart > beyond * (ordered[1:] - usual))
    )
    return float(ordered[far[-1] + 1]) if len(far) else np.inf


def level_shift(block: Block) -> Iterator[Hit]:
    """The place where the level changes at once and stays."""
    z = np.where(block.open, _scaled(block)[0], np.nan)
    done: Bools = block.left_out | block.flat
    found = [np.zeros(0, np.int64)]
    for width in _widths(block.sheet.season):
        usable = (block.lengths >= 4 * width) & ~done
        if usable.any():
            found.append(_shifts(block, z, usable, width))
        done = done | usable
    places = np.concatenate(found)
    for place in places.tolist():  # its neighbours are far from each other for this reason
        block.explain(np.arange(max(place - AROUND, 0), min(place + AROUND, len(z))))
    yield Hit("level_shift", places)


def _widths(season: int) -> tuple[int, ...]:
    """How many steps before and after are compared: whole seasons, so that they cancel out; of series that are too short for
    that half a season, where that is long."""
    season = max(season, 1)
    whole = season * -(-LEAST_WIDTH // season)
    return (whole, season // 2) if season >= 2 * LEAST_WIDTH else (whole,)


def _shifts(block: Block, z: Floats, usable: Bools, width: int) -> Ints:
    before, after = _means(z, block, width)
    apart = np.where(usable[block.codes], after - before, np.nan)
    known = ~np.isnan(apart)
    steps = np.abs(np.diff(z, prepend=z[:1]))
    noise = (
        block.medians(steps, known & block.sheet.same() & ~np.isnan(steps))[block.codes] / np.sqrt(width) * 2
    )
    if width % max(block.sheet.season, 1) == 0:  # of less than a season most places are near the shift itself
        noise = np.maximum(noise, block.medians(np.abs(apart), known)[block.codes])
    score = np.abs(apart) / np.maximum(noise, 1e-12)
    strong = known & (score > SHIFT_SCORE) & (np.abs(apart) > SHIFT_SHARE)
    return _peaks(block, np.where(strong, np.abs(apart), 0.0), z, width)


def _scaled(block: Block) -> tuple[Floats, Bools]:
    """Logarithms where a series is positive, else values; and which of both each row has."""
    y = block.sheet.y
    low = block.per_series(np.where(block.open, y, np.inf), np.minimum)
    is_log = (low > 0)[block.codes]
    return np.where(is_log, np.log(np.where(is_log & (y > 0), y, 1.0)), y), is_log


def _around(z: Floats, block: Block, lags: tuple[int, ...]) -> Floats:
    """The median of what lies these steps before and after, where it is there."""
    return nanmedian(np.concatenate(beside(z, block, lags)))


def beside(z: Floats, block: Block, lags: tuple[int, ...]) -> tuple[Floats, Floats]:
    """What lies these steps before each row of its series, and what lies these after; a row for each step."""
    before, after = np.full((len(lags), len(z)), np.nan), np.full((len(lags), len(z)), np.nan)
    for number, lag in enumerate(lags):
        if lag >= len(z):
            continue
        same = block.sheet.same(lag)
        before[number, lag:] = np.where(same[lag:], z[:-lag], np.nan)
        after[number, :-lag] = np.where(same[lag:], z[lag:], np.nan)
    return before, after


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
    """The mean of the ``width`` rows before each row, and of those from it on; NaN where too few of them have a value."""
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(z))])
    known = np.concatenate([[0], np.cumsum(~np.isnan(z))])
    places = np.arange(len(z))
    starts, ends = block.sheet.indptr[:-1][block.codes], block.sheet.indptr[1:][block.codes]
    left, right = np.maximum(places - width, 0), np.minimum(places + width, len(z))
    count_before, count_after = known[places] - known[left], known[right] - known[places]
    enough = np.minimum(count_before, count_after) >= MOST_KNOWN * width
    fits = (places - width >= starts) & (places + width <= ends) & enough
    before = np.where(fits, (total[places] - total[left]) / np.maximum(count_before, 1), np.nan)
    after = np.where(fits, (total[right] - total[places]) / np.maximum(count_after, 1), np.nan)
    return before, after


def _peaks(block: Block, strength: Floats, z: Floats, width: int) -> Ints:
    """Of each series with a strong change its strongest place, moved to where two levels fit best."""
    most = block.per_series(strength, np.maximum)
    found = []
    for series in np.flatnonzero(most > 0).tolist():
        begin, end = int(block.sheet.indptr[series]), int(block.sheet.indptr[series + 1])
        known = begin + np.flatnonzero(~np.isnan(z[begin:end]))
        at = int(np.searchsorted(known, begin + int(np.argmax(strength[begin:end]))))
        low, high = max(at - width, 0), min(at + width, len(known))
        place = low + best_cut(z[known[low:high]])
        if _stays(z[known], place, width):
            found.append(int(known[place]))
    return np.asarray(found, np.int64)


def best_cut(z: Floats) -> int:
    """Where a stretch is to be cut so that its two parts vary least around their means."""
    centred = z - z.mean()
    left = np.cumsum(centred)[:-1]
    count = np.arange(1, len(z))
    return 1 + int(np.argmax(left**2 * (1 / count + 1 / (len(z) - count))))


def _stays(z: Floats, at: int, width: int) -> bool:
    """Whether all that follows is on the far side of all that was before, as no peak or trend is."""
    before, after = z[:at], z[at:]
    if len(before) < MOST_KNOWN * width or len(after) < MOST_KNOWN * width:
        return False
    apart = float(np.median(after) - np.median(before))
    step = float(np.mean(after[:width]) - np.mean(before[-width:]))
    jump = float(np.median(after[:AROUND]) - np.median(before[-AROUND:]))
    spread = max(float(np.std(before[-2 * width :])), float(np.std(after[: 2 * width])), 1e-12)
    return bool(
        abs(step) > 2.5 * spread
        and apart * step > 0
        and abs(apart) > 0.6 * abs(step)
        and jump * step > 0
        and abs(jump) > 0.5 * abs(step)
        and _is_sudden(z, at, step)
    )


def _is_sudden(z: Floats, at: int, step: float) -> bool:
    """Whether one step makes half of the change. Where steps are large anyway nobody can tell."""
    usual = float(np.median(np.abs(np.diff(z))))
    made = float(z[at] - z[at - 1])
    return 2 * usual > 0.5 * abs(step) or (made * step > 0 and abs(made) > 0.5 * abs(step))
