"""How new points move each kind of member: its state as if it had been fitted on them too, parameters as they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.engine.forecasters.seasonal_naive import MEAN_TO_SD
from apps.engine.metrics import naive_scale, squared_scale
from apps.engine.panel import Floats
from apps.engine.serving.predictors import MULTIPLICATIVE, cycle
from apps.engine.serving.recursions import (
    Smoothing,
    Theta,
    adjusted,
    smoothing_after,
    theta_after,
)

Arrays = dict[str, NDArray[Any]]
SMALLEST_FACTOR = 0.1  # by which a new series' deviation falls with its level
PATHS_REASON = "its forecasts are fixed when it is trained"


@dataclass(frozen=True)
class News:
    """New points of one series: `joined` is the tail the model knows with them behind it, `count` how many they are,
    `before` the length of the whole series without them; `skipped` steps lie between the end that the model knows and them.
    """

    row: int
    joined: Floats
    count: int
    before: int
    season: int
    skipped: int = 0

    @property
    def values(self) -> Floats:
        """The new points."""
        return self.joined[-self.count :]


Move = Callable[[Arrays, News], None]


def cannot(kind: str, arrays: Arrays) -> str | None:
    """Why a member of this kind with these arrays cannot take new points; None when it can."""
    if kind not in MOVES or (kind == "paths" and "known" not in arrays):
        return PATHS_REASON
    lacking = [name for name in NEEDED.get(kind, ()) if name not in arrays]
    return f"its bundle was written without {', '.join(lacking)}" if lacking else None


def grown(old: float, news: News, *, power: int) -> float:
    """The series' seasonal-naive error with the new points: `power` 1 is the mean absolute one (`naive_scale`), 2 the
    root mean squared one (`squared_scale`).
    """
    scale = naive_scale if power == 1 else squared_scale
    tail, season = news.joined[: -news.count], news.season
    whole = len(tail) == news.before
    if whole or np.ptp(tail[season:] - tail[:-season]) == 0:
        return scale(news.joined, season)
    late = news.joined[-news.count - season :]
    added = np.abs(late[season:] - late[:-season]) ** power
    total = old**power * (news.before - season) + float(added.sum())
    return float((total / (news.before + news.count - season)) ** (1 / power))


def _naive(arrays: Arrays, news: News) -> None:
    if len(news.joined) > news.season + 1:
        sigma = grown(float(arrays["sigma"][news.row]), news, power=2)
    else:
        sigma = MEAN_TO_SD * naive_scale(news.joined, 1)
    arrays["sigma"][news.row] = sigma


def _smoothing(arrays: Arrays, news: News) -> None:
    names = ("level", "slope", "season", "season_kind", "alpha", "beta", "gamma", "phi")
    state = Smoothing(*(arrays[name][news.row] for name in names))
    before = state.season
    for value in news.values:
        state = smoothing_after(state, float(value))
    for name in ("level", "slope", "season"):
        arrays[name][news.row] = getattr(state, name)
    _turn_sigma(arrays, news.row, before, state.season)


def _theta(arrays: Arrays, news: News) -> None:
    row = news.row
    names = ("level", "mean", "a", "b", "n")
    alpha = float(arrays["alpha"][row])
    state = Theta(**{name: arrays[name][row].item() for name in names}, power=0.0)
    before = season = arrays["season"][row].copy()
    for value in news.values:
        plain = adjusted(float(value), season, int(arrays["season_kind"][row]))
        state, season = theta_after(state, alpha, plain), np.roll(season, -1)
    for name in names:
        arrays[name][row] = getattr(state, name)
    arrays["season"][row] = season
    _turn_sigma(arrays, row, before, season)


def _profile(arrays: Arrays, news: News) -> None:
    """A new series' profile moves on, on the level that its old and new points say."""
    row, steps = news.row, news.skipped + news.count
    known, season = float(arrays["known"][row]), _carried(arrays["season"][row], steps, news.season)
    wanted, found = (
        float(arrays["level"][row] + season[news.skipped : steps].mean()),
        float(news.values.mean()),
    )
    share = news.count / (known + news.count)
    if not arrays["ratio"][row]:
        arrays["level"][row] += share * (found - wanted)
        factor = 1.0
    else:
        factor = 1.0 - share + share * found / wanted if wanted > 0 else 1.0
        arrays["level"][row] *= factor
    arrays["season"][row] = factor * season[steps:]
    sigma = _carried(arrays["sigma"][row], steps, 1)[steps:]
    arrays["sigma"][row] = max(factor, SMALLEST_FACTOR) * sigma
    arrays["known"][row] += news.count


def _carried(values: Floats, steps: int, period: int) -> Floats:
    """`values` with `steps` more behind, each the one a period before, else the last."""
    found = list(values)
    for _ in range(steps):
        found.append(found[-period] if len(found) >= period else found[-1])
    return np.asarray(found)


def _turn_sigma(arrays: Arrays, row: int, before: Floats, after: Floats) -> None:
    """Where the season multiplies, the steps' standard deviations are in proportion to it."""
    if arrays["season_kind"][row] != MULTIPLICATIVE:
        return
    sigma = arrays["sigma"][row]
    old, new = (cycle(np.abs(season)[None, :], len(sigma))[0] for season in (before, after))
    arrays["sigma"][row] = np.where(old > 0.01, sigma * new / np.maximum(old, 0.01), sigma)


def _tails_only(arrays: Arrays, news: News) -> None:
    """Trees see the end of the series, and nothing else of it."""


MOVES: dict[str, Move] = {
    "seasonal_naive": _naive,
    "ets": _smoothing,
    "theta": _theta,
    "paths": _profile,
    **dict.fromkeys(
        ("lightgbm_global", "lightgbm_recursive", "lightgbm_tweedie", "linear_global"), _tails_only
    ),
}
NEEDED = {"ets": ("alpha", "beta", "gamma")}
