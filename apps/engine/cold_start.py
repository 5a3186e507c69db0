"""Series that have just begun: forecast from what the other series of the panel do.

A profile is how far the others are from their own level at each time, in units of their level (where none is ever negative)
or of their scale, taken from their history and, beyond it, from their own forecasts. A new series' forecast is that profile
on the level that its few points say, or on the others' median level where it has none. How wide its bands must be is found
by taking the others for new ones at an earlier time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from apps.engine import backtest, intervals
from apps.engine.contracts import Spec
from apps.engine.forecasters.base import Fitted, make_tails
from apps.engine.panel import Floats, Ints, Panel
from apps.engine.serving.covariates import future_values
from apps.engine.serving.mixing import mix
from apps.engine.serving.predictors import Paths
from apps.engine.serving.reconcile import Structure
from apps.engine.serving.state import Points, State

NAME: Final = "panel_profile"
LABEL: Final = "Profile of the other series"
MOST_POINTS: Final = 3
ENOUGH_POINTS: Final = 8  # from which a series can be learned from
FEWEST_DONORS: Final = 5
MAX_DONORS: Final = 200
CLIP: Final = 20.0  # errors of a new series, in units of its level
SMALL: Final = 0.1
TINY: Final = 1e-300
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Cold:
    """The series that are forecast from others: `rows` i8[C], those among all that have no point of their own (`empty` bool[S]),
    which ones are learned from (`donors` i8[D]), and the tree of the series where there is one."""

    rows: Ints
    empty: Bools
    donors: Ints
    structure: Structure | None = None


@dataclass(frozen=True)
class Start:
    """What serves the new series: a fitted member behind the others, all `weights` f8[S, M + 1], and for all series the
    `scales` and bounds `lower` f8[S] and how many points they really have, `lengths` i8[S]."""

    fitted: Fitted
    weights: Floats
    scales: Floats
    lower: Floats
    lengths: Ints


@dataclass(frozen=True)
class _Group:
    """What D donors say: `levels` f8[D], the `unit` of the additive kind (None: units are levels), the `profile`
    f8[MOST_POINTS + H] around a series' end, and by how many points are known `widths` f8[MOST_POINTS + 1, H], in units."""

    levels: Floats
    unit: float | None
    profile: Floats
    widths: Floats

    def forecast(self, own: Floats) -> tuple[float, Floats, Floats]:
        """Level, what the profile adds f8[H], and standard deviation f8[H] for a series with the points `own`."""
        near, ahead = self.profile[MOST_POINTS - len(own) : MOST_POINTS], self.profile[MOST_POINTS:]
        typical = float(np.median(self.levels))
        if self.unit is not None:
            level = float(np.mean(own - self.unit * near)) if len(own) else typical
            return level, self.unit * ahead, self.unit * self.widths[len(own)]
        level = float(own.mean() / max(1.0 + near.mean(), SMALL)) if len(own) else typical
        return level, level * ahead, max(level, SMALL * typical) * self.widths[len(own)]


def opened(panel: Panel) -> tuple[Panel, Bools]:
    """The panel with a 0 at the last time of all for each series without a point, so that it has an end; which these are."""
    empty = panel.lengths == 0
    if not empty.any():
        return panel, empty
    at, last = panel.indptr[:-1][empty], int(np.argmax(panel.ds))

    def with_last(columns: dict[str, Floats]) -> dict[str, Floats]:
        return {name: np.insert(column, at, column[last]) for name, column in columns.items()}

    return replace(
        panel,
        values=np.insert(panel.values, at, 0.0),
        indptr=np.concatenate([[0], np.cumsum(np.maximum(panel.lengths, 1))]).astype(np.int64),
        ds=np.insert(panel.ds, at, panel.ds[last]),
        known_future=with_last(dict(panel.known_future)),
        past=with_last(dict(panel.past)),
    ), empty


