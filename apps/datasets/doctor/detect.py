"""Where findings are: all checks over all series, block by block, each row explained once.

A check is a function of a ``Block`` that yields ``Hit``s; what it has explained, later checks leave alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import numpy as np
import polars as pl

from apps.datasets.doctor.sheet import OFF, Bools, Floats, Ints, Sheet
from apps.engine.frequency import Frequency

SHARED_END: Final = 0.1  # of the table's span, in which the ends of most series lie
MOST: Final = 0.5


@dataclass(frozen=True, slots=True)
class About:
    """What the doctor is told of a table beside its rows.

    ``faults``: cells that were no number (``__row``, ``column``, ``text``, ``code``); ``votes``: how many series have which
    frequency; ``horizon``: how many steps will be asked for; ``now``: without a zone, as the table's times are.
    """

    covariates: tuple[str, ...]
    past: tuple[str, ...]
    frequency: Frequency | None
    votes: Mapping[str, int]
    faults: pl.DataFrame | None
    horizon: int | None
    now: datetime

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns beside the value."""
        return (*self.covariates, *self.past)


@dataclass(frozen=True, slots=True)
class Hit:
    """What one check found in one block: rows of the block, how much each stands for (1 unless said), and parameters of the
    proposed fix for some series (by their place in the block)."""

    code: str
    places: Ints
    weights: Ints | None = None
    column: str | None = None
    params: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """All hits of a kind over the whole table: rows, what each stands for, and parameters by series."""

    code: str
    column: str | None
    places: Ints
    weights: Ints
    params: Mapping[str, Mapping[str, Any]]


class Block:
    """Some whole series, with what is known of each row and series so far."""

    def __init__(self, sheet: Sheet, about: About, latest: int) -> None:
        self.sheet, self.about, self.latest = sheet, about, latest
        self.codes = sheet.codes
        self.explained: Bools = np.zeros(len(sheet), bool)
        self.gap_explained: Bools = np.zeros(
            len(sheet), bool
        )  # rows before which steps are missing for a known reason
        self.left_out: Bools = np.zeros(len(sheet.ids), bool)  # series that no further check looks into
        self.flat: Bools = np.zeros(len(sheet.ids), bool)  # series in whose values nothing more is looked for
        self.present: Bools = ~np.isnan(sheet.y)
        self.to_come: Bools = self.present & _is_to_come(sheet, about)  # values of times that have not come
        index = np.arange(len(sheet))
        come = np.where(self.present & ~self.to_come, index, -1)
        self.last: Ints = np.maximum.reduceat(come, sheet.starts)  # of each series, the last row with a value
        self.past: Bools = index <= self.last[self.codes]
        self.lengths: Ints = np.add.reduceat(self.present.astype(np.int64), sheet.starts)

    def explain(self, places: Ints) -> None:
        """Rows that need no other finding."""
        self.explained[places] = True

    @property
    def open(self) -> Bools:
        """Rows with a value that nothing has explained, of series that are looked into."""
        return self.present & ~self.explained & ~(self.left_out | self.flat)[self.codes]

    def per_series(self, values: Floats, ufunc: np.ufunc) -> Any:
        """``ufunc`` over each series' values."""
        return ufunc.reduceat(values, self.sheet.starts)

    def medians(self, values: Floats, chosen: Bools) -> Floats:
        """The median of each series over its chosen rows; NaN where it has none."""
        return self.quantiles(values, chosen, 0.5)

    def quantiles(self, values: Floats, chosen: Bools, share: float) -> Floats:
        """A quantile of each series over its chosen rows, linear between two; NaN where it has none."""
        frame = pl.DataFrame({"code": self.codes[chosen], "v": values[chosen]})
        out = np.full(len(self.sheet.ids), np.nan)
        found = frame.group_by("code").agg(pl.col("v").quantile(share, interpolation="linear"))
        out[found["code"].to_numpy()] = found["v"].to_numpy()
        return out


Check = Callable[[Block], Iterable[Hit]]


def detect(sheet: Sheet, about: About) -> list[Place]:
    """All hits of all checks, by code and column, in the order of ``CHECKS``."""
    from apps.datasets.doctor.checks import CHECKS

    found: dict[tuple[str, str | None], _Gathered] = {}
    if not len(sheet):
        return []
    latest = _latest(sheet, about)
    for piece in sheet.blocks():
        block = Block(piece, about, latest)
        for check in CHECKS:
            for hit in check(block):
                if len(hit.places):
                    found.setdefault((hit.code, hit.column), _Gathered()).add(hit, piece)
    return [gathered.place(code, column) for (code, column), gathered in found.items()]


def _latest(sheet: Sheet, about: About) -> int:
    """The newest time of the table that has come and has a value: the end that most series share, more or less.

    Where they share none (each has a time of its own), the earliest possible: no series ends before it.
    """
    known = ~np.isnan(sheet.y) & ~_is_to_come(sheet, about)
    if not known.any():
        return 0
    nowhere = np.iinfo(np.int64).min
    ends = np.maximum.reduceat(np.where(known, sheet.ds, nowhere), sheet.starts)
    ends, latest = ends[ends > nowhere], int(ends.max())
    near = latest - (latest - int(sheet.ds[known].min())) * SHARED_END
    return latest if np.mean(ends >= near) >= MOST else int(ends.min())


def _is_to_come(sheet: Sheet, about: About) -> Bools:
    if sheet.is_integer:
        return np.zeros(len(sheet), bool)
    later: Bools = sheet.ds > np.datetime64(about.now, "us").astype(np.int64)
    return later


class _Gathered:
    def __init__(self) -> None:
        self.places: list[Ints] = []
        self.weights: list[Ints] = []
        self.params: dict[str, Mapping[str, Any]] = {}

    def add(self, hit: Hit, piece: Sheet) -> None:
        self.places.append(hit.places + piece.offset)
        self.weights.append(np.ones(len(hit.places), np.int64) if hit.weights is None else hit.weights)
        self.params |= {piece.ids[series]: params for series, params in hit.params.items()}

    def place(self, code: str, column: str | None) -> Place:
        places, weights = np.concatenate(self.places), np.concatenate(self.weights)
        order = np.argsort(places, kind="stable")
        return Place(code, column, places[order], weights[order], self.params)


def runs(flags: Bools, sheet: Sheet) -> Iterator[tuple[int, int]]:
    """Stretches (first, end) of flagged rows that follow each other in one series."""
    places = np.flatnonzero(flags)
    if not len(places):
        return
    same = sheet.same()
    breaks = np.flatnonzero((np.diff(places) != 1) | ~same[places[1:]]) + 1
    for group in np.split(places, breaks):
        yield int(group[0]), int(group[-1]) + 1


__all__ = ["OFF", "About", "Block", "Hit", "Place", "detect", "runs"]
