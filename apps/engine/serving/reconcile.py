"""Forecasts of a hierarchy that add up: a tree of series, and the maps that make any forecasts of it coherent.

Only numpy is imported, and no matrix over the series is made but for "mint_shrink": the others pass over the tree once up
and once down, so a hundred thousand series take a fraction of a second.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.engine.serving.state import Floats, Ints

BOTTOM_UP, TOP_DOWN = "bottom_up", "top_down"
WLS_STRUCT, WLS_VAR, MINT_SHRINK = "wls_struct", "wls_var", "mint_shrink"
NOTHING = 1e-8
Bands = Mapping[int, tuple[Floats, Floats]]


@dataclass(frozen=True)
class Generation:
    """The series of one depth, siblings side by side: `rows` i8[n], where each family begins in them (`starts` i8[f]),
    its parent (`parents` i8[f]) and which family each row belongs to (`family` i8[n])."""

    rows: Ints
    starts: Ints
    parents: Ints
    family: Ints

    def sums(self, values: Floats) -> Floats:
        """Sums of each family's rows of `values` f8[S, ...]; f8[f, ...]."""
        found: Floats = np.add.reduceat(values[self.rows], self.starts, axis=0)
        return found


@dataclass(frozen=True)
class Structure:
    """A tree over S series: `parents` i8[S] is the row of each one's total, -1 at the top; `names` as in the panel.

    A bottom is a series that is nobody's total. Every total is the sum of its children, so of the bottoms below it.
    """

    names: tuple[str, ...]
    parents: Ints

    def __len__(self) -> int:
        """Number of series, totals included."""
        return len(self.parents)

    @functools.cached_property
    def is_bottom(self) -> NDArray[np.bool_]:
        """Which series are bottoms; bool[S]."""
        return ~np.isin(np.arange(len(self)), self.parents)

    @property
    def bottoms(self) -> Ints:
        """Rows of the bottoms, ascending; i8[B]."""
        return np.flatnonzero(self.is_bottom)

    @property
    def totals(self) -> Ints:
        """Rows of the totals, ascending; i8[A]."""
        return np.flatnonzero(~self.is_bottom)

    @functools.cached_property
    def depths(self) -> Ints:
        """Totals above each series; i8[S], 0 at the top."""
        depths, above = np.zeros(len(self), np.int64), self.parents.copy()
        while (above >= 0).any():
            depths += above >= 0
            above = np.where(above >= 0, self.parents[above], -1)
        return depths

    @functools.cached_property
    def generations(self) -> tuple[Generation, ...]:
        """The series below the top, deepest first."""
        return tuple(self._generation(depth) for depth in range(int(self.depths.max()), 0, -1))

    def _generation(self, depth: int) -> Generation:
        rows = np.flatnonzero(self.depths == depth)
        rows = rows[np.argsort(self.parents[rows], kind="stable")]
        parents, starts, family = np.unique(self.parents[rows], return_index=True, return_inverse=True)
        return Generation(rows, starts.astype(np.int64), parents, family.astype(np.int64))

    def add_up(self, values: Floats) -> Floats:
        """`values` f8[S, ...] with every total replaced by the sum of the bottoms below it."""
        out = values.copy()
        for generation in self.generations:
            out[generation.parents] = generation.sums(out)
        return out

    def summing(self) -> tuple[Ints, Ints]:
        """The summing matrix in compressed rows: series s sums the bottoms `columns[indptr[s] : indptr[s + 1]]`, counted
        in the order of `bottoms`; i8[S + 1], i8[n]."""
        column, row = np.arange(len(self.bottoms)), self.bottoms
        pairs = []
        while len(row):
            pairs.append((row, column))
            above = self.parents[row]
            row, column = above[above >= 0], column[above >= 0]
        rows, columns = (np.concatenate(part) for part in zip(*pairs, strict=True))
        order = np.lexsort((columns, rows))
        counts = np.bincount(rows, minlength=len(self))
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), columns[order]

    def matrix(self) -> Floats:
        """The summing matrix f8[S, B], dense: for small hierarchies."""
        indptr, columns = self.summing()
        dense = np.zeros((len(self), len(self.bottoms)))
        dense[np.repeat(np.arange(len(self)), np.diff(indptr)), columns] = 1.0
        return dense