def find(panel: Panel, empty: Bools, structure: Structure | None) -> Cold | None:
    """The series of an opened panel that are forecast from others; None where there are none.

    Those with up to MOST_POINTS points are, where FEWEST_DONORS others have ENOUGH_POINTS; those without any always.
    """
    own = np.ones(len(panel), bool) if structure is None else structure.is_bottom.copy()
    empty = np.concatenate([empty, np.zeros(len(panel) - len(empty), bool)])
    donors = np.flatnonzero(own & (panel.lengths >= ENOUGH_POINTS))
    short = own & (panel.lengths <= MOST_POINTS) & (empty | (len(donors) >= FEWEST_DONORS))
    if not short.any():
        return None
    if not len(donors):
        donors = np.flatnonzero(own & ~empty)
    return Cold(np.flatnonzero(short | _sums_of(short, structure)), empty, donors, structure)


def note(panel: Panel, cold: Cold) -> str:
    """What is said of the new series."""
    names = [panel.series_ids[row] for row in cold.rows]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return (
        f"{len(names)} series have at most {MOST_POINTS} points and are forecast from what {len(cold.donors)} others do, with "
        f"bands as wide as these would have needed: {', '.join(names[:5])}{more}."
    )


def start(panel: Panel, cold: Cold, spec: Spec, members: Sequence[Fitted], weights: Floats) -> Start:
    """The member that serves the new series, learned from the others' history and from what `members` with `weights`
    f8[S, M] forecast for them."""
    arrays = _states(panel, cold, spec, members, weights)
    fitted = np.isin(np.arange(len(panel)), cold.rows)
    state, tails = State("paths", fitted, arrays=arrays), make_tails(panel, spec.horizon)
    shares = np.hstack([np.where(fitted[:, None], 0.0, weights), fitted[:, None].astype(np.float64)])
    lower = backtest.lower_bounds(panel, spec.non_negative)
    if spec.non_negative == "auto" and (lower[cold.donors] < 0).any():
        lower[cold.rows] = -np.inf
    scales = np.where(fitted, intervals.scales_for(arrays["sigma"]), backtest.scales(panel))
    member = Fitted(
        NAME, panel.series_ids, state, tails, Paths(state, tails), {}, horizon=spec.horizon
    )  # fmt: skip
    return Start(member, shares, scales, lower, np.where(cold.empty, 0, panel.lengths))


def _sums_of(short: Bools, structure: Structure | None) -> Bools:
    """Totals of nothing but `short` series."""
    if structure is None:
        return np.zeros(len(short), bool)
    parts = structure.add_up(np.ones((len(short), 1)))
    found = structure.add_up(short[:, None].astype(np.float64))
    return np.asarray(~structure.is_bottom & (found == parts)[:, 0], np.bool_)


def _states(
    panel: Panel, cold: Cold, spec: Spec, members: Sequence[Fitted], weights: Floats
) -> dict[str, NDArray[np.float64]]:
    """Level f8[S], trend, season and sigma f8[S, H] of the new series, 0 elsewhere; how many points are `known` of each, and
    whether its units are levels (`ratio`), f8[S] both."""
    horizon, size = spec.horizon, len(panel)
    known, ends = _Known(panel, cold, spec, members, weights), _ends(panel)
    level, season, sigma = np.zeros(size), np.zeros((size, horizon)), np.zeros((size, horizon))
    counts = np.where(cold.empty, 0, panel.lengths).astype(np.float64)
    ratio = np.zeros(size)
    groups: dict[tuple[object, int], _Group] = {}
    circles = _Circles(panel, cold.donors)
    for row in cold.rows:
        if cold.structure is not None and not cold.structure.is_bottom[row]:
            continue
        key, donors = circles.of(int(row))
        place = (key, int(ends[row]))
        if place not in groups:
            groups[place] = known.group(donors, ends, int(ends[row]))
        own = panel.series(int(row))[: 0 if cold.empty[row] else MOST_POINTS]
        level[row], season[row], sigma[row] = groups[place].forecast(own)
        ratio[row] = groups[place].unit is None
    if cold.structure is not None:
        level, season = cold.structure.add_up(level), cold.structure.add_up(season)
        sigma = np.sqrt(cold.structure.add_up(sigma**2))
    floor = np.maximum(1e-9 * np.abs(level), TINY)
    return {
        "level": level,
        "trend": np.zeros((size, horizon)),
        "season": season,
        "sigma": np.maximum(sigma, floor[:, None]),
        "known": counts,
        "ratio": ratio,
    }


