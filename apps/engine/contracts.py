"""What goes into a training and what comes out: frozen, typed, free of libraries."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from apps.engine import errors

if TYPE_CHECKING:
    from apps.engine.pretrained import Pretrained

Floats = NDArray[np.float64]
Effort = Literal["fast", "balanced", "best"]
EFFORTS: Final = ("fast", "balanced", "best")
AUTO: Final = "auto"
SERVED: Final = "served"  # the column of what serves, beside those of the candidates
Progress = Callable[[str, float], None]
Flag = Literal[
    "gap_filled",
    "constant",
    "not_backtested",
    "fallback_naive",
    "naive_won",
    "covariate_carried_forward",
    "clipped",
    "cold_start",
]


@dataclass(frozen=True)
class Event:
    """Something that happens at known times (a fair, a strike): `name`, and the times at which it counts, ISO 8601 text
    or whole numbers, past and future alike."""

    name: str
    times: tuple[str | int, ...]


@dataclass(frozen=True)
class Spec:
    """What to forecast and how much to spend on it.

    `horizon` steps ahead; `levels` whole percents. `forecaster` "auto" tries several and combines them, a name takes
    that one. `effort` chooses what "auto" tries and on how many windows; `candidates` names it instead; `combine` False
    keeps only the best. `costs` is what a unit too much and a unit too little costs: candidates are then weighed by it, not
    by the plain error. `time_budget_seconds` of
    wall clock is kept by leaving out what no longer fits (None: no limit). `windows` rolling-origin windows (None = as
    many as effort, panel and history suggest).
    `non_negative` "auto" bounds a series below by 0 when its history never was negative, True bounds all, False none;
    `upper` caps every forecast; `integer` rounds forecasts to whole numbers.
    `future_covariates` "dataset" trusts only what `panel.future` holds, "request" means that each forecast request brings
    the covariates of its horizon; `country` (ISO 3166, with an optional subdivision: "DE-BY") adds its public holidays,
    `events` the caller's own, both known ahead (see `calendar`); `hierarchy` names static attributes from the top down:
    forecasts of their totals are added and made to add up. Where there are totals, `upper` and `integer` hold for the series
    themselves; a total is their sum.
    `uncalibrated` says what becomes of a band that the backtest is too small to calibrate: "label" returns the model's
    own, marked; "refuse" raises Uncalibrated. `pretrained` are trees that were trained before on other series (see `pretrained.read`);
    they join what "auto" tries. `threads` bounds native libraries, `workers` processes that share the
    series out; `backend` where these run.
    """

    horizon: int
    levels: tuple[int, ...] = (80, 95)
    forecaster: str = AUTO
    effort: Effort = "balanced"
    candidates: tuple[str, ...] | None = None
    combine: bool = True
    costs: tuple[float, float] | None = None
    time_budget_seconds: float | None = None
    seed: int = 0
    windows: int | None = None
    non_negative: Literal["auto"] | bool = "auto"
    upper: float | None = None
    integer: bool = False
    future_covariates: Literal["dataset", "request"] = "dataset"
    country: str | None = None
    events: tuple[Event, ...] = ()
    hierarchy: tuple[str, ...] = ()
    uncalibrated: Literal["label", "refuse"] = "label"
    pretrained: Pretrained | None = None
    threads: int = 1
    workers: int = 1
    backend: Literal["local", "ray", "dask"] = "local"

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", check_levels(self.levels))
        for name in ("candidates", "events", "hierarchy"):
            object.__setattr__(self, name, _listed(name, getattr(self, name)))
        for name in ("combine", "integer"):
            _one_of(name, getattr(self, name), (True, False))
        _one_of("non_negative", self.non_negative, ("auto", True, False))
        _number("upper", self.upper)
        if self.upper is not None and self.upper < 0:
            self._below_zero()
        _whole("horizon", self.horizon, 1, 10_000)
        _whole("seed", self.seed, 0, 2**31 - 1)
        _whole("threads", self.threads, 1, 256)
        _whole("workers", self.workers, 1, 256)
        if self.windows is not None:
            _whole("windows", self.windows, 1, 100)
        _one_of("effort", self.effort, EFFORTS)
        _one_of("uncalibrated", self.uncalibrated, ("label", "refuse"))
        _one_of("future_covariates", self.future_covariates, ("dataset", "request"))
        _one_of("backend", self.backend, ("local", "ray", "dask"))
        _positive("time_budget_seconds", self.time_budget_seconds)
        object.__setattr__(self, "costs", _costs(self.costs))

    def _below_zero(self) -> None:
        """No forecast is bounded below by 0 under a bound that is negative."""
        if self.non_negative is True:
            reason = "it must not be below 0 where non_negative is True"
            raise errors.InvalidSpec(field="upper", value=self.upper, reason=reason)
        object.__setattr__(self, "non_negative", False)


@dataclass(frozen=True)
class Candidate:
    """One line of the leaderboard: errors are means over the series of each series' mean over its windows.

    A metric is None when the candidate failed (`error` says why) or when no series could be backtested.
    `beats_naive` is None for the seasonal naive itself. `fallback_series` counts the series it left to the
    seasonal naive; `weight` is its mean share over the series in what serves; `cost` what its errors would have cost in all
    windows, by the spec's `costs`.
    """

    name: str
    label: str
    mase: float | None
    smape: float | None
    rmsse: float | None
    wape: float | None
    windows: int
    seconds: float
    beats_naive: bool | None
    selected: bool
    error: str | None = None
    fallback_series: int = 0
    weight: float | None = None
    step_mase: tuple[float, ...] = ()
    cost: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON column."""
        return {**self.__dict__, "step_mase": list(self.step_mase)}


