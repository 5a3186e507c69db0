"""Totals over a panel's attributes, as series of the panel.

`hierarchy=("region", "store")` adds "Total", "region=North" and "region=North/store=12". A total of only one series is that
series, and is not added. Series that start late count as 0 in their totals until they start: what was not there yet
sold nothing. All series end together, because step h of a total is the sum of its parts' steps h; `align` brings late
ones up to the end.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.engine import errors
from apps.engine.panel import Floats, Ints, Panel
from apps.engine.serving.reconcile import Structure
from apps.engine.vintages import Vintages

TOTAL = "Total"
Line = tuple[int, int, np.datetime64, float]


@dataclass(frozen=True)
class Level:
    """One level of totals: a `name` each, and of which of them each series is part; `codes` i8[B]."""

    names: tuple[str, ...]
    codes: Ints

    @property
    def sizes(self) -> Ints:
        """Series in each total."""
        return np.bincount(self.codes, minlength=len(self.names))


def align(panel: Panel) -> tuple[Panel, dict[str, int]]:
    """The panel with every series brought up to the last one's end, and how many points were filled for which.

    A missing point takes the value one season earlier, as in `fill_gaps`; covariates are those of `panel.future` where
    they are known, else carried forward. Raises InvalidHierarchy when a series ended more than a season (and more than
    one step) before the others: its forecasts would be of another time.
    """
    _, ends = _places(panel)
    late = ends.max() - ends
    season = panel.frequency.season_length
    worst = int(np.argmax(late))
    if late[worst] > max(season, 1):
        raise errors.InvalidHierarchy(
            reason=f"series '{panel.series_ids[worst]}' ends at {panel.times(worst)[-1]}, {late[worst]} steps before "
            "the last one, so its forecasts are of another time; bring it up to date, or leave it out"
        )
    if not late.any():
        return panel, {}
    return _extended(panel, late), {panel.series_ids[s]: int(late[s]) for s in np.flatnonzero(late)}


def expand(panel: Panel, keys: Sequence[str]) -> tuple[Panel, Structure]:
    """The panel with a series for every total of `keys` (static attributes, top down) after its own, and their tree.

    Takes a panel without gaps whose series end together. A total has the sum of its parts' values; covariates are the
    mean of the parts that are there; a static attribute is what its parts share, else None. A point of a total was known
    once all its parts were, and changed with each of them.
    Raises InvalidHierarchy for an attribute that is missing, empty or not nested, for a name that is a series already,
    and for series that do not end together.
    """
    firsts, ends = _places(panel)
    if (ends != ends.max()).any():
        raise errors.InvalidHierarchy(reason="its series do not end at the same time")
    levels = [_kept(level) for level in _levels(panel, keys)]
    names = tuple(name for level in levels for name in level.names)
    _check_names(panel, names)
    levels = [level for level in levels if level.names]
    parts = [_totals(panel, level, firsts) for level in levels]
    whole = replace(_joined(panel, parts, names), vintages=_vintages(panel, levels, parts, firsts))
    return whole, Structure(whole.series_ids, _parents(len(panel), levels))


def _places(panel: Panel) -> tuple[Ints, Ints]:
    """First and last position of each series on the grid they share; i8[B] each."""
    starts, lasts = panel.ds[panel.indptr[:-1]], panel.ds[panel.indptr[1:] - 1]
    places = panel.frequency.index(np.concatenate([[starts.min()], starts, lasts]))[1:]
    firsts, ends = places[: len(panel)], places[len(panel) :]
    off = np.flatnonzero((firsts < 0) | (ends < 0))
    if len(off):
        name = panel.series_ids[int(off[0])]
        raise errors.InvalidHierarchy(reason=f"the times of series '{name}' lie between those of the others")
    if (ends - firsts + 1 != panel.lengths).any():
        raise errors.InvalidHierarchy(reason="its series have gaps")
    return firsts, ends


def _extended(panel: Panel, late: Ints) -> Panel:
    season = panel.frequency.season_length
    lengths = panel.lengths + late

    def longer(column: Floats, period: int, known: Floats | None = None) -> Floats:
        parts = [
            _continued(column[panel.slice_of(s)], int(n), period, None if known is None else known[s])
            for s, n in enumerate(late)
        ]
        return np.concatenate(parts)

    return replace(
        panel,
        values=longer(panel.values, season),
        indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        ds=np.concatenate([panel.frequency.range(panel.times(s)[0], int(n)) for s, n in enumerate(lengths)]),
        known_future={k: longer(v, 1, panel.future.get(k)) for k, v in panel.known_future.items()},
        past={k: longer(v, 1) for k, v in panel.past.items()},
        future={k: _shifted(v, late) for k, v in panel.future.items()},
    )


def _continued(values: Floats, steps: int, period: int, known: Floats | None) -> Floats:
    """`values` with `steps` more: what is `known` of them, else the value one `period` earlier or the last one."""
    out = np.concatenate([values, np.full(steps, np.nan)])
    if known is not None:
        width = min(steps, len(known))
        out[len(values) : len(values) + width] = known[:width]
    for i in range(len(values), len(out)):
        if np.isnan(out[i]):
            out[i] = out[i - period] if i >= period else out[i - 1]
    return out


def _shifted(block: Floats, late: Ints) -> Floats:
    """What is known of the future, seen from the new ends."""
    place = np.arange(block.shape[1])[None, :] + late[:, None]
    inside = place < block.shape[1]
    rows = np.arange(len(block))[:, None]
    return np.where(inside, block[rows, np.minimum(place, block.shape[1] - 1)], np.nan)


def _levels(panel: Panel, keys: Sequence[str]) -> Iterator[Level]:
    """The totals of each level, the top first."""
    names: tuple[str, ...] = (TOTAL,)
    codes = np.zeros(len(panel), np.int64)
    yield Level(names, codes)
    for depth, key in enumerate(keys):
        values, own = np.unique(_attribute(panel, key), return_inverse=True)
        firsts, found = _paths(codes, own)
        _check_nested(values, own, firsts, key, keys[depth - 1] if depth else "")
        above = [f"{names[codes[s]]}/" if depth else "" for s in firsts]
        names = tuple(f"{prefix}{key}={values[own[s]]}" for prefix, s in zip(above, firsts, strict=True))
        codes = found
        yield Level(names, codes)


def _paths(above: Ints, own: Ints) -> tuple[Ints, Ints]:
    """The first series of each pair of codes, and which pair each series has."""
    _, firsts, codes = np.unique(above * (own.max() + 1) + own, return_index=True, return_inverse=True)
    return firsts.astype(np.int64), codes.astype(np.int64)


def _attribute(panel: Panel, key: str) -> NDArray[Any]:
    """The attribute's values as text, one a series."""
    if key not in panel.static:
        known = ", ".join(sorted(panel.static)) or "none"
        raise errors.InvalidHierarchy(reason=f"the series have no attribute '{key}'; they have: {known}")
    values = list(panel.static[key])
    for series_id, value in zip(panel.series_ids, values, strict=True):
        if value is None or str(value).strip() in {"", "nan", "NaT"}:
            raise errors.InvalidHierarchy(reason=f"series '{series_id}' has no value of attribute '{key}'")
    return np.asarray([str(value) for value in values])


