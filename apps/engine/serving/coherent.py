"""What a model with totals forecasts: made to add up within its bounds, as whole numbers where asked, path by path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.engine.serving.reconcile import Reconciler, Structure
from apps.engine.serving.state import Floats, Ints

Bands = Mapping[int, tuple[Floats, Floats]]


@dataclass(frozen=True)
class Rules:
    """How forecasts of all series are made to add up.

    Bottoms lie within `lower` and `upper` f8[S] and are whole numbers where `integer` says so; totals are their sums, so they
    keep to nothing but that.
    """

    reconciler: Reconciler
    lower: Floats
    upper: Floats
    integer: bool = False

    @property
    def structure(self) -> Structure:
        """The tree of the series."""
        return self.reconciler.structure

    def means(self, base: Floats) -> Floats:
        """Coherent forecasts f8[S, H] of `base` f8[S, H]."""
        found = np.minimum(self.reconciler.apply(base, self.lower), self._caps)
        return self.structure.add_up(np.rint(found) if self.integer else found)

    def bands(self, base: Floats, mean: Floats, bands: Bands) -> dict[int, tuple[Floats, Floats]]:
        """The bands of `bands` (level -> lo, hi f8[S, H], nested around `base`) around `mean`, each bound adding up."""
        found = self.reconciler.bands(base, mean, bands, self.lower)
        return {level: self._around(lo, np.minimum(hi, self._caps)) for level, (lo, hi) in found.items()}

    def paths(self, rows: Ints, draw: Callable[[int], Floats]) -> Floats:
        """Sample paths f8[R, count, H] of the series `rows`: those of a total are the sums of its bottoms' (`draw` f8[count, H])."""
        places: dict[int, list[int]] = {}
        for place, row in enumerate(rows.tolist()):
            places.setdefault(row, []).append(place)
        found: Floats | None = None
        for bottom in self.beneath(rows).tolist():
            path = self._kept(draw(bottom), bottom)
            found = np.zeros((len(rows), *path.shape)) if found is None else found
            for row in self._line(bottom):
                for place in places.get(row, ()):
                    found[place] += path
        return np.zeros((0, 0, 0)) if found is None else found

    def beneath(self, rows: Ints) -> Ints:
        """The bottoms that are among `rows` or part of them, ascending."""
        wanted = np.zeros(len(self.structure), bool)
        wanted[rows] = True
        for generation in reversed(self.structure.generations):
            wanted[generation.rows] |= wanted[generation.parents][generation.family]
        return np.flatnonzero(wanted & self.structure.is_bottom)

    @property
    def _caps(self) -> Floats:
        return np.where(self.structure.is_bottom, self.upper, np.inf)[:, None]

    def _kept(self, path: Floats, bottom: int) -> Floats:
        within = np.minimum(np.maximum(path, self.lower[bottom]), self.upper[bottom])
        return np.asarray(np.rint(within) if self.integer else within, np.float64)

    def _around(self, lo: Floats, hi: Floats) -> tuple[Floats, Floats]:
        if self.integer:
            lo, hi = np.floor(lo), np.ceil(hi)
        return self.structure.add_up(lo), self.structure.add_up(hi)

    def _line(self, row: int) -> list[int]:
        """The series and the totals above it."""
        line = []
        while row >= 0:
            line.append(row)
            row = int(self.structure.parents[row])
        return line


def averaged(structure: Structure, values: Mapping[str, Floats], own: NDArray[np.bool_]) -> dict[str, Floats]:
    """Covariates f8[S, H] of which a total has its bottoms' mean, as in training, unless `own` bool[S] says it has its own."""
    parts = structure.add_up(np.ones((len(structure), 1)))
    kept = (structure.is_bottom | own)[:, None]
    return {name: np.where(kept, block, structure.add_up(block) / parts) for name, block in values.items()}
