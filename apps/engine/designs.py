"""The features of a series as rows of numbers, for training and for serving alike. Only numpy is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.engine.features import PAST_LAGS, SEASONS_BACK, SMOOTHINGS, FeatureSpec, Floats, Ints
from apps.engine.frequency import Frequency, Times

SMALL = 1e-300
FEW = 4  # points that tell where a covariate was lately
MOST_SPREAD = 5.0  # changes beyond this many scales count as this


@dataclass(frozen=True)
class Source:
    """One series as the features see it: values f8[N], the time of the first, its index in the full series.

    `known` maps each covariate of the spec to f8[N + K], reaching over all targets; `past` to f8[N]; `codes` f8[A] are
    the attributes as `FeatureSpec.codes` gives them.
    """

    y: Floats
    frequency: Frequency
    start: Any
    offset: int = 0
    known: Mapping[str, Floats] = field(default_factory=dict)
    past: Mapping[str, Floats] = field(default_factory=dict)
    codes: Floats = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class Design:
    """Rows for O origins x K steps, origin-major: `x` f8[O*K, F]; `anchor`, `scale` f8[O] and `season` f8[O, K] in units
    of the data. `floor` f8[O] is the lowest value before each origin, or 0 where that is above it, and `size` f8[O] how
    far above it the values lie in the mean, never 0.
    """

    x: Floats
    anchor: Floats
    scale: Floats
    season: Floats
    floor: Floats
    size: Floats

    def target(self, y: Floats) -> Floats:
        """What the model is to say of the values f8[O, K] at the targets."""
        return (y - self.season - self.anchor[:, None]) / self.scale[:, None]

    def value(self, raw: Floats) -> Floats:
        """The values f8[O, K] that the model's numbers f8[O*K] mean."""
        said = raw.reshape(self.season.shape)
        return np.asarray(self.anchor[:, None] + self.season + self.scale[:, None] * said)


def design(spec: FeatureSpec, source: Source, origins: Ints, steps: Ints) -> Design:
    """Features of one series at `origins` (indices into its values, i8[O]) for `steps` ahead (i8[O, K]).

    Values before the first count as missing (NaN).
    """
    seen = _look(spec, source.y, origins)
    target = (origins[:, None] + steps).ravel()
    blocks = [
        steps.astype(np.float64).ravel()[:, None],
        _each(_lags(spec, seen), steps),
        _seasonal(spec, seen, steps),
        _each(_levels(spec, seen), steps),
        _calendar(spec, target, source),
        _covariates(spec, origins, steps, source.known),
    ]
    if spec.is_adjusted:
        blocks += [
            _trends(spec, seen, steps),
            _each(_height(seen), steps),
            _season_index(spec, seen, steps),
            _changes(spec, origins, steps, source.known),
            _each(_past(spec, origins, source.past), steps),
            np.tile(source.codes, (len(target), 1)),
        ]
    x, season = np.hstack(blocks), _at_steps(seen.pattern, steps)
    return Design(x, seen.anchor, seen.scale, season, seen.floor, seen.size)


@dataclass(frozen=True)
class _Seen:
    """What each of O origins sees: `window` f8[O, W] the adjusted values up to it, NaN where there are none; `pattern`
    f8[O, m] the seasonal terms from the next step on and `strength` f8[O] how sure they are; the others f8[O] as in `Design`.
    """

    window: Floats
    pattern: Floats
    strength: Floats
    anchor: Floats
    scale: Floats
    floor: Floats
    size: Floats

    @property
    def scaled(self) -> Floats:
        """The window in the units of the features."""
        return (self.window - self.anchor[:, None]) / self.scale[:, None]