def _ends(panel: Panel) -> Ints:
    """Where each series ends on the grid of the one that starts first; off it, the last place of all."""
    lasts = panel.ds[panel.indptr[1:] - 1]
    places = panel.frequency.index(np.concatenate([[panel.ds.min()], lasts]))[1:]
    return np.where(places < 0, places.max(), places)


class _Circles:
    """Which donors a series is compared with: those that share its attributes, from all of them down to the first; when
    that leaves too few, all."""

    def __init__(self, panel: Panel, donors: Ints) -> None:
        self._columns = [[str(value) for value in values] for values in panel.static.values()]
        self._donors = donors
        self._found: dict[tuple[str, ...], list[int]] = {}
        for donor in donors.tolist():
            for depth in range(1, len(self._columns) + 1):
                self._found.setdefault(self._key(donor, depth), []).append(donor)

    def of(self, row: int) -> tuple[tuple[str, ...], Ints]:
        """The circle's key and up to MAX_DONORS donors, evenly from all of it."""
        for depth in range(len(self._columns), 0, -1):
            found = self._found.get(self._key(row, depth), [])
            if len(found) >= FEWEST_DONORS:
                return self._key(row, depth), _some(np.asarray(found))
        return (), _some(self._donors)

    def _key(self, row: int, depth: int) -> tuple[str, ...]:
        return tuple(column[row] for column in self._columns[:depth])


def _some(donors: Ints) -> Ints:
    if len(donors) <= MAX_DONORS:
        return donors
    return donors[np.linspace(0, len(donors) - 1, MAX_DONORS).astype(np.int64)]


