"""A panel of time series as flat arrays, and the builder that makes one from columns.

Row `i` of series `s` lies at `indptr[s] <= i < indptr[s + 1]`. Nothing here changes a value; only numpy is
imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.engine import errors
from apps.engine.frequency import Frequency, Times, as_times, infer
from apps.engine.vintages import Vintages, fill_unknown

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Panel:
    """S series with N points in all, each series ascending in time.

    `values` f8[N], `indptr` i8[S+1], `ds` int64[N] or datetime64[s][N]. `known_future` maps a covariate's
    name to f8[N] beside the values, `past` those that nobody knows ahead; `future` maps the names of `known_future`
    to f8[S, F], the covariate in the F steps after each series' last point (NaN where unknown). `static` maps a name
    to one value a series. `vintages` says which points arrived late or were corrected, and when.
    Construction checks shapes, finite values, ascending times and the grid, and raises an EngineError that
    names series and row. Gaps on the grid are allowed here, and series without points beside others that have some.
    """

    series_ids: tuple[str, ...]
    values: Floats
    indptr: Ints
    ds: Times
    frequency: Frequency
    known_future: Mapping[str, Floats] = field(default_factory=dict)
    static: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    future: Mapping[str, Floats] = field(default_factory=dict)
    vintages: Vintages | None = None
    past: Mapping[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "series_ids", tuple(str(name) for name in self.series_ids))
        object.__setattr__(self, "values", np.asarray(self.values, np.float64))
        object.__setattr__(self, "indptr", np.asarray(self.indptr, np.int64))
        object.__setattr__(self, "ds", as_times(self.ds))
        _check_shapes(self)
        _check_values(self)
        _check_times(self)

    def __len__(self) -> int:
        """Number of series."""
        return len(self.series_ids)

    @property
    def lengths(self) -> Ints:
        """Points of each series; i8[S]."""
        return np.diff(self.indptr)

    def slice_of(self, row: int) -> slice:
        """Where series `row` lies in the flat arrays."""
        return slice(int(self.indptr[row]), int(self.indptr[row + 1]))

    def series(self, row: int) -> Floats:
        """Values of series `row`; a view."""
        return self.values[self.slice_of(row)]

    def times(self, row: int) -> Times:
        """Times of series `row`; a view."""
        return self.ds[self.slice_of(row)]

    def take(self, rows: Sequence[int] | Ints) -> Panel:
        """The panel of the given series, in that order."""
        return self._cut([(int(r), int(self.lengths[r])) for r in rows], keep_future=True)

    def head(self, lengths: Ints) -> Panel:
        """Each series cut to its first `lengths[s]` points; series with length 0 are left out.

        What `known_future` holds beyond the cut becomes `future`, so that a backtest sees what was known. Values are
        those that were known when the last point of the cut had arrived; what was not there yet is filled from before.
        """
        parts = [(s, int(n)) for s, n in enumerate(lengths) if n > 0]
        return self._as_known(np.asarray(lengths, np.int64))._cut(parts, keep_future=False)

    def _as_known(self, lengths: Ints) -> Panel:
        if self.vintages is None or self.frequency.is_integer:
            return self
        ends = self.ds[self.indptr[:-1] + np.maximum(lengths - 1, 0)]
        moments = self.vintages.moments(ends, lengths)
        values = self.vintages.as_known(self.values, self.indptr, lengths, moments)
        return replace(self, values=fill_unknown(values, self.indptr, self.frequency.season_length))

    def _cut(self, parts: list[tuple[int, int]], *, keep_future: bool) -> Panel:
        starts = [int(self.indptr[s]) for s, _ in parts]
        index = np.concatenate(
            [np.arange(a, a + n) for a, (_, n) in zip(starts, parts, strict=True)] or [np.zeros(0, int)]
        )
        rows = [s for s, _ in parts]
        future = {k: v[rows] for k, v in self.future.items()} if keep_future else self._beyond(parts)
        return Panel(
            tuple(self.series_ids[s] for s in rows),
            self.values[index],
            np.concatenate([[0], np.cumsum([n for _, n in parts])]).astype(np.int64),
            self.ds[index],
            self.frequency,
            {k: v[index] for k, v in self.known_future.items()},
            {k: [v[s] for s in rows] for k, v in self.static.items()},
            future,
            self.vintages.take(np.asarray(rows, np.int64)) if self.vintages and keep_future else None,
            {k: v[index] for k, v in self.past.items()},
        )

    def _beyond(self, parts: list[tuple[int, int]]) -> dict[str, Floats]:
        width = max((int(self.lengths[s]) - n for s, n in parts), default=0)
        beyond = {}
        for name, column in self.known_future.items():
            block = np.full((len(parts), width), np.nan)
            for i, (s, n) in enumerate(parts):
                rest = column[int(self.indptr[s]) + n : int(self.indptr[s + 1])]
                block[i, : len(rest)] = rest
            beyond[name] = block
        return beyond


def from_columns(
    series_id: Sequence[Any],
    ds: Any,
    y: Any,
    *,
    frequency: Frequency | str | int | None = None,
    season_length: int | Sequence[int] | None = None,
    known_future: Mapping[str, Any] | None = None,
    past: Mapping[str, Any] | None = None,
    static: Mapping[str, Mapping[str, Any]] | None = None,
    new: Sequence[str] = (),
) -> Panel:
    """A panel from three long columns of N rows, in any order.

    Rows at the end of a series whose `y` is missing while every covariate is present become `future`. Without
    a frequency it is inferred from the longest series. `past` maps covariates that nobody knows ahead to N values,
    `static` a name to {series_id: value}, None where there is no value. `new` names series that have no row yet.
    Raises an EngineError that names series and time for anything else missing, doubled or off the grid.
    """
    ids = np.asarray(series_id).astype(str)
    times, values = as_times(ds), np.asarray(y, np.float64)
    covariates = {name: np.asarray(column, np.float64) for name, column in (known_future or {}).items()}
    unknown = {name: np.asarray(column, np.float64) for name, column in (past or {}).items()}
    if not len(ids):
        raise errors.EmptyPanel(series=0, points=0)
    names, codes = np.unique(ids, return_inverse=True)
    if new:
        with_rows, names = names, np.unique([*names.tolist(), *(str(name) for name in new)])
        codes = np.searchsorted(names, with_rows)[codes]
    order = np.lexsort((times, codes))
    codes, times, values = codes[order], times[order], values[order]
    covariates = {name: column[order] for name, column in covariates.items()}
    seen = _past_rows(codes, values, covariates, len(names))
    grid = _frequency_of(frequency, season_length, codes, times)
    lengths = np.bincount(codes[seen], minlength=len(names))
    return Panel(
        tuple(str(name) for name in names),
        values[seen],
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        times[seen],
        grid,
        {name: column[seen] for name, column in covariates.items()},
        {name: [mapping.get(n) for n in names.tolist()] for name, mapping in (static or {}).items()},
        _future_blocks(codes, seen, covariates, len(names)),
        past={name: column[order][seen] for name, column in unknown.items()},
    )


def fill_gaps(panel: Panel) -> tuple[Panel, dict[str, int]]:
    """The panel on a full grid, and how many points were filled for each series that had gaps.

    A missing point takes the value one season earlier (its own or a filled one), the last value where there
    is none; covariates are carried forward. Only the past is used, so a backtest on the result sees no later
    value.
    """
    positions = [panel.frequency.index(panel.times(s)) for s in range(len(panel))]
    filled = {
        panel.series_ids[s]: int(p[-1]) + 1 - len(p)
        for s, p in enumerate(positions)
        if int(p[-1]) + 1 > len(p)
    }
    if not filled:
        return panel, {}
    lengths = [int(p[-1]) + 1 for p in positions]
    season = panel.frequency.season_length

    def spread(column: Floats, period: int) -> Floats:
        parts = [_spread(column[panel.slice_of(s)], p, period) for s, p in enumerate(positions)]
        return np.concatenate(parts)

    return Panel(
        panel.series_ids,
        spread(panel.values, season),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([panel.frequency.range(panel.times(s)[0], n) for s, n in enumerate(lengths)]),
        panel.frequency,
        {name: spread(column, 1) for name, column in panel.known_future.items()},
        panel.static,
        panel.future,
        past={name: spread(column, 1) for name, column in panel.past.items()},
    ), filled


def _spread(values: Floats, positions: Ints, period: int) -> Floats:
    out = np.full(int(positions[-1]) + 1, np.nan)
    out[positions] = values
    for i in np.flatnonzero(np.isnan(out)):
        out[i] = out[i - period] if i >= period else out[i - 1]
    return out


def _past_rows(
    codes: Ints, values: Floats, covariates: Mapping[str, Floats], count: int
) -> NDArray[np.bool_]:
    """False for the rows after a series' last present value when every covariate is present there."""
    if not covariates:
        return np.ones(len(values), bool)
    last = np.full(count, -1, np.int64)
    present = np.flatnonzero(~np.isnan(values))
    np.maximum.at(last, codes[present], present)
    known = np.logical_and.reduce([~np.isnan(column) for column in covariates.values()])
    after = (np.arange(len(values)) > last[codes]) & (last[codes] >= 0)
    return np.asarray(~(after & known), np.bool_)


