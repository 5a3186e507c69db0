"""What predictors work on: the fitted state of a member and the tails of the series' histories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from apps.engine.frequency import Frequency, Times

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class State:
    """A fitted member: JSON-able `meta`, `arrays`, and a `text` where a native model has one.

    `fitted` bool[S] says which series of the panel the member can forecast.
    """

    kind: str
    fitted: NDArray[np.bool_]
    meta: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    text: str | None = None


@dataclass(frozen=True)
class Tails:
    """The last points of S series: `values` f8[N], `indptr` i8[S+1], `ds` [N] times, `lengths` i8[S] (full
    lengths).

    `covariates` maps a known-future covariate to f8[N]; `future` to f8[S, F], what is known of it beyond the
    end; `past` to f8[N] what nobody knows ahead.
    """

    values: Floats
    indptr: Ints
    ds: Times
    lengths: Ints
    frequency: Frequency
    covariates: Mapping[str, Floats] = field(default_factory=dict)
    future: Mapping[str, Floats] = field(default_factory=dict)
    past: Mapping[str, Floats] = field(default_factory=dict)

    def series(self, row: int) -> Floats:
        """Values of one series' tail; a view."""
        return self.values[self.indptr[row] : self.indptr[row + 1]]

    def times(self, row: int) -> Times:
        """Times of one series' tail; a view."""
        return self.ds[self.indptr[row] : self.indptr[row + 1]]

    def covariate(self, name: str, row: int) -> Floats:
        """A covariate beside one series' tail; a view."""
        return self.covariates[name][self.indptr[row] : self.indptr[row + 1]]

    def past_covariate(self, name: str, row: int) -> Floats:
        """A covariate that nobody knows ahead, beside one series' tail; a view."""
        return self.past[name][self.indptr[row] : self.indptr[row + 1]]


@dataclass(frozen=True)
class Points:
    """Point forecasts and the member's own standard deviations; both f8[R, H] in units of the data."""

    mean: Floats
    sigma: Floats


class Predictor(Protocol):
    """Forecasts some series from a fitted state. Immutable, so threads may share it."""

    @property
    def fitted(self) -> NDArray[np.bool_]:
        """Which series it can forecast; bool[S]."""
        ...

    def predict(self, rows: Ints, horizon: int, future: Mapping[str, Floats]) -> Points:
        """Steps 1..horizon for the series `rows` (i8[R]); `future` maps each covariate to f8[R, horizon]."""
        ...

    def parts(self, rows: Ints, horizon: int, future: Mapping[str, Floats]) -> Mapping[str, Floats]:
        """What `predict(...).mean` is made of: names of `serving.components` to f8[R, horizon], which add up to it."""
        ...
