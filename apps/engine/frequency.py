"""Time grids: parse and infer frequencies, make ranges, and know the length of a season.

Times are numpy `datetime64[s]` for calendar frequencies and `int64` for integer time. Only numpy is imported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.engine import errors

Times = NDArray[Any]

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
SECONDS = {"s": 1, "min": 60, "h": 3600, "D": 86_400, "W": 604_800}
MONTH_COUNT = {"M": 1, "Q": 3, "Y": 12}
SPELLINGS = {
    "S": "s", "T": "min", "MIN": "min", "H": "h", "BH": "h", "M": "ME", "Q": "QE", "A": "YE", "Y": "YE",
    "AS": "YS", "BM": "ME", "BMS": "MS", "BQ": "QE", "BQS": "QS", "BA": "YE", "BY": "YE", "BAS": "YS",
    "BYS": "YS", "d": "D", "w": "W", "b": "B",
}  # fmt: skip
KNOWN = "15min, h, D, B, W-SUN, MS, ME, QS, QE, YS, YE"
PATTERN = re.compile(r"^(\d+)?([A-Za-z]+)(?:-([A-Za-z]{3}))?$")
MAX_SEASON = 1440
MAX_LONGER_SEASON = 2016  # a week of five minutes


@dataclass(frozen=True, slots=True)
class Frequency:
    """A regular grid of times.

    `unit` is one of s, min, h, D, B, W, M, Q, Y or "int"; `multiple` counts units a step; `anchor` is the
    weekday of W (0 = Monday) or the first month of the year's or quarter's cycle (1 = January); `end` puts M,
    Q, Y on the last day of the period. `season_length` is the number of steps in the main season (1 = none),
    `longer_seasons` those of the seasons above it (a week of hours), ascending.
    """

    alias: str
    unit: str
    multiple: int
    season_length: int
    anchor: int = 0
    end: bool = False
    longer_seasons: tuple[int, ...] = ()

    @classmethod
    def parse(
        cls, value: str | int | Frequency, *, season_length: int | Sequence[int] | None = None
    ) -> Frequency:
        """Read a pandas-style alias ("D", "15min", "W-SUN", "MS", "QE-MAR") or an integer step.

        `season_length` replaces the seasons that the alias implies: one length or several, ascending.
        Raises UnknownFrequency for anything else and InvalidSpec for season lengths below 1 or not ascending.
        """
        found = value if isinstance(value, Frequency) else _parse(value)
        if season_length is None:
            return found
        main, *longer = _season_lengths(season_length)
        return replace(found, season_length=main, longer_seasons=tuple(longer))

    @property
    def seasons(self) -> tuple[int, ...]:
        """All season lengths, the main one first."""
        return (self.season_length, *self.longer_seasons)

    @property
    def is_integer(self) -> bool:
        """True when times are plain integers."""
        return self.unit == "int"

    def range(self, start: Any, periods: int) -> Times:
        """The `periods` grid times from `start` on, `start` included; shape [periods]."""
        return self.shift(start, np.arange(periods, dtype=np.int64))

    def future(self, last: Any, periods: int) -> Times:
        """The `periods` grid times after `last`; shape [periods]."""
        return self.shift(last, np.arange(1, periods + 1, dtype=np.int64))

    def shift(self, start: Any, steps: NDArray[np.int64]) -> Times:
        """`start` (a time on the grid) moved by each of `steps`."""
        if self.unit == "int":
            return np.int64(start) + steps * self.multiple
        origin = np.datetime64(start, "s")
        moved: Times
        if self.unit in SECONDS:
            moved = origin + (steps * (self.multiple * SECONDS[self.unit])).astype("timedelta64[s]")
            return moved
        if self.unit == "B":
            days = np.busday_offset(origin.astype("datetime64[D]"), steps * self.multiple, roll="backward")
            return _at_time_of_day(days, origin)
        return self._shift_months(origin, steps * (self.multiple * MONTH_COUNT[self.unit]))

    def _shift_months(self, origin: np.datetime64, months: NDArray[np.int64]) -> Times:
        month = origin.astype("datetime64[M]")
        moved = month + months.astype("timedelta64[M]")
        if self.end:
            days = (moved + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
            return _at_time_of_day(days, origin)
        starts: Times = moved.astype("datetime64[s]") + (origin - month.astype("datetime64[s]"))
        return starts

    def index(self, ds: Times) -> NDArray[np.int64]:
        """Position of each time on the grid that starts at `ds[0]`; -1 where a time lies off the grid."""
        ds = as_times(ds)
        if not len(ds):
            return np.zeros(0, np.int64)
        guess = self._guess(ds)
        return np.where(self.shift(ds[0], guess) == ds, guess, -1)

    def _guess(self, ds: Times) -> NDArray[np.int64]:
        if self.unit == "int":
            return np.asarray((ds - ds[0]) // self.multiple, np.int64)
        if self.unit in SECONDS:
            return np.asarray((ds - ds[0]).astype(np.int64) // (self.multiple * SECONDS[self.unit]), np.int64)
        if self.unit == "B":
            days = ds.astype("datetime64[D]")
            return np.asarray(np.busday_count(days[0], days) // self.multiple, np.int64)
        months = ds.astype("datetime64[M]").astype(np.int64)
        return np.asarray((months - months[0]) // (self.multiple * MONTH_COUNT[self.unit]), np.int64)

    def as_json(self) -> dict[str, Any]:
        """Fields for a bundle's meta page."""
        return {
            **{name: getattr(self, name) for name in self.__slots__},
            "longer_seasons": list(self.longer_seasons),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Frequency:
        """Read back what `as_json` gave, also by an earlier version."""
        return cls(**{**data, "longer_seasons": tuple(data.get("longer_seasons", ()))})


def as_times(ds: Any) -> Times:
    """`ds` as int64 (integer time) or datetime64[s]; shape kept."""
    array = np.asarray(ds)
    if array.dtype.kind in "iu":
        return array.astype(np.int64, copy=False)
    return array.astype("datetime64[s]", copy=False)


def infer(ds: Any) -> Frequency:
    """The frequency of one series' ascending times, gaps allowed.

    Takes the commonest step; raises FrequencyNotInferred with fewer than three times or when most steps
    disagree.
    """
    times = as_times(ds)
    if len(times) < 3:
        raise errors.FrequencyNotInferred(reason=f"three times are needed, {len(times)} were given")
    steps = np.diff(times).astype(np.int64)
    if (steps <= 0).any():
        raise errors.FrequencyNotInferred(reason="the times do not ascend")
    if times.dtype.kind == "i":
        return Frequency.parse(_commonest(steps))
    for candidate in _candidates(times, steps):
        if _fits(candidate, times):
            return candidate
    raise errors.FrequencyNotInferred(reason="the steps between the times follow no known pattern")


def _parse(value: str | int) -> Frequency:
    if isinstance(value, int | np.integer) and not isinstance(value, bool) and value > 0:
        return Frequency(str(int(value)), "int", int(value), 1)
    text = value.strip() if isinstance(value, str) else ""
    if text.isdigit() and int(text) > 0:
        return _parse(int(text))
    match = PATTERN.match(text)
    if match is None:
        raise errors.UnknownFrequency(value=value, known=KNOWN)
    multiple, word, anchor = int(match[1] or 1), match[2], (match[3] or "").upper()
    base = SPELLINGS.get(word, word)
    if multiple < 1:
        raise errors.UnknownFrequency(value=value, known=KNOWN)
    return _build(text, base, multiple, anchor)


def _build(value: str, base: str, multiple: int, anchor: str) -> Frequency:
    prefix = str(multiple) if multiple > 1 else ""
    if base in ("s", "min", "h", "D", "B") and not anchor:
        season, longer = _season(base, multiple), _longer(base, multiple)
        return Frequency(prefix + base, base, multiple, season, longer_seasons=longer)
    if base == "W" and (anchor or "SUN") in WEEKDAYS:
        day = anchor or "SUN"
        return Frequency(f"{prefix}W-{day}", "W", multiple, _season("W", multiple), WEEKDAYS.index(day))
    if base in ("MS", "ME") and not anchor:
        return Frequency(prefix + base, "M", multiple, _season("M", multiple), end=base == "ME")
    if base in ("QS", "QE", "YS", "YE") and (not anchor or anchor in MONTHS):
        return _build_cycle(base, multiple, anchor, prefix)
    raise errors.UnknownFrequency(value=value, known=KNOWN)


def _build_cycle(base: str, multiple: int, anchor: str, prefix: str) -> Frequency:
    default = "DEC" if base[1] == "E" else "JAN"
    month = MONTHS.index(anchor or default) + 1
    alias = prefix + base + (f"-{anchor}" if anchor and anchor != default else "")
    return Frequency(alias, base[0], multiple, _season(base[0], multiple), month, base[1] == "E")


def _season(unit: str, multiple: int) -> int:
    """Steps in the main season: a day for minutes and hours, a week for days, a year above; 1 when it does
    not divide.
    """
    cycle = {"s": 3600, "min": 1440, "h": 24, "D": 7, "B": 5, "W": 52, "M": 12, "Q": 4, "Y": 1}[unit]
    length = cycle // multiple if cycle % multiple == 0 else 1
    if length > MAX_SEASON:
        length = 60 // multiple if 60 % multiple == 0 else 1
    return max(length, 1)


def _longer(unit: str, multiple: int) -> tuple[int, ...]:
    """A week above the day for hours and minutes, as far as it divides and is short enough to be estimated."""
    week = {"min": 10_080, "h": 168}.get(unit)
    if week is None or week % multiple:
        return ()
    return (
        (week // multiple,) if _season(unit, multiple) > 1 and week // multiple <= MAX_LONGER_SEASON else ()
    )


def _season_lengths(given: int | Sequence[int]) -> list[int]:
    lengths = [given] if isinstance(given, int) else list(given)
    whole = all(isinstance(each, int) and not isinstance(each, bool) and each >= 1 for each in lengths)
    if not lengths or not whole or lengths != sorted(set(lengths)):
        reason = "it must be 1 or more; several lengths ascend"
        raise errors.InvalidSpec(field="season_length", value=given, reason=reason)
    return lengths


def _candidates(times: Times, steps: NDArray[np.int64]) -> list[Frequency]:
    step = _commonest(steps)
    days = step / 86_400
    if days >= 360:
        return _cycles(times, "Y", max(round(days / 365.25), 1))
    if days >= 88:
        return _cycles(times, "Q", max(round(days / 91.3), 1))
    if days >= 28 and step % SECONDS["W"]:
        return _months(times, max(round(days / 30.4), 1))
    if step == SECONDS["D"] and _weekdays_only(times):
        return [Frequency.parse("B")]
    found = _even(times, step)
    return [*_months(times, 1), found] if step == 28 * SECONDS["D"] else [found]


def _even(times: Times, step: int) -> Frequency:
    for unit in ("W", "D", "h", "min", "s"):
        if step % SECONDS[unit] == 0:
            multiple = step // SECONDS[unit]
            name = f"W-{WEEKDAYS[_weekday(times[0])]}" if unit == "W" else unit
            return Frequency.parse(f"{multiple}{name}" if multiple > 1 else name)
    raise errors.FrequencyNotInferred(reason="the commonest step is shorter than a second")


def _months(times: Times, multiple: int) -> list[Frequency]:
    prefix = str(multiple) if multiple > 1 else ""
    return [Frequency.parse(f"{prefix}{name}") for name in (("ME", "MS") if _month_ends(times) else ("MS",))]


def _cycles(times: Times, unit: str, multiple: int) -> list[Frequency]:
    kind = "E" if _month_ends(times) else "S"
    month = MONTHS[int(times[0].astype("datetime64[M]").astype(np.int64)) % 12]
    prefix = str(multiple) if multiple > 1 else ""
    default = "DEC" if kind == "E" else "JAN"
    regular = {"JAN", "APR", "JUL", "OCT"} if kind == "S" else {"MAR", "JUN", "SEP", "DEC"}
    plain = month == default or (unit == "Q" and month in regular)
    return [Frequency.parse(f"{prefix}{unit}{kind}" + ("" if plain else f"-{month}"))]


def _fits(frequency: Frequency, times: Times) -> bool:
    return bool((frequency.index(times) >= 0).all())


def _commonest(steps: NDArray[np.int64]) -> int:
    values, counts = np.unique(steps, return_counts=True)
    return int(values[np.argmax(counts)])


def _month_ends(times: Times) -> bool:
    days = times.astype("datetime64[D]")
    return bool(
        ((days + np.timedelta64(1, "D")).astype("datetime64[M]") != days.astype("datetime64[M]")).all()
    )


def _weekdays_only(times: Times) -> bool:
    return len(times) >= 8 and bool(np.is_busday(times.astype("datetime64[D]")).all())


def _weekday(time: np.datetime64) -> int:
    return int((time.astype("datetime64[D]").astype(np.int64) + 3) % 7)


def _at_time_of_day(days: NDArray[Any], origin: np.datetime64) -> Times:
    time_of_day = origin - origin.astype("datetime64[D]").astype("datetime64[s]")
    times: Times = days.astype("datetime64[s]") + time_of_day
    return times
