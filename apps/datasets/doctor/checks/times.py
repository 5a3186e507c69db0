"""Checks of times: doubles, gaps, grids, clock changes, dates that are swapped or to come."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from apps.datasets.doctor.detect import OFF, Block, Hit
from apps.datasets.doctor.sheet import Bools, Ints

LEAST_OTHER: Final = 6  # values in a series whose own frequency can be told
MOST_OTHER: Final = 0.8  # of its steps at one other distance
FEW: Final = 0.05  # of a series' rows, that may be strays
FAR: Final = 10  # times the span of all other rows
LEAST_NEAR: Final = 12  # rows that must be there to tell what far is
HOUR: Final = 3_600_000_000
SHORT: Final = ("s", "min", "h")
# One zone for each rule of clock changes that is in use; the first that fits is named.
ZONES: Final = (
    "Europe/Berlin", "Europe/London", "Europe/Athens", "America/New_York", "America/Chicago", "America/Denver",
    "America/Los_Angeles", "Australia/Sydney", "Pacific/Auckland", "America/Santiago",
)  # fmt: skip


def far_dates(block: Block) -> Iterator[Hit]:
    """The first or last few rows of a series, when they lie ten times as far away as all others span."""
    sheet = block.sheet
    apart = np.where(sheet.same(), np.diff(sheet.ds, prepend=sheet.ds[:1]), 0)
    widest = np.maximum.reduceat(apart, sheet.starts)
    spans = sheet.ds[sheet.indptr[1:] - 1] - sheet.ds[sheet.starts]
    rows_of = np.diff(sheet.indptr)
    suspects = (rows_of >= LEAST_NEAR) & (widest / FAR > spans - widest) & ~block.left_out
    found: list[Ints] = []
    for series in np.flatnonzero(suspects).tolist():
        begin, end = int(sheet.indptr[series]), int(sheet.indptr[series + 1])
        cut = begin + int(np.argmax(apart[begin:end]))
        strays = np.arange(begin, cut) if cut - begin < end - cut else np.arange(cut, end)
        if len(strays) <= max(1, FEW * (end - begin)) and not block.to_come[strays].any():
            found.append(strays)
            block.gap_explained[cut] = True
    places = np.concatenate(found) if found else np.zeros(0, np.int64)
    block.explain(places)
    yield Hit("far_dates", places)


def mixed_frequency(block: Block) -> Iterator[Hit]:
    """Series whose own steps are another multiple than the table's, or mostly off its grid."""
    sheet = block.sheet
    if sheet.frequency is None:
        return
    rows_of = np.diff(sheet.indptr)
    off = np.add.reduceat((sheet.step == OFF).astype(np.int64), sheet.starts)
    steps = np.where(sheet.same(), np.diff(sheet.step, prepend=0), 0)
    wide = (steps > 1) & (sheet.step != OFF)
    typical = block.medians(steps.astype(float), sheet.same() & (steps > 0) & (sheet.step != OFF))
    alike = np.add.reduceat((steps == np.nan_to_num(typical, nan=-1)[block.codes]) & wide, sheet.starts)
    coarse = (typical > 1) & (alike >= MOST_OTHER * (rows_of - 1)) & (rows_of >= LEAST_OTHER)
    fine = (off > rows_of / 2) & (rows_of >= LEAST_OTHER)
    other = np.flatnonzero(coarse | fine)
    if len(other) and (len(other) < len(sheet.ids) or _others_agree(block)):
        block.left_out[other] = True
        block.explain(np.flatnonzero(np.isin(block.codes, other)))
        yield Hit("mixed_frequency", sheet.starts[other])


def _others_agree(block: Block) -> bool:
    """Whether other series of the table have its frequency, though none of this block has."""
    frequency = block.about.frequency
    return frequency is not None and block.about.votes.get(frequency.alias, 0) > 0


def swapped_dates(block: Block) -> Iterator[Hit]:
    """Rows that double another's time or have no place, while the time with day and month swapped is empty."""
    sheet = block.sheet
    if sheet.is_integer or sheet.frequency is None or sheet.frequency.unit in SHORT:
        return
    suspects = np.flatnonzero((_doubles(block) | _doubled(block) | (sheet.step == OFF)) & ~block.explained)
    found = []
    for place in suspects.tolist():
        swapped = swap(int(sheet.ds[place]))
        series = int(block.codes[place])
        own = sheet.ds[sheet.indptr[series] : sheet.indptr[series + 1]]
        if swapped is None or swapped in own or not own[0] <= swapped <= own[-1]:
            continue
        if _fits_grid(block, series, swapped):
            found.append((place, swapped))
    hits = _one_of_each_double(block, [place for place, _ in found])
    if len(hits):
        block.explain(hits)
        _explain_gap_after(block, hits)
        yield Hit("swapped_dates", hits)