@dataclass(frozen=True)
class Reconciler:
    """Makes forecasts of all series of `structure` add up by `method`.

    "bottom_up" keeps the bottoms; "top_down" keeps the top and shares it out as the forecasts below are proportioned;
    "wls_struct" and "wls_var" weigh every series' forecast by 1 / `variances` (f8[S]; Wickramasuriya et al. 2019);
    "mint_shrink" applies `matrix` f8[B, S], which knows how errors go together.
    `own_widths` keeps the widths of the bottoms' bands, which so cover what they did; without it widths are made coherent
    by the method, which narrows the bottoms' bands for the sake of the totals'.
    """

    structure: Structure
    method: str
    variances: Floats | None = None
    matrix: Floats | None = None
    own_widths: bool = True

    def apply(self, base: Floats, lower: Floats | None = None) -> Floats:
        """Coherent forecasts f8[S, H] of `base` f8[S, H].

        Bottoms are not below `lower` f8[S] (-inf: no bound; None: none at all): what the method puts below is set to the
        bound, and the totals are summed after that (Di Fonzo and Girolimetto 2022).
        """
        found = self._mapped(base)
        if lower is not None:
            found = np.maximum(found, np.where(self.structure.is_bottom, lower, -np.inf)[:, None])
        return self.structure.add_up(found)

    def bands(self, base: Floats, coherent: Floats, bands: Bands, lower: Floats | None = None) -> Bands:
        """The bands of `bands` (level -> lo, hi f8[S, H], nested around `base`) around `coherent`, made to add up.

        Each side's width is mapped like a forecast, from one level to the next by what is added, and nothing falls below
        0: so no bound crosses the mean, levels stay nested, and every total's bound is the sum of its parts'.
        A sum of bounds is wide for a total, since errors of parts cancel out; a method that looks at the total as well
        narrows the parts. One tree cannot hold each level's own coverage and add up.
        """
        out: dict[int, tuple[Floats, Floats]] = {}
        below, above = np.zeros_like(base), np.zeros_like(base)
        inner = (below, above)
        for level in sorted(bands):
            lo, hi = bands[level]
            widths = (base - lo, hi - base)
            below, above = (
                done + self._widened(np.maximum(width - before, 0.0))
                for done, width, before in zip((below, above), widths, inner, strict=True)
            )
            inner = (np.maximum(widths[0], inner[0]), np.maximum(widths[1], inner[1]))
            out[level] = self._around(coherent, below, above, lower)
        return out

    def _around(
        self, mean: Floats, below: Floats, above: Floats, lower: Floats | None
    ) -> tuple[Floats, Floats]:
        lo = mean - below if lower is None else np.maximum(mean - below, np.minimum(lower[:, None], mean))
        return self.structure.add_up(lo), self.structure.add_up(mean + above)

    def _widened(self, widths: Floats) -> Floats:
        return widths if self.own_widths else np.maximum(self._mapped(widths), 0.0)

    def _mapped(self, base: Floats) -> Floats:
        """What the method says; totals need not be summed yet."""
        return _METHODS[self.method](self, base)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle keeps of it beside `method` and `own_widths`."""
        kept = {"parents": self.structure.parents, "variances": self.variances, "matrix": self.matrix}
        return {name: array for name, array in kept.items() if array is not None}

    @classmethod
    def from_arrays(
        cls,
        names: tuple[str, ...],
        method: str,
        arrays: Mapping[str, NDArray[Any]],
        *,
        own_widths: bool = True,
    ) -> Reconciler:
        """Read back what `arrays` gave."""
        structure = Structure(names, arrays["parents"])
        return cls(structure, method, arrays.get("variances"), arrays.get("matrix"), own_widths)


def _bottom_up(reconciler: Reconciler, base: Floats) -> Floats:  # noqa: ARG001 - every method is called alike
    return base


def _top_down(reconciler: Reconciler, base: Floats) -> Floats:
    out = base.copy()
    for generation in reversed(reconciler.structure.generations):
        sums = generation.sums(base)[generation.family]
        sizes = np.bincount(generation.family)[generation.family]
        parent = out[generation.parents][generation.family]
        void = np.abs(sums) < NOTHING
        shares = np.where(void, 1 / sizes[:, None], base[generation.rows] / np.where(void, 1.0, sums))
        out[generation.rows] = parent * shares
    return out


def _weighted(reconciler: Reconciler, base: Floats) -> Floats:
    """Weighted least squares on a tree, exactly: up, each total's forecast is weighed against the sum of what is known
    below it; down, what that changes is shared out by the variances. It is how a Gaussian tree is solved."""
    assert reconciler.variances is not None
    known, variances = base.copy(), reconciler.variances.copy()
    steps = []
    for generation in reconciler.structure.generations:
        sums, spread = generation.sums(known), generation.sums(variances)
        own = variances[generation.parents]
        gain = (spread / (spread + own))[:, None]
        steps.append((generation, sums, spread))
        known[generation.parents] = sums + gain * (known[generation.parents] - sums)
        variances[generation.parents] = spread * own / (spread + own)
    for generation, sums, spread in reversed(steps):
        missing = (known[generation.parents] - sums)[generation.family]
        share = variances[generation.rows] / spread[generation.family]
        known[generation.rows] += share[:, None] * missing
    return known


def _mapped_by_matrix(reconciler: Reconciler, base: Floats) -> Floats:
    assert reconciler.matrix is not None
    out = base.copy()
    out[reconciler.structure.bottoms] = reconciler.matrix @ base
    return out


_METHODS: Mapping[str, Callable[[Reconciler, Floats], Floats]] = {
    BOTTOM_UP: _bottom_up,
    TOP_DOWN: _top_down,
    WLS_STRUCT: _weighted,
    WLS_VAR: _weighted,
    MINT_SHRINK: _mapped_by_matrix,
}
METHODS = tuple(_METHODS)
