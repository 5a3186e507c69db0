"""Features of the global model: what is known at an origin about the value `step` steps ahead.

Every feature is free of the series' units: values enter as (y - anchor) / scale, where `anchor` is the mean
of the last season before the origin and `scale` the mean absolute deviation in the last seasons. The model's
target is (y[origin + step] - anchor) / scale, so a forecast is anchor + scale * prediction. Only numpy is
imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.engine.frequency import Frequency, Times

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CALENDAR: dict[str, tuple[str, ...]] = {
    "s": ("hour_of_day", "minute_of_hour"),
    "min": ("hour_of_day", "minute_of_hour", "day_of_week"),
    "h": ("hour_of_day", "day_of_week", "month_of_year"),
    "D": ("day_of_week", "day_of_month", "month_of_year", "week_of_year"),
    "B": ("day_of_week", "day_of_month", "month_of_year"),
    "W": ("week_of_year", "month_of_year"),
    "M": ("month_of_year",),
    "Q": ("quarter_of_year",),
}
STEP_NAMES = {
    "s": "second", "min": "minute", "h": "hour", "D": "day", "B": "business day", "W": "week", "M": "month",
    "Q": "quarter", "Y": "year", "int": "step",
}  # fmt: skip
SEASONS_BACK = 3


@dataclass(frozen=True)
class FeatureSpec:
    """Which features a model was trained with; stored in its bundle.

    `lags` counts the last values used one by one; `covariates` are names in column order, `indicators` those
    among them whose values are only 0 and 1 (they enter as they are, the others relative to their recent
    mean).
    """

    season: int
    lags: int
    window: int
    unit: str
    calendar: tuple[str, ...]
    covariates: tuple[str, ...]
    indicators: tuple[str, ...]

    @classmethod
    def plan(cls, frequency: Frequency, covariates: Mapping[str, Floats]) -> FeatureSpec:
        """The features for a panel of this frequency with these known-future covariates."""
        season = frequency.season_length
        indicators = tuple(n for n in sorted(covariates) if np.isin(covariates[n], (0.0, 1.0)).all())
        calendar = CALENDAR.get(frequency.unit, ())
        if frequency.is_integer and season > 1:
            calendar = ("position_in_season",)
        return cls(
            season, min(max(season, 6), 24), min(max(2 * season, 10), 200), frequency.unit, calendar,
            tuple(sorted(covariates)), indicators,
        )  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FeatureSpec:
        """Read back what `as_json` gave."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        return cls(**fields)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @property
    def lookback(self) -> int:
        """Points before and at the origin that the features reach."""
        seasonal = SEASONS_BACK * self.season + 2 if self.season > 1 else 0
        return max(self.lags, self.window, 2 * self.level_window, seasonal)

    @property
    def level_window(self) -> int:
        """Points whose mean is the anchor: one season, or the last value where there is none."""
        return min(self.season, 200)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, in order."""
        seasonal = tuple(f"season_{c}" for c in range(1, SEASONS_BACK + 1)) if self.season > 1 else ()
        lags = tuple(f"lag_{j}" for j in range(self.lags))
        covariates = tuple(f"x_{name}" for name in self.covariates)
        levels = ("mean_long", "mean_short", "trend", "spread")
        return ("step", *lags, *seasonal, *levels, *self.calendar, *covariates)

    def label(self, name: str) -> str:
        """How a person calls the column: 'value 12 months ago', 'month of year', 'price'."""
        step = STEP_NAMES.get(self.unit, "step")
        if name.startswith("x_"):
            return name[2:].replace("_", " ")
        if name.startswith("lag_"):
            return _recent(int(name[4:]), step)
        if name.startswith("season_"):
            return f"value {self.season * int(name[7:])} {step}s before"
        return LABELS.get(name, name.replace("_", " "))


LABELS = {
    "step": "how far ahead",
    "mean_long": "recent level",
    "mean_short": "level of the last values",
    "trend": "recent trend",
    "spread": "recent variability",
}


def _recent(lag: int, step: str) -> str:
    if lag == 0:
        return "latest value"
    return f"value {lag} {step}{'s' if lag > 1 else ''} before the latest"


@dataclass(frozen=True)
class Design:
    """Rows for O origins x K steps, origin-major: `x` f8[O*K, F]; `anchor`, `scale` f8[O] in units of the
    data.
    """

    x: Floats
    anchor: Floats
    scale: Floats


def design(
    spec: FeatureSpec,
    y: Floats,
    origins: Ints,
    steps: Ints,
    *,
    frequency: Frequency,
    start: Any,
    offset: int,
    covariates: Mapping[str, Floats],
) -> Design:
    """Features of one series at `origins` (indices into `y`, i8[O]) for `steps` ahead (i8[K]).

    `start` is the time of `y[0]` and `offset` its index in the full series; `covariates` maps each name of
    the spec to f8[len(y) + K], reaching over all targets. Values before `y[0]` count as missing (NaN).
    """
    padded = np.concatenate([np.full(spec.lookback, np.nan), y])
    at = origins + spec.lookback
    recent = _windows(padded, at, spec.window)
    anchor = _mean(_windows(padded, at, spec.level_window))
    seen = _Seen(padded, at, anchor, _scale(recent, anchor))
    target = (origins[:, None] + steps[None, :]).ravel()
    blocks = [
        np.tile(steps.astype(np.float64), len(origins))[:, None],
        np.repeat(_lags(spec, seen), len(steps), axis=0),
        _seasonal(spec, seen, steps),
        np.repeat(_levels(spec, seen, recent), len(steps), axis=0),
        _calendar(spec, target, frequency, start, offset),
        _covariates(spec, origins, steps, covariates),
    ]
    return Design(np.hstack(blocks), anchor, seen.scale)


@dataclass(frozen=True)
class _Seen:
    """A series padded in front, where its origins lie in it (i8[O]), and their anchors and scales (f8[O])."""

    padded: Floats
    at: Ints
    anchor: Floats
    scale: Floats


def _windows(padded: Floats, at: Ints, width: int) -> Floats:
    """The `width` values up to each position; f8[O, width]."""
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    return np.asarray(windows[at - width + 1], np.float64)


def _mean(block: Floats) -> Floats:
    """Row means of what is present; NaN where nothing is."""
    count = np.isfinite(block).sum(axis=1)
    total: Floats = np.nansum(block, axis=1)
    means = np.divide(total, count, out=np.full(len(block), np.nan), where=count > 0)
    return np.asarray(means, np.float64)


def _scale(recent: Floats, anchor: Floats) -> Floats:
    """Mean absolute deviation of the recent values; a tenth of their size, then 1, where they do not vary."""
    scale = _mean(np.abs(recent - _mean(recent)[:, None]))
    size = np.abs(anchor)
    flat = ~(scale > 1e-9 * size)
    return np.asarray(np.where(flat, np.where(size > 0, 0.1 * size, 1.0), scale), np.float64)


def _lags(spec: FeatureSpec, seen: _Seen) -> Floats:
    last = _windows(seen.padded, seen.at, spec.lags)[:, ::-1]
    return (last - seen.anchor[:, None]) / seen.scale[:, None]


def _seasonal(spec: FeatureSpec, seen: _Seen, steps: Ints) -> Floats:
    """The values at the target's place in the last seasons that are known at the origin."""
    if spec.season <= 1:
        return np.zeros((len(seen.at) * len(steps), 0))
    back = steps - spec.season * -(-steps // spec.season)
    columns = []
    for season in range(SEASONS_BACK):
        index = seen.at[:, None] + back[None, :] - season * spec.season
        columns.append(((seen.padded[index] - seen.anchor[:, None]) / seen.scale[:, None]).ravel())
    return np.stack(columns, axis=1)


def _levels(spec: FeatureSpec, seen: _Seen, recent: Floats) -> Floats:
    earlier = _mean(_windows(seen.padded, seen.at - spec.level_window, spec.level_window))
    short = _mean(_windows(seen.padded, seen.at, min(3, spec.lags)))
    anchor, scale = seen.anchor, seen.scale
    spread = np.log1p(scale / np.where(anchor == 0, scale, np.abs(anchor)))
    columns = [(_mean(recent) - anchor) / scale, (short - anchor) / scale, (anchor - earlier) / scale, spread]
    return np.stack(columns, axis=1)


def _calendar(spec: FeatureSpec, target: Ints, frequency: Frequency, start: Any, offset: int) -> Floats:
    if not spec.calendar:
        return np.zeros((len(target), 0))
    if spec.calendar == ("position_in_season",):
        return ((target + offset) % spec.season).astype(np.float64)[:, None]
    distinct, inverse = np.unique(target, return_inverse=True)
    times = frequency.shift(start, distinct)
    return np.stack([calendar_part(name, times) for name in spec.calendar], axis=1)[inverse]


def calendar_part(name: str, times: Times) -> Floats:
    """One calendar column for datetime64[s] times; f8, 0-based for days of the week (Monday) and hours, else
    1-based.
    """
    days = times.astype("datetime64[D]")
    months = times.astype("datetime64[M]")
    year_start = times.astype("datetime64[Y]").astype("datetime64[D]")
    midnight = days.astype("datetime64[s]")
    parts: dict[str, Callable[[], NDArray[Any]]] = {
        "month_of_year": lambda: months.astype(np.int64) % 12 + 1,
        "quarter_of_year": lambda: months.astype(np.int64) % 12 // 3 + 1,
        "day_of_week": lambda: (days.astype(np.int64) + 3) % 7,
        "day_of_month": lambda: (days - months.astype("datetime64[D]")).astype(np.int64) + 1,
        "week_of_year": lambda: (days - year_start).astype(np.int64) // 7 + 1,
        "hour_of_day": lambda: (times - midnight).astype(np.int64) // 3600,
        "minute_of_hour": lambda: (times - midnight).astype(np.int64) // 60 % 60,
    }
    return np.asarray(parts[name](), np.float64)


def _covariates(spec: FeatureSpec, origins: Ints, steps: Ints, covariates: Mapping[str, Floats]) -> Floats:
    target = (origins[:, None] + steps[None, :]).ravel()
    columns = np.zeros((len(target), len(spec.covariates)))
    for i, name in enumerate(spec.covariates):
        column = covariates[name]
        if name in spec.indicators:
            columns[:, i] = column[target]
            continue
        padded = np.concatenate([np.full(spec.window - 1, np.nan), column])
        mean = np.repeat(
            _mean(np.lib.stride_tricks.sliding_window_view(padded, spec.window)[origins]), len(steps)
        )
        columns[:, i] = (column[target] - mean) / np.where(mean == 0, 1.0, np.abs(mean))
    return columns