def swap(microseconds: int) -> int | None:
    """The time with day and month exchanged; None where that is no date, or the same."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    if moment.day > 12 or moment.day == moment.month:
        return None
    other = moment.replace(month=moment.day, day=moment.month)
    return int((other - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))


def dst_doubling(block: Block) -> Iterator[Hit]:
    """Hours that come twice when clocks go back, and are missing when they go forward, by the rules of one zone."""
    sheet = block.sheet
    if sheet.is_integer or sheet.frequency is None or sheet.frequency.unit not in SHORT:
        return
    doubles = np.flatnonzero(_doubles(block) & ~block.explained)
    if not len(doubles):
        return
    years = range(*_years(sheet.ds[doubles]))
    backs = {zone: _inside(sheet.ds[doubles], _backward(zone, years)) for zone in ZONES}
    zone = max(backs, key=lambda name: int(backs[name].sum()))
    hits = doubles[backs[zone]]
    if len(hits):
        block.explain(hits)
        touched = np.unique(block.codes[hits])
        _explain_forward(block, touched, zone)
        yield Hit("dst_doubling", hits, params={int(series): {"zone": zone} for series in touched})


def duplicates(block: Block) -> Iterator[Hit]:
    """Two rows for one series and time: harmless where they say the same."""
    sheet = block.sheet
    places = np.flatnonzero(_doubles(block) & ~block.explained)
    if not len(places):
        return
    alike = (sheet.y[places] == sheet.y[places - 1]) | (
        np.isnan(sheet.y[places]) & np.isnan(sheet.y[places - 1])
    )
    for values in sheet.covariates.values():
        alike &= (
            (values[places] == values[places - 1]) | np.isnan(values[places]) | np.isnan(values[places - 1])
        )
    block.explain(places)
    yield Hit("conflicting_rows", places[~alike])
    yield Hit("duplicate_rows", places[alike])


def irregular(block: Block) -> Iterator[Hit]:
    """Times off the grid."""
    sheet = block.sheet
    if sheet.frequency is None:
        return
    places = np.flatnonzero((sheet.step == OFF) & ~block.explained)
    block.explain(places)
    yield Hit("irregular", places)


def gaps(block: Block) -> Iterator[Hit]:
    """Rows that come after missing steps; each stands for how many are missing."""
    sheet = block.sheet
    if sheet.frequency is None:
        return
    on_grid = np.flatnonzero(
        (sheet.step != OFF) & block.past & ~block.to_come & ~_doubles(block) & ~block.left_out[block.codes]
    )
    if len(on_grid) < 2:
        return
    apart = np.diff(sheet.step[on_grid])
    same = block.codes[on_grid][1:] == block.codes[on_grid][:-1]
    after = on_grid[1:]
    missing = np.where(same, apart - 1, 0)
    missing -= _filled_by_stray(block, on_grid, missing)
    chosen = (missing > 0) & ~block.gap_explained[after]
    yield Hit("gaps", after[chosen], missing[chosen])


def future_dates(block: Block) -> Iterator[Hit]:
    """Values of times that have not come."""
    places = np.flatnonzero(block.to_come & ~block.explained)
    block.explain(places)
    yield Hit("future_dates", places)


def _doubles(block: Block) -> Bools:
    """Rows at the same series and time as the one before."""
    sheet = block.sheet
    out = np.zeros(len(sheet), bool)
    out[1:] = sheet.same()[1:] & (sheet.ds[1:] == sheet.ds[:-1])
    return out


def _doubled(block: Block) -> Bools:
    """Rows whose time the next one repeats."""
    out = np.zeros(len(block.sheet), bool)
    out[:-1] = _doubles(block)[1:]
    return out


def _one_of_each_double(block: Block, places: list[int]) -> Ints:
    """Of two rows at one time, of which either may be the stray one, the one that stands out of the file's order."""
    kept: list[int] = []
    for place in places:
        twin = (
            place - 1
            if _is_twin(block, place - 1, place)
            else place + 1
            if _is_twin(block, place, place + 1)
            else None
        )
        if twin is None or twin not in places:
            kept.append(place)
        elif place < twin:
            kept.append(max((place, twin), key=lambda each: _out_of_order(block, each)))
    return np.asarray(sorted(set(kept)), np.int64)