class _Known:
    """The donors' history and forecasts."""

    def __init__(
        self, panel: Panel, cold: Cold, spec: Spec, members: Sequence[Fitted], weights: Floats
    ) -> None:
        self._panel, self._horizon = panel, spec.horizon
        circles = _Circles(panel, cold.donors)
        used = [circles.of(int(row))[1] for row in cold.rows]
        self._rows = np.unique(np.concatenate(used))
        self._points = _forecasts(self._rows, spec.horizon, members, weights)
        self._positive = backtest.lower_bounds(panel, "auto") >= 0
        self._scales = backtest.scales(panel)
        self._season = panel.frequency.season_length

    def group(self, donors: Ints, ends: Ints, end: int) -> _Group:
        """What the donors say of a series that ends at `end`."""
        levels = np.asarray([self._level(self._panel.series(d)) for d in donors])
        scales = self._scales[donors]
        ratio = bool(self._positive[donors].all()) and bool((levels > 0).any())
        unit = None if ratio else float(np.median(scales))
        kept = np.flatnonzero(levels > 0) if ratio else np.arange(len(donors))
        units = levels[kept] if ratio else scales[kept]
        around = np.stack([self._around(int(donors[i]), int(ends[donors[i]]), end) for i in kept])
        shape = (around - levels[kept, None]) / units[:, None]
        own = self._points.sigma[np.searchsorted(self._rows, donors[kept])] / units[:, None]
        wrong = self._widths(donors[kept], None if ratio else scales)
        widths = np.sqrt(wrong**2 + np.square(np.clip(own, 0, CLIP)).mean(axis=0))
        return _Group(levels[kept], unit, _means(np.clip(shape, -CLIP, CLIP)), widths)

    def _level(self, values: Floats) -> float:
        return float(values[-max(self._season, ENOUGH_POINTS) :].mean())

    def _around(self, donor: int, own_end: int, end: int) -> Floats:
        """A donor's values and forecasts from MOST_POINTS before `end` (that included) on; NaN where there are none."""
        values, place = self._panel.series(donor), np.searchsorted(self._rows, donor)
        whole = np.concatenate([values, self._points.mean[place]])
        index = np.arange(1 - MOST_POINTS, self._horizon + 1) + end - own_end + len(values) - 1
        inside = (index >= 0) & (index < len(whole))
        return np.where(inside, whole[np.clip(index, 0, len(whole) - 1)], np.nan)

    def _widths(self, donors: Ints, scales: Floats | None) -> Floats:
        """Root mean squared errors, in units (of `scales` f8[D], else of levels), if each donor had been new some steps before
        its end, by how many points would have been known then; f8[MOST_POINTS + 1, H], not falling with the step."""
        lengths = self._panel.lengths[donors]
        steps = int(min(self._horizon, np.median(lengths) // 2))
        enough = lengths >= steps + MOST_POINTS
        long = donors[enough]
        if len(long) < 2 or steps < 1:
            return np.ones((MOST_POINTS + 1, self._horizon))
        seen = np.stack([self._panel.series(int(d))[-steps - MOST_POINTS :] for d in long])
        levels = np.asarray([self._level(self._panel.series(int(d))[:-steps]) for d in long])
        errors_ = _as_if_new(seen, levels, None if scales is None else scales[enough])
        found = np.maximum.accumulate(np.sqrt(np.square(errors_).mean(axis=1)), axis=1)
        beyond = np.sqrt(np.arange(steps + 1, self._horizon + 1) / steps)
        return np.hstack([found, found[:, -1:] * beyond])


def _as_if_new(seen: Floats, levels: Floats, scales: Floats | None) -> Floats:
    """Errors f8[MOST_POINTS + 1, D, W] in units, were each of D series known by its last points before W steps only, and
    the others, with `levels` f8[D] before these steps, in full; `seen` f8[D, MOST_POINTS + W]."""
    typical = float(np.median(levels))
    floor = SMALL * typical if scales is None else float(np.median(scales))
    units = np.maximum(levels, floor) if scales is None else scales
    shape = np.clip((seen - levels[:, None]) / np.maximum(units, TINY)[:, None], -CLIP, CLIP)
    others = (shape.sum(axis=0) - shape) / (len(shape) - 1)
    found = []
    for known in range(MOST_POINTS + 1):
        near, own = others[:, MOST_POINTS - known : MOST_POINTS], seen[:, MOST_POINTS - known : MOST_POINTS]
        level = np.full(len(seen), typical)
        if known and scales is None:
            level = own.mean(axis=1) / np.maximum(1.0 + near.mean(axis=1), SMALL)
        elif known:
            level = (own - floor * near).mean(axis=1)
        size = level if scales is None else np.full(len(seen), floor)
        wrong = seen[:, MOST_POINTS:] - level[:, None] - size[:, None] * others[:, MOST_POINTS:]
        found.append(np.clip(wrong / np.maximum(np.maximum(size, floor), TINY)[:, None], -CLIP, CLIP))
    return np.stack(found)


def _forecasts(rows: Ints, horizon: int, members: Sequence[Fitted], weights: Floats) -> Points:
    first = members[0]
    names = [first.series_ids[row] for row in rows]
    covariates = tuple(sorted(first.tails.covariates))
    future, _ = future_values(first.tails, covariates, rows, names, horizon=horizon)
    found = mix([member.predictor for member in members], weights, rows, horizon, future)
    return Points(found.mean, np.where(np.isfinite(found.sigma), found.sigma, 0.0))


def _means(shape: Floats) -> Floats:
    """Column means of what is there; 0 where nothing is."""
    there = np.isfinite(shape)
    total = np.where(there, shape, 0.0).sum(axis=0)
    return np.asarray(total / np.maximum(there.sum(axis=0), 1), np.float64)