def _look(spec: FeatureSpec, y: Floats, origins: Ints) -> _Seen:
    padded = np.concatenate([np.full(spec.lookback, np.nan), y])
    window = _windows(padded, origins + spec.lookback, spec.lookback)
    floor = np.minimum(np.nanmin(window, axis=1), 0.0)
    size = _positive(_mean(window[:, -spec.window :] - floor[:, None]), np.zeros(len(origins)))
    if not spec.is_adjusted:
        anchor = _mean(window[:, -spec.level_window :])
        scale = _deviation(window[:, -spec.window :], anchor)
        return _Seen(window, *_no_season(len(origins)), anchor, scale, floor, size)
    pattern, strength = _pattern(spec, window) if spec.seasons else _no_season(len(origins))
    adjusted = window - pattern[:, np.arange(-spec.lookback, 0) % pattern.shape[1]]
    changes = _mean(np.abs(np.diff(adjusted[:, -spec.window - 1 :], axis=1)))
    scale = _positive(changes, _mean(np.abs(window)))
    return _Seen(adjusted, pattern, strength, adjusted[:, -1], scale, floor, size)


def _no_season(origins: int) -> tuple[Floats, Floats]:
    return np.zeros((origins, 1)), np.zeros(origins)


def _pattern(spec: FeatureSpec, window: Floats) -> tuple[Floats, Floats]:
    """Additive seasonal terms f8[O, m] of the steps after each origin, and how sure they are, 0 to 1, f8[O].

    Each is the mean, over the last seasons, of the values' distance from their centred moving average. All are shrunk by
    the share of their variance that chance would not give, so that a series without a season keeps next to none.
    """
    m, half = spec.season, spec.season // 2
    weights = np.concatenate([[0.5], np.ones(m - 1), [0.5]]) / m if m % 2 == 0 else np.ones(m) / m
    wide = window[:, -(spec.seasons * m + 2 * half) :]
    moving = np.lib.stride_tricks.sliding_window_view(wide, len(weights), axis=1) @ weights
    apart = (wide[:, half : wide.shape[1] - half] - moving).reshape(len(window), spec.seasons, m)
    counts = np.isfinite(apart).sum(axis=1)
    pattern = _ratio(np.nansum(apart, axis=1), counts)
    pattern -= pattern.mean(axis=1, keepdims=True)
    noise = np.nansum((apart - pattern[:, None, :]) ** 2, axis=(1, 2)) / np.maximum(
        (counts - 1).sum(axis=1), 1
    )
    chance = noise / np.maximum(counts.mean(axis=1), 1)
    sure = np.clip(1 - chance / np.maximum((pattern**2).mean(axis=1), SMALL), 0, 1)
    sure = np.where(counts.min(axis=1) >= 2, sure, 0.0)
    return np.roll(np.where(sure[:, None] > 0, pattern * sure[:, None], 0.0), -(half % m), axis=1), sure


def _each(columns: Floats, steps: Ints) -> Floats:
    """One row an origin f8[O, C], repeated for each of its steps."""
    return np.repeat(columns, steps.shape[1], axis=0)


def _at_steps(pattern: Floats, steps: Ints) -> Floats:
    return np.asarray(np.take_along_axis(pattern, (steps - 1) % pattern.shape[1], axis=1), np.float64)


def _windows(padded: Floats, at: Ints, width: int) -> Floats:
    """The `width` values up to each position; f8[O, width]."""
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    return np.asarray(windows[at - width + 1], np.float64)


def _ratio(total: Floats, count: Ints) -> Floats:
    """`total / count`; NaN where nothing was counted."""
    means = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return np.asarray(means, np.float64)


def _mean(block: Floats) -> Floats:
    """Row means of what is present; NaN where nothing is."""
    return _ratio(np.nansum(block, axis=1), np.isfinite(block).sum(axis=1))


def _deviation(recent: Floats, anchor: Floats) -> Floats:
    """Mean absolute deviation of the recent values."""
    return _positive(_mean(np.abs(recent - _mean(recent)[:, None])), np.abs(anchor))


def _positive(scale: Floats, size: Floats) -> Floats:
    """The scale; a tenth of the values' size, then 1, where they do not vary."""
    flat = ~(scale > 1e-9 * size)
    return np.asarray(np.where(flat, np.where(size > 0, 0.1 * size, 1.0), scale), np.float64)