def _is_twin(block: Block, first: int, second: int) -> bool:
    sheet = block.sheet
    if first < 0 or second >= len(sheet):
        return False
    return bool(block.codes[first] == block.codes[second] and sheet.ds[first] == sheet.ds[second])


def _out_of_order(block: Block, place: int) -> int:
    """How far in the file a row stands from its neighbours in time."""
    rows, last = block.sheet.rows, len(block.sheet) - 1
    around = [
        rows[each]
        for each in (place - 2, place + 2)
        if 0 <= each <= last and block.codes[each] == block.codes[place]
    ]
    return min((abs(int(rows[place] - other)) for other in around), default=0)


def _fits_grid(block: Block, series: int, moment: int) -> bool:
    from apps.datasets.doctor import sheet as sheets

    one = block.sheet
    begin, end = int(one.indptr[series]), int(one.indptr[series + 1])
    on_grid = np.flatnonzero(one.step[begin:end] != OFF)
    if not len(on_grid):
        return False
    anchor = one.ds[begin + on_grid[0]]
    tried = sheets.steps(np.asarray([anchor, moment]), np.asarray([0, 2]), one.frequency)
    return bool(tried[1] != OFF)


def _explain_gap_after(block: Block, hits: Ints) -> None:
    """The gap that a row left behind when its date was swapped."""
    for place in hits.tolist():
        swapped = swap(int(block.sheet.ds[place]))
        if swapped is None:
            continue
        series = int(block.codes[place])
        begin, end = int(block.sheet.indptr[series]), int(block.sheet.indptr[series + 1])
        after = begin + int(np.searchsorted(block.sheet.ds[begin:end], swapped))
        if after < end:
            block.gap_explained[after] = True


def _filled_by_stray(block: Block, on_grid: Ints, missing: Ints) -> Ints:
    """How many rows off the grid stand between two rows on it: a missing step that is only misplaced is no gap."""
    strays = np.cumsum(block.sheet.step == OFF)
    between = strays[on_grid[1:]] - strays[on_grid[:-1]]
    filled: Ints = np.minimum(between, np.maximum(missing, 0))
    return filled


def _years(ds: Ints) -> tuple[int, int]:
    years = ds.view("datetime64[us]").astype("datetime64[Y]").astype(int) + 1970
    return int(years.min()), int(years.max()) + 1


def _inside(ds: Ints, spans: list[tuple[int, int]]) -> Bools:
    out = np.zeros(len(ds), bool)
    for begin, end in spans:
        out |= (ds >= begin) & (ds < end)
    return out


def _explain_forward(block: Block, series: Ints, zone: str) -> None:
    sheet = block.sheet
    spans = _forward(zone, range(*_years(sheet.ds)))
    chosen = np.isin(block.codes, series)
    for begin, end in spans:
        after = chosen & (sheet.ds >= end) & sheet.same()
        before = np.zeros(len(sheet), np.int64)
        before[1:] = sheet.ds[:-1]
        block.gap_explained[after & (before < begin)] = True


@functools.cache
def _changes(zone: str, year: int) -> tuple[tuple[int, int], ...]:
    """(wall time in microseconds before the change, seconds that clocks move) of a year."""
    place = ZoneInfo(zone)
    found, moment = [], datetime(year, 1, 1, tzinfo=UTC)
    while moment.year == year:
        later = moment + timedelta(days=1)
        if moment.astimezone(place).utcoffset() != later.astimezone(place).utcoffset():
            found.append(_exactly(place, moment, later))
        moment = later
    return tuple(found)


def _exactly(place: ZoneInfo, early: datetime, late: datetime) -> tuple[int, int]:
    while late - early > timedelta(minutes=1):
        middle = early + (late - early) / 2
        if middle.astimezone(place).utcoffset() == early.astimezone(place).utcoffset():
            early = middle
        else:
            late = middle
    late = late.replace(second=0, microsecond=0)  # clocks change at a whole minute, less than one before
    before = early.astimezone(place).utcoffset() or timedelta(0)
    after = late.astimezone(place).utcoffset() or timedelta(0)
    wall = (late + before).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return int(wall / timedelta(microseconds=1)), int((after - before).total_seconds())


def _backward(zone: str, years: range) -> list[tuple[int, int]]:
    """Wall times that come twice."""
    moves = [each for year in years for each in _changes(zone, year)]
    return [(wall + moved * 1_000_000, wall) for wall, moved in moves if moved < 0]


def _forward(zone: str, years: range) -> list[tuple[int, int]]:
    """Wall times that never come."""
    moves = [each for year in years for each in _changes(zone, year)]
    return [(wall, wall + moved * 1_000_000) for wall, moved in moves if moved > 0]