def _check_nested(values: NDArray[Any], own: Ints, firsts: Ints, key: str, above: str) -> None:
    """Each value has one parent: as many paths as values."""
    counts = np.bincount(own[firsts])
    if (counts > 1).any():
        value = values[int(np.argmax(counts))]
        raise errors.InvalidHierarchy(
            reason=f"'{key}' is not nested in '{above}': '{value}' lies in {counts.max()} of them"
        )


def _kept(level: Level) -> Level:
    """The level without totals of only one series; the code of those is -1."""
    more = level.sizes > 1
    numbers = np.where(more, np.cumsum(more) - 1, -1)
    return Level(tuple(n for n, keep in zip(level.names, more, strict=True) if keep), numbers[level.codes])


def _check_names(panel: Panel, names: tuple[str, ...]) -> None:
    taken = set(panel.series_ids)
    for name in names:
        if name in taken:
            raise errors.InvalidHierarchy(reason=f"'{name}' is the name of a total and of a series")
        taken.add(name)


def _parents(series: int, levels: Sequence[Level]) -> Ints:
    """The row of each one's total. Totals follow the series, level by level."""
    parents = np.full(series + sum(len(level.names) for level in levels), -1, np.int64)
    above, start = np.full(series, -1, np.int64), series
    for level in levels:
        inside = level.codes >= 0
        rows = level.codes[inside] + start
        parents[rows] = above[inside]
        above[inside] = rows
        start += len(level.names)
    parents[:series] = above
    return parents


@dataclass(frozen=True)
class Totals:
    """The series of one level: flat columns over `lengths` i8[A] points, and what is shared by the parts."""

    first: Ints
    lengths: Ints
    values: Floats
    known_future: Mapping[str, Floats]
    past: Mapping[str, Floats]
    future: Mapping[str, Floats]
    static: Mapping[str, list[Any]]


