"""What goes into a training and what comes out: frozen, typed, free of libraries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from apps.engine import errors

Progress = Callable[[str, float], None]
Flag = Literal[
    "gap_filled",
    "constant",
    "not_backtested",
    "fallback_naive",
    "covariate_carried_forward",
    "clipped",
]


@dataclass(frozen=True)
class TrainSpec:
    """What to train.

    `horizon` steps ahead; `levels` whole percents; `candidates` names of forecasters (None = all; the
    seasonal naive is always added); `windows` rolling-origin windows (None = as many as the panel needs and
    its history allows); `non_negative` "auto" bounds a series below by 0 when its history never was negative,
    True bounds all, False none; `future_covariates` "dataset" trusts only what `panel.future` holds,
    "request" means that each forecast request brings the covariates of its horizon; `threads` bounds every
    library's threads: one is the fastest where other processes share the cores, and leaves no thread pool
    behind.
    """

    horizon: int
    levels: tuple[int, ...] = (80, 95)
    candidates: tuple[str, ...] | None = None
    seed: int = 0
    windows: int | None = None
    non_negative: Literal["auto"] | bool = "auto"
    future_covariates: Literal["dataset", "request"] = "dataset"
    threads: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", check_levels(self.levels))
        if self.candidates is not None:
            object.__setattr__(self, "candidates", tuple(self.candidates))
        _whole("horizon", self.horizon, 1, 10_000)
        _whole("seed", self.seed, 0, 2**31 - 1)
        _whole("threads", self.threads, 1, 256)
        if self.windows is not None:
            _whole("windows", self.windows, 1, 100)


@dataclass(frozen=True)
class Candidate:
    """One line of the leaderboard: errors are means over the series of each series' mean over its windows.

    A metric is None when the candidate failed (`error` says why) or when no series could be backtested.
    `beats_naive` is None for the seasonal naive itself. `fallback_series` counts the series it left to the
    seasonal naive.
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
    step_mase: tuple[float, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON column."""
        return {**self.__dict__, "step_mase": list(self.step_mase)}


@dataclass(frozen=True)
class TrainResult:
    """A finished training: leaderboard (best first), the bundle and how it was chosen.

    `intervals` holds, per level, {level, calibrated, scores, needed, pooling}; `coverage` maps a level to the
    share of backtest points inside the band that the other windows alone would have given (None with one
    window); `cutoffs` are the last training times of the windows, newest first, of the series that ends last;
    `flags` maps a series id to what was done differently for it; `coverage_windows` says how many windows
    coverage rests on.
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
