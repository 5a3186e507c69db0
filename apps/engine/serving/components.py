"""What a forecast is made of: level, trend, season, events, covariates and a remainder, in units of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from apps.engine.features import FeatureSpec
from apps.engine.frequency import Times
from apps.engine.serving.state import Floats, Ints, Predictor

LEVEL, TREND, SEASON, REMAINDER, BOUND = "level", "trend", "season", "remainder", "bound"
EVENTS, COVARIATES, RECONCILIATION = "events", "covariates", "reconciliation"
KINDS = (LEVEL, TREND, SEASON, EVENTS, COVARIATES, REMAINDER, BOUND, RECONCILIATION)
LABELS = {BOUND: "kept within its bounds", REMAINDER: "other", RECONCILIATION: "made to add up"}
COVARIATE_COLUMN = "x_"
COLUMNS = {
    "lag_": LEVEL,
    "height": LEVEL,
    "mean_": LEVEL,
    "trend": TREND,
    "step": TREND,
    "season": SEASON,
    "slope_": TREND,
    "lead_": TREND,
}
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Component:
    """One addend of the forecasts: `values` f8[S, H]. `name` is unique, that of the covariate where it is one, else
    the `kind`; `label` is for people.
    """

    kind: str
    name: str
    label: str
    values: Floats


@dataclass(frozen=True)
class Components:
    """Forecasts of S series for H steps and what they are made of; `parts`, in the order of KINDS, add up to `mean`
    f8[S, H], bounds and adding up included. Parts that are 0 throughout are left out.
    """

    series_ids: tuple[str, ...]
    ds: list[Times]
    mean: Floats
    parts: tuple[Component, ...]

    def of(self, kind: str) -> Floats:
        """All parts of a kind together; f8[S, H], 0 where there are none."""
        total = np.zeros_like(self.mean)
        for part in self.parts:
            total += part.values if part.kind == kind else 0.0
        return total


def kind_of_column(spec: FeatureSpec, column: str) -> str:
    """Which part the share of a feature belongs to; a covariate keeps its column's name."""
    if column in spec.owners:
        return COVARIATE_COLUMN + spec.owners[column]
    if column in spec.calendar:
        return SEASON
    return next((kind for start, kind in COLUMNS.items() if column.startswith(start)), REMAINDER)


def mixed_parts(
    members: Sequence[Predictor], weights: Floats, rows: Ints, horizon: int, future: Mapping[str, Floats]
) -> dict[str, Floats]:
    """The members' parts, those of one name added up by `weights` f8[S, M]; f8[R, horizon] each."""
    found: dict[str, Floats] = {}
    for m, member in enumerate(members):
        weight = weights[rows, m]
        used = np.flatnonzero(weight > 0)
        if len(used):
            parts = member.parts(rows[used], horizon, {k: v[used] for k, v in future.items()})
            for name, values in parts.items():
                total = found.setdefault(name, np.zeros((len(rows), horizon)))
                total[used] += weight[used, None] * values
    return found


def with_rest(parts: dict[str, Floats], mean: Floats, name: str = BOUND) -> dict[str, Floats]:
    """The parts and, where something else moved the forecast (bounds, adding up), what that did to it, by that `name`."""
    rest = mean - np.sum(list(parts.values()), axis=0)
    size = TOLERANCE * np.maximum(np.abs(mean), np.max([np.abs(values) for values in parts.values()], axis=0))
    return {**parts, name: np.where(np.abs(rest) > size, rest, 0.0)}


def listed(parts: Mapping[str, Floats], events: Sequence[str]) -> tuple[Component, ...]:
    """The parts in the order of KINDS, those that are 0 throughout left out; `events` names covariates that are
    holidays or events.
    """
    found = [_component(name, values, events) for name, values in parts.items() if values.any()]
    return tuple(sorted(found, key=lambda part: KINDS.index(part.kind)))


def _component(name: str, values: Floats, events: Sequence[str]) -> Component:
    if name.startswith(COVARIATE_COLUMN):
        covariate = name[len(COVARIATE_COLUMN) :]
        kind = EVENTS if covariate in events else COVARIATES
        return Component(kind, covariate, covariate.replace("_", " "), values)
    return Component(name, name, LABELS.get(name, name), values)