def _lags(spec: FeatureSpec, seen: _Seen) -> Floats:
    return seen.scaled[:, -1 - int(spec.is_adjusted) : -spec.lags - 1 : -1]


def _seasonal(spec: FeatureSpec, seen: _Seen, steps: Ints) -> Floats:
    """The values at the target's place in the last seasons that are known at the origin."""
    if spec.season <= 1:
        return np.zeros((steps.size, 0))
    back = steps - spec.season * -(-steps // spec.season) - 1
    scaled = seen.scaled
    columns = [
        np.take_along_axis(scaled, scaled.shape[1] + back - season * spec.season, axis=1).ravel()
        for season in range(SEASONS_BACK)
    ]
    return np.stack(columns, axis=1)


def _levels(spec: FeatureSpec, seen: _Seen) -> Floats:
    anchor, scale, season = seen.anchor, seen.scale, spec.level_window
    recent = _mean(seen.window[:, -spec.window :])
    earlier = _mean(seen.window[:, -2 * season : -season])
    short = _mean(seen.window[:, -min(3, spec.lags) :])
    spread = np.log1p(scale / np.where(anchor == 0, scale, np.abs(anchor)))
    columns = [(recent - anchor) / scale, (short - anchor) / scale, (anchor - earlier) / scale, spread]
    return np.stack(columns, axis=1)


def _trends(spec: FeatureSpec, seen: _Seen, steps: Ints) -> Floats:
    """Means and slopes over several widths, where these slopes lead, smoothed levels, persistence and length."""
    scaled = seen.scaled
    means = np.stack([_mean(scaled[:, -w:]) for w in spec.widths], axis=1)
    slopes = np.stack([_slope(scaled[:, -w:]) for w in spec.widths], axis=1)
    lead = _each(slopes, steps) * steps.reshape(-1, 1)
    length = np.isfinite(scaled).sum(axis=1)
    rest = np.stack([_persistence(scaled[:, -spec.window - 1 :]), length], axis=1)
    before, behind = np.hstack([means, slopes]), np.hstack([_fading(seen), rest])
    return np.hstack([_each(before, steps), lead, _each(behind, steps)])


def _fading(seen: _Seen) -> Floats:
    """Exponentially weighted means of the scaled window, one for each smoothing; f8[O, C]."""
    there = np.isfinite(seen.window)
    ages = np.arange(seen.window.shape[1])[::-1]
    weights = np.stack([(1 - a) ** ages for a in SMOOTHINGS], axis=1)
    return np.asarray((np.where(there, seen.scaled, 0.0) @ weights) / (there @ weights), np.float64)


def _height(seen: _Seen) -> Floats:
    """How far above the floor the slowly fading mean lies, in sizes."""
    level = seen.anchor + seen.scale * _fading(seen)[:, 0]
    return np.asarray((level - seen.floor) / seen.size, np.float64)[:, None]


def _slope(block: Floats) -> Floats:
    """Least-squares slope of each row of f8[O, w], over what is present; 0 where that is one value."""
    there = np.isfinite(block)
    count = np.maximum(there.sum(axis=1, keepdims=True), 1)
    place = np.arange(block.shape[1]) * there
    place = (place - place.sum(axis=1, keepdims=True) / count) * there
    total = (place * np.where(there, block, 0.0)).sum(axis=1)
    return np.asarray(total / np.maximum((place**2).sum(axis=1), 1.0), np.float64)


def _persistence(block: Floats) -> Floats:
    """Autocorrelation of the changes at lag 1, without centring."""
    changes = np.clip(np.diff(block, axis=1), -MOST_SPREAD, MOST_SPREAD)
    return np.asarray(
        _mean(changes[:, 1:] * changes[:, :-1]) / np.maximum(_mean(changes**2), SMALL), np.float64
    )


def _season_index(spec: FeatureSpec, seen: _Seen, steps: Ints) -> Floats:
    if not spec.seasons:
        return np.zeros((steps.size, 0))
    index = _at_steps(seen.pattern, steps) / seen.scale[:, None]
    return np.stack([index.ravel(), np.repeat(seen.strength, steps.shape[1])], axis=1)


def _calendar(spec: FeatureSpec, target: Ints, source: Source) -> Floats:
    if not spec.calendar:
        return np.zeros((len(target), 0))
    if spec.calendar == ("position_in_season",):
        return ((target + source.offset) % spec.season).astype(np.float64)[:, None]
    distinct, inverse = np.unique(target, return_inverse=True)
    times = source.frequency.shift(source.start, distinct)
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


def _covariates(spec: FeatureSpec, origins: Ints, steps: Ints, known: Mapping[str, Floats]) -> Floats:
    """Each covariate at the target; what is no indicator relative to its recent mean."""
    target = (origins[:, None] + steps).ravel()
    columns = np.zeros((len(target), len(spec.covariates)))
    for i, name in enumerate(spec.covariates):
        values = known[name][target]
        if name not in spec.indicators:
            values = _relative(
                values, _each(_recent(known[name], origins, spec.window)[:, None], steps)[:, 0]
            )
        columns[:, i] = values
    return columns


def _changes(spec: FeatureSpec, origins: Ints, steps: Ints, known: Mapping[str, Floats]) -> Floats:
    """The columns of each covariate that `FeatureSpec.changes` names."""
    columns = []
    for name in spec.covariates:
        found = _compared(spec, known[name], origins, steps, is_indicator=name in spec.indicators)
        columns += [found[kind].ravel() for kind in spec.changes]
    return np.stack(columns, axis=1) if columns else np.zeros((steps.size, 0))


def _compared(
    spec: FeatureSpec, values: Floats, origins: Ints, steps: Ints, *, is_indicator: bool
) -> dict[str, Floats]:
    """A covariate at the target as it is; how far it will have moved since the origin, and since the same place in the last
    season; where it is at the origin, and where it was lately, beside its recent mean; f8[O, K] each.
    """
    target = origins[:, None] + steps
    before = target - spec.season * -(-steps // spec.season)
    mean = np.zeros(len(origins)) if is_indicator else _recent(values, origins, spec.window)
    size = (np.ones(len(origins)) if is_indicator else _size(mean))[:, None]
    then, now = values[target], values[origins][:, None]
    lately = _recent(values, origins, FEW) - mean
    last_season = np.where(before >= 0, values[np.maximum(before, 0)], np.nan)
    return {
        "given": then,
        "change": (then - now) / size,
        "latest": np.broadcast_to((now - mean[:, None]) / size, then.shape),
        "since_season": (then - last_season) / size,
        "usual": np.broadcast_to(lately[:, None] / size, then.shape),
    }


def _past(spec: FeatureSpec, origins: Ints, past: Mapping[str, Floats]) -> Floats:
    """The latest values of each covariate that nobody knows ahead, relative to its recent mean; f8[O, C]."""
    columns = np.zeros((len(origins), len(spec.past) * PAST_LAGS))
    for i, name in enumerate(spec.past):
        last = _windows(
            np.concatenate([np.full(PAST_LAGS, np.nan), past[name]]), origins + PAST_LAGS, PAST_LAGS
        )
        mean = _recent(past[name], origins, spec.window)[:, None]
        columns[:, i * PAST_LAGS : (i + 1) * PAST_LAGS] = _relative(last[:, ::-1], mean)
    return columns


def _recent(column: Floats, origins: Ints, width: int) -> Floats:
    """A covariate's mean over the points before and at each origin; f8[O]."""
    padded = np.concatenate([np.full(width, np.nan), column])
    return _mean(_windows(padded, origins + width, width))


def _relative(values: Floats, mean: Floats) -> Floats:
    return np.asarray((values - mean) / _size(mean), np.float64)


def _size(mean: Floats) -> Floats:
    return np.asarray(np.where(mean == 0, 1.0, np.abs(mean)), np.float64)
