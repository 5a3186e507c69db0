"""Which forecasters an effort tries on a panel, and on how many windows. Data first, rules below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from apps.engine.contracts import Spec
from apps.engine.forecasters import NAIVE, PRETRAINED, Forecaster, choose
from apps.engine.panel import Panel

INTERMITTENT_SHARE: Final = 0.2  # of a series' points that are 0
FEWEST_POINTS: Final = 4  # of a series that can be called intermittent
LONGEST_SEASON: Final = 24  # above it exponential smoothing works on seasonally adjusted series
POINTS_FOR_TREES: Final = 150  # of the whole panel


@dataclass(frozen=True)
class Plan:
    """Forecasters to try and windows to try them on."""

    forecasters: list[Forecaster]
    windows: int


# effort -> kind of panel -> members; the seasonal naive is always with them.
MEMBERS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "fast": {
        "yearly": ("drift", "standard_theta", "theta", "damped"),
        "seasonal": ("standard_theta", "damped", "auto_ces"),
        "long": ("damped", "seasonal_naive_long"),
        "intermittent": ("croston_sba", "tsb"),
        "global": ("lightgbm_global",),
        "plain": (),
        "covariates": ("lightgbm_tweedie", "linear_global"),
    },
    "balanced": {
        "yearly": ("drift", "standard_theta", "theta", "auto_ets"),
        "seasonal": ("standard_theta", "theta", "damped", "auto_ets", "auto_ces", "auto_arima"),
        "long": ("damped", "mstl_arima", "seasonal_naive_long"),
        "intermittent": ("croston_sba", "tsb", "adida", "imapa"),
        "global": ("lightgbm_global",),
        "plain": ("lightgbm_recursive",),
        "covariates": ("lightgbm_tweedie", "linear_global"),
    },
    "best": {
        "yearly": ("drift", "standard_theta", "theta", "damped", "auto_ets", "auto_ces"),
        "seasonal": ("standard_theta", "theta", "damped", "auto_ets", "auto_ces", "auto_arima", "seasonal_window_average"),
        "long": ("theta", "damped", "auto_ces", "auto_arima", "mstl_ets", "mstl_arima", "seasonal_naive_long"),
        "intermittent": ("croston", "croston_sba", "tsb", "adida", "imapa", "window_average"),
        "global": ("lightgbm_global", "lightgbm_recursive", "lightgbm_tweedie", "linear_global"),
        "plain": (),
        "covariates": (),
    },
}  # fmt: skip
WINDOWS: Final = {"fast": 2, "balanced": 2, "best": 4}
PATIENCE: Final = {"fast": 1, "balanced": 4, "best": 6}


def plan(panel: Panel, spec: Spec) -> Plan:
    """What `spec` says, or what its effort means for this panel. Raises UnknownForecaster."""
    if spec.forecaster != "auto":
        return Plan(choose((spec.forecaster,)), WINDOWS[spec.effort])
    names = spec.candidates if spec.candidates is not None else _members(panel, spec)
    return Plan(choose(names), WINDOWS[spec.effort])


def kinds(panel: Panel) -> list[str]:
    """The kinds of members that suit a panel: one by its seasons, and more."""
    return kinds_of(
        panel.frequency.seasons,
        points=len(panel.values),
        intermittent=bool(is_intermittent(panel).any()),
        known=bool(panel.known_future),
        past=bool(panel.past),
    )


def kinds_of(
    seasons: Sequence[int], *, points: int, intermittent: bool, known: bool, past: bool
) -> list[str]:
    """As `kinds`, of a panel of which only this is known."""
    long = max(seasons) > LONGEST_SEASON or len(seasons) > 1
    found = ["long" if long else "seasonal" if seasons[0] > 1 else "yearly"]
    if intermittent:
        found.append("intermittent")
    if points >= POINTS_FOR_TREES or known or past:
        found += ["global", "covariates" if known else "plain"]
    return found


def members(effort: str, found: Sequence[str]) -> tuple[str, ...]:
    """What the effort tries on a panel of these kinds, the seasonal naive first."""
    return (NAIVE, *(name for kind in found for name in MEMBERS[effort][kind]))


def is_intermittent(panel: Panel) -> np.ndarray:
    """Which series are never negative and 0 in at least a fifth of their points, of which a few tell nothing; bool[S]."""
    zeros = np.add.reduceat((panel.values == 0).astype(float), panel.indptr[:-1]) / panel.lengths
    lowest = np.minimum.reduceat(panel.values, panel.indptr[:-1])
    found: np.ndarray = (zeros >= INTERMITTENT_SHARE) & (lowest >= 0) & (panel.lengths >= FEWEST_POINTS)
    return found


def _members(panel: Panel, spec: Spec) -> tuple[str, ...]:
    trained_before = () if spec.pretrained is None else (PRETRAINED,)
    return (*members(spec.effort, kinds(panel)), *trained_before)
