"""Training rows of the models that one fit serves all series with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from apps.engine.designs import Design, Source, design
from apps.engine.features import FeatureSpec
from apps.engine.panel import Floats, Ints, Panel

CLIP = 30.0  # scales; a target further away than this counts as this far
FEWEST_ROWS = 4  # of a series, however many series there are


@dataclass(frozen=True)
class Rows:
    """Features f8[R, F], targets and weights f8[R], steps i8[R]; `target` is scaled, `ratio` the value above the
    floor as a multiple of the size. The weights of each series add up to the same.
    """

    x: Floats
    target: Floats
    ratio: Floats
    weight: Floats
    steps: Ints


def planned(panel: Panel) -> FeatureSpec:
    """The features for a panel with all its covariates and attributes."""
    return FeatureSpec.plan(panel.frequency, panel.known_future, panel.past, panel.static)


def codes(panel: Panel, spec: FeatureSpec) -> Floats:
    """The attributes of each series in numbers; f8[S, A]."""
    each = [spec.codes({name: values[s] for name, values in panel.static.items()}) for s in range(len(panel))]
    return np.asarray(each).reshape(len(panel), len(spec.static))


def too_short(panel: Panel, points: int) -> dict[str, str]:
    """Why series with fewer points than needed are left out."""
    return {
        panel.series_ids[s]: f"it has {panel.lengths[s]} points, {points} are needed"
        for s in np.flatnonzero(panel.lengths < points)
    }


def training_rows(
    panel: Panel, spec: FeatureSpec, horizon: int, *, most: int, seed: int, usable: Ints
) -> Rows:
    """About `most` rows of the series `usable`, as many from each as it has up to an equal share.

    Origins are spread over the whole history, and each is seen with some of the steps, both drawn by the seed.
    """
    rng = np.random.default_rng(seed)
    share = max(FEWEST_ROWS, most // max(len(usable), 1))
    coded = codes(panel, spec)
    parts = [_series_rows(panel, int(s), spec, horizon, share, rng, coded[s]) for s in usable]
    names = [each.name for each in fields(Rows)]
    return Rows(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def source_of(panel: Panel, s: int, horizon: int, coded: Floats) -> Source:
    """A series as the features see it; what its covariates are beyond the data is never in a training row."""
    part, beyond = panel.slice_of(s), np.full(horizon, np.nan)
    known = {name: np.concatenate([column[part], beyond]) for name, column in panel.known_future.items()}
    past: Mapping[str, Floats] = {name: column[part] for name, column in panel.past.items()}
    return Source(panel.series(s), panel.frequency, panel.times(s)[0], 0, known, past, coded)


def _series_rows(  # noqa: PLR0917 - a step of the loop above
    panel: Panel, s: int, spec: FeatureSpec, horizon: int, share: int, rng: np.random.Generator, coded: Floats
) -> Rows:
    y = panel.series(s)
    origins, steps = _drawn(len(y), _first_origin(len(y), spec), horizon, share, rng)
    made = design(spec, source_of(panel, s, horizon, coded), origins, steps)
    position = origins[:, None] + steps
    values = y[np.minimum(position, len(y) - 1)]
    return _kept(made, values, steps, position < len(y))


def _kept(made: Design, values: Floats, steps: Ints, inside: NDArray[np.bool_]) -> Rows:
    target = np.clip(made.target(values), -CLIP, CLIP)
    kept = (inside & np.isfinite(target)).ravel()
    weight = np.full(int(kept.sum()), 1.0 / max(int(kept.sum()), 1))
    ratio = np.clip((values - made.floor[:, None]) / made.size[:, None], 0.0, CLIP).ravel()[kept]
    return Rows(made.x[kept], target.ravel()[kept], ratio, weight, steps.ravel()[kept])


def _drawn(length: int, first: int, horizon: int, share: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Origins i8[O], ascending, and the steps i8[O, K] each is seen with: about `share` pairs."""
    origins = np.arange(first, length - 1)
    each = int(np.clip(share // max(len(origins), 1), 1, horizon))
    if len(origins) * each > share:
        origins = np.sort(rng.choice(origins, max(share // each, 1), replace=False))
    every = np.tile(np.arange(1, horizon + 1), (len(origins), 1))
    return origins, rng.permuted(every, axis=1)[:, :each]


def _first_origin(length: int, spec: FeatureSpec) -> int:
    """The first origin that has seen a season, or half the series where it is shorter."""
    return max(min(spec.season + 1 if spec.season > 1 else 3, length // 2), 1)


def spread(residuals: Floats, steps: Ints, horizon: int) -> Floats:
    """Standard deviation of the scaled training residuals for each step; f8[H], never falling with the
    step.
    """
    overall = float(residuals.std())
    each = [
        float(residuals[steps == k].std()) if (steps == k).sum() > 1 else overall
        for k in range(1, horizon + 1)
    ]
    return np.maximum.accumulate(np.asarray(each))
