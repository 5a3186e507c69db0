"""How long a training will take: a first guess from measurements, corrected by what trainings here took.

A candidate's backtest costs a fixed time, and a rate for each series and each point in each window; ``prior`` holds the
rates that were measured. What finished trainings of the workspace took, against what was told of them, scales the guess.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from apps.engine import backtest, efforts
from apps.engine.forecasters import NAIVE, REGISTRY
from apps.engine.frequency import Frequency
from apps.training import prior

if TYPE_CHECKING:
    from apps.datasets.models import DatasetVersion
    from apps.engine.panel import Panel

Features = Mapping[str, Any]
Past = Sequence[tuple[Features, float]]
OTHER_EFFORT: Final = 0.3  # how much a run of another effort tells
TRUST: Final = 1.0  # runs that the measured prior counts as
MOST_PAST: Final = 50
PANEL_WIDE: Final = frozenset(name for name, forecaster in REGISTRY.items() if forecaster.of_panel)


def features_of_panel(panel: Panel, *, horizon: int, effort: str) -> dict[str, Any]:
    """What the time depends on."""
    found = efforts.kinds(panel)
    return _features(
        series=len(panel),
        points=len(panel.values),
        horizon=horizon,
        effort=effort,
        candidates=list(efforts.members(effort, found)),
        season=panel.frequency.season_length,
        known=len(panel.known_future) + len(panel.past),
    )


def features_of(version: DatasetVersion, spec: Mapping[str, Any]) -> dict[str, Any]:
    """As ``features_of_panel``, from what is known of a data set's version without reading it."""
    chosen = spec.get("covariates")
    known, past = (
        [name for name in version.columns.get(kind, []) if chosen is None or name in chosen]
        for kind in ("covariates", "past")
    )
    dated = bool(spec.get("country") or spec.get("events"))
    seasons = _seasons(version)
    kinds = efforts.kinds_of(
        seasons,
        points=int(version.rows),
        intermittent=any(finding.get("code") == "intermittent" for finding in version.findings),
        known=bool(known) or dated,
        past=bool(past),
    )
    return _features(
        series=version.series_count,
        points=int(version.rows),
        horizon=int(spec["horizon"]),
        effort=str(spec["effort"]),
        candidates=_tried(spec, kinds),
        season=max(seasons),
        known=len(known) + len(past) + dated,
    )


def seconds(features: Features, past: Past = ()) -> float:
    """The engine's seconds of a training with these features, given what earlier ones took."""
    total, weight = 0.0, TRUST
    for other, took in past[-MOST_PAST:]:
        counts = _alike(features, other)
        total += counts * math.log(max(took, 0.05) / guess(other))
        weight += counts
    return guess(features) * math.exp(total / weight)


def guess(features: Features) -> float:
    """The seconds that the measurements alone tell."""
    names = [name for name in features["candidates"] if name in prior.RATES]
    return prior.START_SECONDS + sum(_candidate(name, features) for name in names)


def _candidate(name: str, features: Features) -> float:
    rate = prior.RATES[name]
    points = min(features["points"], rate.most_points)
    a_point = rate.point + (rate.seasonal if features["season"] > 1 else 0)
    a_window = rate.series * features["series"] + a_point * points
    patience = 1 + rate.patient * (efforts.PATIENCE[features["effort"]] - 1)
    covariates = 1 + prior.COVARIATE_SHARE * features["known"] * (name in PANEL_WIDE)
    return float(rate.fixed + (features["windows"] + prior.FINAL_FITS) * a_window * patience * covariates)


def _alike(features: Features, other: Features) -> float:
    """How much a run tells of another: by effort, and by how near its size is."""
    apart = abs(math.log(guess(features) / guess(other)))
    same = 1.0 if features["effort"] == other["effort"] else OTHER_EFFORT
    return same * math.exp(-apart)


def _tried(spec: Mapping[str, Any], kinds: Sequence[str]) -> list[str]:
    asked = spec.get("candidates")
    if asked is None:
        return list(efforts.members(str(spec["effort"]), kinds))
    return [NAIVE, *(name for name in asked if name != NAIVE)]


def _seasons(version: DatasetVersion) -> tuple[int, ...]:
    if not version.frequency:
        return (1,)
    alias: str | int = int(version.frequency) if version.frequency.isdigit() else version.frequency
    return tuple(Frequency.parse(alias, season_length=version.season_length).seasons)


def _features(*, series: int, effort: str, **more: Any) -> dict[str, Any]:
    wanted = max(efforts.WINDOWS[effort], -(-backtest.SCORES_WANTED // max(series, 1)))
    windows = min(wanted, backtest.MAX_WINDOWS)
    return {"series": series, "effort": effort, "windows": windows, **more}