def _future_blocks(
    codes: Ints, past: NDArray[np.bool_], covariates: Mapping[str, Floats], count: int
) -> dict[str, Floats]:
    rows = np.flatnonzero(~past)
    if not len(rows):
        return {}
    starts = np.searchsorted(codes[rows], np.arange(count))
    offset = np.arange(len(rows)) - starts[codes[rows]]
    blocks = {}
    for name, column in covariates.items():
        block = np.full((count, int(offset.max()) + 1), np.nan)
        block[codes[rows], offset] = column[rows]
        blocks[name] = block
    return blocks


def _frequency_of(
    value: Frequency | str | int | None, season_length: int | Sequence[int] | None, codes: Ints, times: Times
) -> Frequency:
    if value is None:
        longest = int(np.argmax(np.bincount(codes)))
        value = infer(times[codes == longest])
    return Frequency.parse(value, season_length=season_length)


def _check_shapes(panel: Panel) -> None:
    points, count = len(panel.values), len(panel.series_ids)
    if not count or not points:
        raise errors.EmptyPanel(series=count, points=points)
    if len(set(panel.series_ids)) != count:
        raise errors.MalformedPanel(field="series_ids", reason="a series id occurs twice")
    if len(panel.indptr) != count + 1 or panel.indptr[0] != 0 or panel.indptr[-1] != points:
        raise errors.MalformedPanel(
            field="indptr", reason=f"it must run from 0 to {points} in {count + 1} entries"
        )
    if (np.diff(panel.indptr) < 0).any():
        raise errors.MalformedPanel(field="indptr", reason="its entries must not fall")
    if len(panel.ds) != points or (panel.ds.dtype.kind == "i") != panel.frequency.is_integer:
        raise errors.MalformedPanel(
            field="ds", reason="its length or its type does not match values and frequency"
        )
    for kind in ("known_future", "past"):
        for name, column in getattr(panel, kind).items():
            if np.shape(column) != (points,):
                raise errors.MalformedPanel(field=f"{kind}[{name}]", reason=f"its shape must be ({points},)")
    for name, block in panel.future.items():
        if name not in panel.known_future or np.ndim(block) != 2 or len(block) != count:
            raise errors.MalformedPanel(field=f"future[{name}]", reason=f"its shape must be ({count}, steps)")


