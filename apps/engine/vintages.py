"""What was known when: the points of a panel that arrived late, or whose value was corrected later.

A backtest at a cutoff must not see them before they were there. The forecast that a window repeats was made when its last
point had arrived, so that moment is what "then" means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.engine import errors

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Moments = NDArray[np.datetime64]


@dataclass(frozen=True)
class Vintages:
    """K values of points, each as it became known: `series` i8[K], `position` i8[K] within the series, `known_at`
    datetime64[s][K], `value` f8[K] (NaN: the point was taken away); sorted by (series, position, known_at).

    A point that is not named here was known at its own time as the panel has it; one that is named was not there before
    its first line.
    """

    series: Ints
    position: Ints
    known_at: Moments
    value: Floats

    def __post_init__(self) -> None:
        lengths = {len(self.series), len(self.position), len(self.known_at), len(self.value)}
        if len(lengths) != 1:
            raise errors.MalformedPanel(field="vintages", reason="its four columns differ in length")
        order = np.lexsort((self.known_at, self.position, self.series))
        for name in ("series", "position", "known_at", "value"):
            object.__setattr__(self, name, np.asarray(getattr(self, name))[order])

    def __len__(self) -> int:
        """Number of lines."""
        return len(self.series)

    def moments(self, ends: Moments, lengths: Ints) -> Moments:
        """When the last of the first `lengths[s]` points of each series arrived; datetime64[s][S].

        `ends` are the times of those points, which count where nothing is said of them.
        """
        found = np.array(ends, "datetime64[s]")
        last = self.position == lengths[self.series] - 1
        first = last & self._starts()
        np.maximum.at(found, self.series[first], self.known_at[first])
        return found

    def as_known(self, values: Floats, indptr: Ints, lengths: Ints, moments: Moments) -> Floats:
        """`values` of a panel (series s at `indptr[s]`) as they were at each series' moment; NaN where not there yet.

        Only the first `lengths[s]` points of each series are looked at; the others stay as they are.
        """
        out = values.copy()
        named = self.position < lengths[self.series]
        places = indptr[self.series[named]] + self.position[named]
        out[places] = np.nan
        visible = named & (self.known_at <= moments[self.series])
        # Sorted by time, so the last line that is written to a place is the newest that was known.
        out[indptr[self.series[visible]] + self.position[visible]] = self.value[visible]
        return out

    def take(self, rows: Ints) -> Vintages:
        """The lines of the given series, numbered anew."""
        numbers = np.full(int(self.series.max(initial=-1)) + 1, -1, np.int64)
        rows = rows[rows < len(numbers)]
        numbers[rows] = np.arange(len(rows))
        kept = numbers[self.series] >= 0
        return Vintages(
            numbers[self.series[kept]], self.position[kept], self.known_at[kept], self.value[kept]
        )

    def _starts(self) -> NDArray[np.bool_]:
        """Which lines are the first of their point."""
        new: NDArray[Any] = np.ones(len(self), bool)
        new[1:] = (np.diff(self.series) != 0) | (np.diff(self.position) != 0)
        return new


def fill_unknown(values: Floats, indptr: Ints, period: int) -> Floats:
    """`values` without NaN: the value one season earlier, else the last one, else the first that was known."""
    missing = np.flatnonzero(np.isnan(values))
    starts = indptr[np.searchsorted(indptr, missing, side="right") - 1]
    for place, start in zip(missing, starts, strict=True):
        if place - start >= period:
            values[place] = values[place - period]
        elif place > start:
            values[place] = values[place - 1]
        else:
            values[place] = _first_known(values, int(start), indptr)
    return values


def _first_known(values: Floats, start: int, indptr: Ints) -> float:
    end = int(indptr[np.searchsorted(indptr, start, side="right")])
    known = values[start:end][~np.isnan(values[start:end])]
    return float(known[0]) if len(known) else 0.0