def _totals(panel: Panel, level: Level, firsts: Ints) -> Totals:
    inside = np.flatnonzero(level.codes >= 0)
    count, codes = len(level.names), level.codes[inside]
    begins = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(begins, codes, firsts[inside])
    lengths = int((firsts + panel.lengths).max()) - begins
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    points = np.repeat(level.codes >= 0, panel.lengths)
    shift = np.zeros(len(panel), np.int64)
    shift[inside] = offsets[codes] + firsts[inside] - begins[codes] - panel.indptr[inside]
    places = (np.arange(len(panel.values)) + np.repeat(shift, panel.lengths))[points]
    total = int(offsets[-1])
    present = np.bincount(places, minlength=total)

    def summed(column: Floats) -> Floats:
        return np.asarray(np.bincount(places, column[points], total), np.float64)

    def mean(column: Floats) -> Floats:
        return summed(column) / present

    return Totals(
        begins,
        lengths,
        summed(panel.values),
        {name: mean(column) for name, column in panel.known_future.items()},
        {name: mean(column) for name, column in panel.past.items()},
        {name: _mean_known(block[inside], codes, count) for name, block in panel.future.items()},
        {name: _shared(values, inside, codes, count) for name, values in panel.static.items()},
    )


def _vintages(
    panel: Panel, levels: Sequence[Level], parts: Sequence[Totals], firsts: Ints
) -> Vintages | None:
    """The panel's vintages and those of its totals, which are numbered after the series."""
    known = panel.vintages
    if known is None or not len(known):
        return known
    lines: list[Line] = []
    start = len(panel)
    for level, part in zip(levels, parts, strict=True):
        lines += _lines(panel, known, level, part, firsts=firsts, start=start)
        start += len(level.names)
    series, position, known_at, value = zip(*lines, strict=True) if lines else ((), (), (), ())
    return Vintages(
        np.concatenate([known.series, np.asarray(series, np.int64)]),
        np.concatenate([known.position, np.asarray(position, np.int64)]),
        np.concatenate([known.known_at, np.asarray(known_at, "datetime64[s]")]),
        np.concatenate([known.value, np.asarray(value, np.float64)]),
    )


def _lines(
    panel: Panel, known: Vintages, level: Level, part: Totals, *, firsts: Ints, start: int
) -> Iterator[Line]:
    """What each point of a total with named parts came to, whenever one of them became known or changed."""
    codes = level.codes[known.series]
    places = firsts[known.series] + known.position - part.first[codes]
    points = list(zip(codes.tolist(), places.tolist(), strict=True))
    order = np.lexsort((known.known_at, places, codes))
    offsets = np.cumsum(part.lengths) - part.lengths
    own = panel.values[panel.indptr[known.series] + known.position]
    for (code, place), group in itertools.groupby(order[codes[order] >= 0], points.__getitem__):
        lines = list(group)
        named = {int(known.series[line]): float(own[line]) for line in lines}
        rest = float(part.values[offsets[code] + place]) - sum(named.values())
        named = dict.fromkeys(named, math.nan)
        complete = False
        for line in lines:
            named[int(known.series[line])] = float(known.value[line])
            total = rest + sum(named.values())
            complete = complete or not math.isnan(total)
            if complete:
                yield start + code, place, known.known_at[line], total


def _mean_known(block: Floats, codes: Ints, count: int) -> Floats:
    """The mean of the parts' known values f8[count, F]; NaN where none is known."""
    sums, known = np.zeros((count, block.shape[1])), np.zeros((count, block.shape[1]))
    np.add.at(sums, codes, np.nan_to_num(block))
    np.add.at(known, codes, np.isfinite(block))
    return np.where(known > 0, sums / np.maximum(known, 1), np.nan)


def _shared(values: Sequence[Any], inside: Ints, codes: Ints, count: int) -> list[Any]:
    """The value that all parts of each total have, else None."""
    found: list[set[Any]] = [set() for _ in range(count)]
    for s, code in zip(inside, codes, strict=True):
        found[code].add(values[s])
    return [next(iter(each)) if len(each) == 1 else None for each in found]


def _joined(panel: Panel, parts: Sequence[Totals], names: tuple[str, ...]) -> Panel:
    if not parts:
        return panel
    origin = panel.ds.min()
    lengths = np.concatenate([panel.lengths, *(part.lengths for part in parts)])
    times = [
        panel.frequency.shift(origin, np.arange(first, first + length))
        for part in parts
        for first, length in zip(part.first, part.lengths, strict=True)
    ]

    def joined(own: Mapping[str, Floats], kind: str) -> dict[str, Floats]:
        return {
            name: np.concatenate([column, *(getattr(part, kind)[name] for part in parts)])
            for name, column in own.items()
        }

    return replace(
        panel,
        series_ids=(*panel.series_ids, *names),
        values=np.concatenate([panel.values, *(part.values for part in parts)]),
        indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        ds=np.concatenate([panel.ds, *times]),
        known_future=joined(panel.known_future, "known_future"),
        past=joined(panel.past, "past"),
        future=joined(panel.future, "future"),
        static={
            name: [*values, *(v for part in parts for v in part.static[name])]
            for name, values in panel.static.items()
        },
    )
