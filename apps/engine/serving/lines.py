"""What a linear model sees of the features, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.engine.features import FeatureSpec
from apps.engine.serving.state import Floats, Ints

MOST_SCALES = 30.0  # a feature that is no covariate counts as this beyond it
CODES = {
    "month_of_year": 13,
    "quarter_of_year": 5,
    "day_of_week": 7,
    "hour_of_day": 24,
}  # how many values each has
LONGEST_CODED = 60  # a season longer than this is an amount


def expanded(spec: FeatureSpec, x: Floats) -> Floats:
    """The columns f8[R, C] of the features f8[R, F]: amounts with 0 for what is missing, and again times the root of the
    step; codes as one column for each value.
    """
    plain, coded = _columns(spec)
    most = np.asarray([np.inf if spec.names[c] in spec.owners else MOST_SCALES for c in plain])
    there = np.clip(np.nan_to_num(x[:, plain]), -most, most)
    ones = [(x[:, [c]] == np.arange(count)).astype(np.float64) for c, count in coded]
    return np.hstack([there, there * np.sqrt(x[:, :1]), *ones])


def owners(spec: FeatureSpec) -> Ints:
    """The feature that each expanded column comes of; i8[C]."""
    plain, coded = _columns(spec)
    return np.concatenate([plain, plain, *(np.full(count, c) for c, count in coded)]).astype(np.int64)


def said(arrays: Mapping[str, NDArray[Any]], columns: Floats) -> Floats:
    """What a line says of expanded columns f8[R, C]; f8[R]."""
    return np.asarray(shares(arrays, columns).sum(axis=1) + arrays["intercept"][0], np.float64)


def shares(arrays: Mapping[str, NDArray[Any]], columns: Floats) -> Floats:
    """What each expanded column adds; f8[R, C]."""
    return np.asarray((columns - arrays["mean"]) * (arrays["inverse"] * arrays["slope"]), np.float64)


def _columns(spec: FeatureSpec) -> tuple[Ints, list[tuple[int, int]]]:
    """Features that are amounts; those that are codes, with how many values each may have."""
    counts = {**CODES, **{f"static_{name}": len(values) for name, values in spec.static.items()}}
    if spec.season <= LONGEST_CODED:
        counts["position_in_season"] = spec.season
    coded = [(c, counts[name]) for c, name in enumerate(spec.names) if name in counts]
    taken = {c for c, _ in coded}
    return np.asarray([c for c in range(len(spec.names)) if c not in taken], np.int64), coded