def _check_values(panel: Panel) -> None:
    for column, values in {"y": panel.values, **panel.known_future, **panel.past}.items():
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            row = int(np.searchsorted(panel.indptr, bad[0], side="right")) - 1
            raise errors.NonFiniteValue(
                series_id=panel.series_ids[row],
                value=str(values[bad[0]]),
                column=column,
                ds=str(panel.ds[bad[0]]),
                position=int(bad[0] - panel.indptr[row]),
            )


def _check_times(panel: Panel) -> None:
    steps = np.diff(panel.ds).astype(np.int64)
    inside = np.ones(len(steps), bool)
    starts = panel.indptr[1:-1]
    inside[starts[(starts > 0) & (starts <= len(steps))] - 1] = False
    wrong = np.flatnonzero((steps <= 0) & inside)
    if len(wrong):
        at = int(wrong[0]) + 1
        kind = errors.DuplicateTimestamp if steps[at - 1] == 0 else errors.UnorderedTimestamps
        raise kind(series_id=_owner(panel, at), ds=str(panel.ds[at]))
    for s in range(len(panel)):
        off = np.flatnonzero(panel.frequency.index(panel.times(s)) < 0)
        if len(off):
            at = int(panel.indptr[s] + off[0])
            raise errors.OffGrid(
                series_id=panel.series_ids[s], ds=str(panel.ds[at]), frequency=panel.frequency.alias
            )


def _owner(panel: Panel, position: int) -> str:
    return panel.series_ids[int(np.searchsorted(panel.indptr, position, side="right")) - 1]
