"""Features of the global models: what is known at an origin about the value `step` steps ahead.

Every feature is free of the series' units. Values are seasonally adjusted by what the last seasons before the origin
show, and enter as (y - anchor) / scale, where `anchor` is the latest adjusted value and `scale` the mean absolute change
from one to the next. The model's target is (y[origin + step] - season - anchor) / scale, so a forecast is
anchor + season + scale * prediction. Models of early bundles take values as they are, the mean of the last season as
anchor, and the mean absolute deviation as scale. Only numpy is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.engine.frequency import Frequency

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


SEASONS_AVERAGED, POINTS_AVERAGED = (
    (3, 8),
    120,
)  # fewest and most seasons, and points where these leave a choice
SMOOTHINGS = (0.2, 0.5)
PAST_LAGS = 3
CHANGES = ("change", "latest")  # columns of a covariate beside x_
SEASONAL_CHANGES = ("given", "since_season", "usual")  # and where the season is short
LONGEST_SHORT_SEASON = 31


@dataclass(frozen=True)
class FeatureSpec:
    """Which features a model was trained with; stored in its bundle.

    `lags` counts the last values used one by one; `covariates` are names in column order, `indicators` those
    among them whose values are only 0 and 1 (they enter as they are, the others relative to their recent
    mean). `past` names covariates that nobody knows ahead, `static` maps attributes to their known values in order.
    `seasons` is how many of the last seasons tell the seasonal pattern, `widths` over how many points means and slopes
    are taken; both are empty for models of early bundles.
    """

    season: int
    lags: int
    window: int
    unit: str
    calendar: tuple[str, ...]
    covariates: tuple[str, ...]
    indicators: tuple[str, ...]
    seasons: int = 0
    widths: tuple[int, ...] = ()
    past: tuple[str, ...] = ()
    static: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def plan(
        cls,
        frequency: Frequency,
        covariates: Mapping[str, Floats],
        past: Mapping[str, Floats] | None = None,
        static: Mapping[str, Sequence[Any]] | None = None,
    ) -> FeatureSpec:
        """The features for a panel of this frequency with these covariates and attributes."""
        season = frequency.season_length
        indicators = tuple(n for n in sorted(covariates) if np.isin(covariates[n], (0.0, 1.0)).all())
        calendar = CALENDAR.get(frequency.unit, ())
        if frequency.is_integer and season > 1:
            calendar = ("position_in_season",)
        averaged = int(np.clip(POINTS_AVERAGED // season, *SEASONS_AVERAGED)) if season > 1 else 0
        widths = (4, 8, 16, season + 1, 2 * season + 1) if season > 1 else (3, 5, 8, 16)
        return cls(
            season, min(max(season, 8), 24), min(max(2 * season, 10), 200), frequency.unit, calendar,
            tuple(sorted(covariates)), indicators, averaged, tuple(sorted(set(widths))), tuple(sorted(past or {})),
            {name: tuple(sorted({str(v) for v in values})) for name, values in sorted((static or {}).items())},
        )  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FeatureSpec:
        """Read back what `as_json` gave."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        fields["static"] = {name: tuple(values) for name, values in data.get("static", {}).items()}
        return cls(**fields)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        plain: dict[str, Any] = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {**plain, "static": {name: list(values) for name, values in self.static.items()}}

    @property
    def lookback(self) -> int:
        """Points before and at the origin that the features reach."""
        seasonal = SEASONS_BACK * self.season + 2 if self.season > 1 else 0
        averaged = (self.seasons + 1) * self.season + 2 if self.seasons else 0
        widest = max(self.widths, default=0)
        return max(self.lags, self.window + 1, 2 * self.level_window, seasonal, averaged, widest)

    @property
    def level_window(self) -> int:
        """Points of a level: one season, or the last value where there is none."""
        return min(self.season, 200)

    @property
    def is_adjusted(self) -> bool:
        """Whether anchor and scale are those of the latest, seasonally adjusted values."""
        return bool(self.widths)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Column names, in order."""
        seasonal = tuple(f"season_{c}" for c in range(1, SEASONS_BACK + 1)) if self.season > 1 else ()
        lags = tuple(f"lag_{j}" for j in range(int(self.is_adjusted), self.lags))
        covariates = tuple(f"x_{name}" for name in self.covariates)
        levels = ("mean_long", "mean_short", "trend", "spread")
        return ("step", *lags, *seasonal, *levels, *self.calendar, *covariates, *self._later_names)

    @property
    def _later_names(self) -> tuple[str, ...]:
        """Of the columns that early models do not have."""
        if not self.is_adjusted:
            return ()
        by_width = tuple(f"{kind}_{w}" for kind in ("mean", "slope", "lead") for w in self.widths)
        smoothed = tuple(f"mean_fading_{i}" for i in range(len(SMOOTHINGS)))
        seasonal = ("seasonal_term", "seasonal_strength") if self.seasons else ()
        changes = tuple(f"{kind}_{name}" for name in self.covariates for kind in self.changes)
        past = tuple(f"past_{lag}_{name}" for name in self.past for lag in range(PAST_LAGS))
        static = tuple(f"static_{name}" for name in self.static)
        return (*by_width, *smoothed, "persistence", "length", "height", *seasonal, *changes, *past, *static)

    @property
    def changes(self) -> tuple[str, ...]:
        """The kinds of columns that a covariate has beside its value at the target.

        Where the season is long the history holds too few of them for a comparison with the last to help.
        """
        return CHANGES + (SEASONAL_CHANGES if 1 < self.season <= LONGEST_SHORT_SEASON else ())

    @cached_property
    def owners(self) -> dict[str, str]:
        """The covariate or attribute behind each column that comes of one."""
        found = {f"{kind}_{name}": name for name in self.covariates for kind in ("x", *self.changes)}
        found |= {f"past_{lag}_{name}": name for name in self.past for lag in range(PAST_LAGS)}
        return found | {f"static_{name}": name for name in self.static}

    def codes(self, static: Mapping[str, Any]) -> Floats:
        """The attributes of one series as places among their known values, -1 for a value that is none; f8[A]."""
        known = [(values, str(static.get(name))) for name, values in self.static.items()]
        return np.asarray([v.index(value) if value in v else -1 for v, value in known], np.float64)

    def label(self, name: str) -> str:
        """How a person calls the column: 'value 12 months ago', 'month of year', 'price'."""
        step = STEP_NAMES.get(self.unit, "step")
        if name in self.owners:
            return self.owners[name].replace("_", " ")
        kind, _, number = name.rpartition("_")
        if kind == "lag":
            return _recent(int(number), step)
        if kind == "season":
            return f"value {self.season * int(number)} {step}s before"
        if kind in WIDE_LABELS:
            return f"{WIDE_LABELS[kind]} {number} {step}s"
        return LABELS.get(name, name.replace("_", " "))


LABELS = {
    "step": "how far ahead",
    "mean_long": "recent level",
    "mean_short": "level of the last values",
    "trend": "recent trend",
    "spread": "recent variability",
    "seasonal_term": "usual season",
    "seasonal_strength": "strength of the season",
    "mean_fading_0": "slowly fading mean",
    "mean_fading_1": "fast fading mean",
    "persistence": "persistence of changes",
    "length": "length of the history",
    "height": "level beside what is usual",
}
WIDE_LABELS = {"mean": "mean of the last", "slope": "trend of the last", "lead": "course of the last"}


def _recent(lag: int, step: str) -> str:
    if lag == 0:
        return "latest value"
    return f"value {lag} {step}{'s' if lag > 1 else ''} before the latest"