@dataclass(frozen=True)
class Backtest:
    """Every forecast of the backtest, one row a window, series and step: arrays of N.

    `series` are rows of `series_ids` (and of each list in `static`); `window` counts from 1, the newest; `step` from 1;
    `ds` the time forecast, `cutoff` the last one that was seen; `scale` the series' MASE denominator; `forecasts` maps a
    candidate, and SERVED, to what it said, NaN where it said nothing; `is_total` bool[S] marks sums of other series;
    `inside` maps a level to 1 where the band that the other windows alone would have given held `y`, else 0 (levels that
    could not be tested are left out).
    """

    series_ids: tuple[str, ...]
    static: Mapping[str, list[Any]]
    is_total: NDArray[np.bool_]
    series: NDArray[np.int64]
    window: NDArray[np.int64]
    step: NDArray[np.int64]
    ds: NDArray[Any]
    cutoff: NDArray[Any]
    y: Floats
    scale: Floats
    forecasts: Mapping[str, Floats]
    inside: Mapping[int, Floats] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainResult:
    """A finished training: leaderboard (best first), the bundle and how it was chosen.

    `intervals` holds, per level, {level, calibrated, scores, needed, pooling}; `coverage` maps a level to the
    share of backtest points inside the band that the other windows alone would have given (None with one
    window; bands of totals are counted before their parts' sums replace them); `cutoffs` are the last training
    times of the windows, newest first, of the series that ends last; `flags` maps a series id to what was done
    differently for it; `coverage_windows` says how many windows coverage rests on, `choices` what was chosen and
    why, in words and numbers; `backtest` holds every forecast that was made of the past.
    """

    leaderboard: list[Candidate]
    selected: str
    bundle: bytes
    sha256: str
    notes: list[str]
    cutoffs: list[str]
    intervals: list[dict[str, Any]]
    coverage: dict[int, float | None]
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    coverage_windows: int = 0
    choices: list[str] = field(default_factory=list)
    backtest: Backtest | None = None


@dataclass(frozen=True)
class Result:
    """Forecasts of S series for H steps, and how they came about.

    `ds` one array of H times a series; `mean` f8[S, H]; `bands` level -> Band (lo, hi, calibrated), nested; `flags` one
    tuple a series; `choices` what was chosen, in words and numbers; `training` the leaderboard and the bundle.
    """

    series_ids: tuple[str, ...]
    ds: list[Any]
    mean: Floats
    bands: Mapping[int, Any]
    flags: tuple[tuple[str, ...], ...]
    choices: tuple[str, ...]
    training: TrainResult


def check_levels(levels: Any) -> tuple[int, ...]:
    """`levels` ascending; raises InvalidLevel for anything but distinct whole percents from 1 to 99."""
    try:
        given = tuple(levels)
    except TypeError as error:
        raise errors.InvalidLevel(level=levels) from error
    for level in given:
        whole = isinstance(level, int) and not isinstance(level, bool)
        if not whole or not 1 <= level <= 99 or given.count(level) > 1:
            raise errors.InvalidLevel(level=level)
    return tuple(sorted(given))


def _whole(name: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise errors.InvalidSpec(
            field=name, value=value, reason=f"it must be a whole number from {low} to {high}"
        )


def _one_of(name: str, value: Any, known: tuple[str | bool, ...]) -> None:
    if not isinstance(value, str | bool) or value not in known:
        listed = ", ".join(str(each) for each in known)
        raise errors.InvalidSpec(field=name, value=value, reason=f"it must be one of {listed}")


def _listed(name: str, value: Any) -> tuple[Any, ...] | None:
    """A list of different things as a tuple; names alone are text."""
    if value is None and name == "candidates":
        return None
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise errors.InvalidSpec(field=name, value=value, reason="it must be a list")
    found = tuple(value)
    texts = name == "events" or all(isinstance(each, str) for each in found)
    if not texts or any(found.count(each) > 1 for each in found[:100]):
        kind = "events" if name == "events" else "names"
        raise errors.InvalidSpec(field=name, value=value, reason=f"it must list {kind}, each once")
    return found


def _number(name: str, value: Any) -> None:
    fits = isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value)
    if value is not None and not fits:
        raise errors.InvalidSpec(
            field=name, value=value, reason="it must be a finite number, or None for no bound"
        )


def _costs(value: Any) -> tuple[float, float] | None:
    """Two numbers, none negative and not both 0."""
    if value is None:
        return None
    given = tuple(value) if isinstance(value, list | tuple) else ()
    fit = all(isinstance(each, int | float) and not isinstance(each, bool) for each in given)
    if len(given) != 2 or not fit or not all(0 <= each < math.inf for each in given) or not any(given):
        reason = "it must be the cost of a unit too much and of a unit too little, not both 0"
        raise errors.InvalidSpec(field="costs", value=value, reason=reason)
    return float(given[0]), float(given[1])


def _positive(name: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise errors.InvalidSpec(field=name, value=value, reason="it must be a number above 0")
