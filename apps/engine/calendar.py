"""Public holidays and the caller's events as covariates that are known ahead.

Up to a day long, a step is 1 where its day is a holiday or event; an event that is stated with a time of day marks the step
that holds it. Longer steps count how many days of theirs are holidays, or how many times an event happens. A step's name is
its first day, but for periods that are named by their end (ME, QE) and for weeks named by any day but Monday, as pandas
has it.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apps.engine import errors
from apps.engine.contracts import Event, Spec
from apps.engine.frequency import SECONDS, Frequency, Times
from apps.engine.panel import Floats, Panel

ANY: Final = "holiday"
COUNT: Final = "holidays"
DAY: Final = SECONDS["D"]
MAX_EVENTS = 40
MAX_TIMES = 10_000
MAX_NAMED = 20  # holidays with a column of their own
FEWEST = 2  # times in the history for a column of its own
Days = NDArray[np.datetime64]


@dataclass(frozen=True)
class Calendar:
    """A panel with the columns of holidays and events, their `names`, what is said of them, and `described`: JSON from which
    `again` makes the same columns."""

    panel: Panel
    names: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    described: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Steps:
    """Distinct times of a panel and its horizon, ascending; the first and last day of each step; how many of them, from the
    front, are `past`."""

    frequency: Frequency
    times: Times
    first: Days
    last: Days
    past: int

    def count(self, days: Days) -> Floats:
        """How many of `days` (ascending) lie in each step."""
        found = np.searchsorted(days, self.last, "right") - np.searchsorted(days, self.first, "left")
        return found.astype(np.float64)


def add(panel: Panel, spec: Spec) -> Calendar:
    """The panel with a column for each of the spec's events and for its country's holidays, known for the spec's horizon.

    Raises InvalidSpec for a country or subdivision without holidays, and for events that cannot be used.
    """
    events = _checked(spec.events, {*panel.known_future, *panel.past})
    if spec.country is None and not events:
        return Calendar(panel)
    steps = _steps(panel, spec.horizon)
    columns = {event.name: _event(event, steps, strict=True) for event in events}
    notes = [
        f"Event '{name}' never happened in the history, so nothing can be learned of it."
        for name, column in columns.items()
        if not column[: steps.past].any()
    ]
    named = _named(panel, spec, steps, set(columns), notes)
    columns |= _holidays(spec.country, named, steps)
    described = {"country": spec.country, "columns": named, "events": [_plain(event) for event in events]}
    return Calendar(_with(panel, columns, steps, spec.horizon), tuple(columns), notes, described)


def check_events(events: Sequence[Event], taken: Collection[str], *, is_integer: bool) -> None:
    """Raise InvalidSpec where the events could be used with no panel that has the columns `taken`."""
    for event in _checked(events, taken):
        for time in event.times:
            if is_integer:
                _whole(event.name, time)
            else:
                _moment(event.name, time)


def check_country(country: str) -> None:
    """Raise InvalidSpec for a country, or a subdivision of it, whose holidays nobody knows."""
    import holidays

    code, _, part = country.partition("-")
    known = holidays.list_supported_countries()
    if code.upper() not in known or (part and part not in known[code.upper()]):
        raise errors.InvalidSpec(field="country", value=country, reason=_unknown(code.upper(), part))


def again(panel: Panel, described: Mapping[str, Any], horizon: int) -> Panel:
    """The panel with the columns that `add` described, also for times that came later."""
    steps = _steps(panel, horizon)
    events = [Event(each["name"], tuple(each["times"])) for each in described["events"]]
    columns = {event.name: _event(event, steps, strict=False) for event in events}
    columns |= _holidays(described["country"], described["columns"], steps)
    return _with(panel, columns, steps, horizon)


def _steps(panel: Panel, horizon: int) -> _Steps:
    ends = np.unique(panel.ds[panel.indptr[1:] - 1])
    ahead = [panel.frequency.future(end, horizon) for end in ends]
    times = np.unique(np.concatenate([panel.ds, *ahead]))
    past = int(np.searchsorted(times, panel.ds.max(), "right"))
    if panel.frequency.is_integer:
        none = np.zeros(0, "datetime64[D]")
        return _Steps(panel.frequency, times, none, none, past)
    return _Steps(panel.frequency, times, *_days(panel.frequency, times), past)


def _days(frequency: Frequency, times: Times) -> tuple[Days, Days]:
    """The first and the last day of each step."""
    days = times.astype("datetime64[D]")
    if not _is_longer(frequency):
        return days, days
    by_end = frequency.end or (frequency.unit == "W" and frequency.anchor != 0)
    step = np.asarray([-1 if by_end else 1])
    beside = np.asarray([frequency.shift(time, step)[0] for time in times]).astype("datetime64[D]")
    return (beside + 1, days) if by_end else (days, beside - 1)


def _is_longer(frequency: Frequency) -> bool:
    """Whether a step is longer than a day."""
    if frequency.unit in SECONDS:
        return frequency.multiple * SECONDS[frequency.unit] > DAY
    return frequency.unit != "B" or frequency.multiple > 1


def _with(panel: Panel, columns: Mapping[str, Floats], steps: _Steps, horizon: int) -> Panel:
    places = np.searchsorted(steps.times, panel.ds)
    ends, codes = np.unique(panel.ds[panel.indptr[1:] - 1], return_inverse=True)
    ahead = np.stack([np.searchsorted(steps.times, panel.frequency.future(end, horizon)) for end in ends])
    return replace(
        panel,
        known_future={**panel.known_future, **{name: column[places] for name, column in columns.items()}},
        future={**panel.future, **{name: column[ahead][codes] for name, column in columns.items()}},
    )


def _named(
    panel: Panel, spec: Spec, steps: _Steps, taken: set[str], notes: list[str]
) -> dict[str, str | None]:
    """Columns of holidays by name, and which holiday each is (None: any of them)."""
    if spec.country is None:
        return {}
    days = _public(spec.country, steps)
    if steps.frequency.is_integer or steps.frequency.unit == "Y":
        kind = "integer time" if steps.frequency.is_integer else "yearly data"
        notes.append(f"The holidays of {spec.country} have no effect on {kind}.")
        return {}
    seen = {name: steps.count(found)[: steps.past].sum() for name, found in days.items()}
    if not any(seen.values()):
        notes.append(
            f"No holiday of {spec.country} falls into the history, so nothing can be learned of them."
        )
        return {}
    own = [] if _is_longer(steps.frequency) else [name for name in seen if seen[name] >= FEWEST]
    kept = sorted(own, key=lambda name: -seen[name])[:MAX_NAMED]
    notes.append(f"The holidays of {spec.country} are covariates{_by_name(len(kept), steps.frequency)}.")
    taken = taken | set(panel.known_future) | set(panel.past)
    whole = COUNT if _is_longer(steps.frequency) else ANY
    return {_free(whole, taken): None, **{_free(name, taken | {whole}): name for name in sorted(kept)}}


def _by_name(count: int, frequency: Frequency) -> str:
    if _is_longer(frequency):
        return ": how many fall into each step"
    return f": any of them, and {count} by name" if count else ": any of them"


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name = f"{name} (holiday)"
    return name


def _holidays(country: str | None, named: Mapping[str, str | None], steps: _Steps) -> dict[str, Floats]:
    if country is None or not named:
        return {}
    days = _public(country, steps)
    every = np.unique(np.concatenate(list(days.values()))) if days else np.zeros(0, "datetime64[D]")
    none = np.zeros(0, "datetime64[D]")
    return {
        column: steps.count(every if name is None else days.get(name, none)) for column, name in named.items()
    }


def _public(country: str, steps: _Steps) -> dict[str, Days]:
    """The days of each holiday in the years of the steps, ascending; raises InvalidSpec for an unknown country."""
    import holidays

    code, _, part = country.partition("-") if isinstance(country, str) else ("", "", "")
    try:
        found = holidays.country_holidays(code.upper(), subdiv=part or None, years=_years(steps))
    except NotImplementedError as error:
        raise errors.InvalidSpec(
            field="country", value=country, reason=_unknown(code.upper(), part)
        ) from error
    days: dict[str, list[datetime.date]] = {}
    for day in sorted(found):
        for name in found.get_list(day):
            days.setdefault(name.removesuffix(" (observed)"), []).append(day)
    return {name: np.asarray(each, "datetime64[D]") for name, each in days.items()}


def _years(steps: _Steps) -> range:
    """The years of the steps and one more at either end; any year where times are no dates."""
    if steps.frequency.is_integer:
        return range(2000, 2001)
    first, last = (1970 + steps.times[[0, -1]].astype("datetime64[Y]").astype(np.int64)).tolist()
    return range(first - 1, last + 2)


def _unknown(code: str, part: str) -> str:
    """Why there are no holidays, and what to write instead."""
    import holidays

    known = holidays.list_supported_countries()
    if code not in known:
        return "no public holidays are known for it; write an ISO 3166 code such as 'DE' or 'DE-BY'"
    parts = ", ".join(known[code]) or "none"
    return f"'{code}' has no subdivision '{part}'; known are: {parts}"


def _checked(events: Sequence[Any], taken: Collection[str]) -> Sequence[Event]:
    if len(events) > MAX_EVENTS:
        _refuse(len(events), f"there may be {MAX_EVENTS} at most; put those that work alike under one name")
    names: set[str] = set()
    for event in events:
        if not isinstance(event, Event):
            _refuse(event, "each must be an Event with a name and times")
        if not isinstance(event.name, str) or not event.name.strip() or not event.name.isprintable():
            _refuse(event.name, "an event needs a name of printable characters")
        if len(event.name) > 100 or ".." in event.name.split("/"):
            _refuse(event.name, "a name has at most 100 characters and no '..' between slashes")
        if event.name in names:
            _refuse(event.name, "two events have this name; put their times together")
        if event.name in taken:
            _refuse(event.name, "a covariate has this name; call the event something else")
        if isinstance(event.times, str | bytes):
            _refuse(event.name, "its times must be a list")
        if not 1 <= len(event.times) <= MAX_TIMES:
            _refuse(event.name, f"it has {len(event.times)} times; 1 to {MAX_TIMES} are needed")
        names.add(event.name)
    return events


def _refuse(value: Any, reason: str) -> None:
    raise errors.InvalidSpec(field="events", value=value, reason=reason)


def _event(event: Event, steps: _Steps, *, strict: bool) -> Floats:
    """The event's column; `strict` refuses an event that happens in no step."""
    if steps.frequency.is_integer:
        marks = np.asarray([_whole(event.name, time) for time in event.times], np.int64)
        column = _inside(steps, np.unique(marks), steps.frequency.multiple)
    else:
        moments = sorted({_moment(event.name, time) for time in event.times})
        column = _happening(moments, steps)
    if strict and not column.any():
        reason = f"none of its times lies in a step from {steps.times[0]} to {steps.times[-1]}"
        _refuse(event.name, f"{reason}, the end of the horizon; correct them or leave the event out")
    return column


def _happening(moments: Sequence[tuple[datetime.datetime, bool]], steps: _Steps) -> Floats:
    """How often the moments happen in each step; those without a time of day on all of their day."""
    days = np.asarray([moment for moment, _ in moments], "datetime64[D]")
    if _is_longer(steps.frequency):
        return steps.count(days)
    if steps.frequency.unit in ("D", "B"):
        return steps.count(np.unique(days))
    timed = np.asarray([has_time for _, has_time in moments], bool)
    exact = np.asarray([moment for moment, _ in moments], "datetime64[s]")[timed]
    length = steps.frequency.multiple * SECONDS[steps.frequency.unit]
    return np.maximum(
        steps.count(np.unique(days[~timed])), _inside(steps, exact, np.timedelta64(length, "s"))
    )


def _inside(steps: _Steps, marks: NDArray[Any], length: Any) -> Floats:
    """1 for the steps that hold one of `marks`."""
    place = np.searchsorted(steps.times, marks, "right") - 1
    held = (place >= 0) & (marks < steps.times[np.maximum(place, 0)] + length)
    column = np.zeros(len(steps.times))
    column[place[held]] = 1.0
    return column


def _whole(name: str, time: Any) -> int:
    if isinstance(time, bool) or not isinstance(time, int) or abs(time) > 2**62:
        _refuse(name, f"its time {time!r} is not a whole number, as the times of the series are")
    return int(time)


def _moment(name: str, time: Any) -> tuple[datetime.datetime, bool]:
    """The moment, and whether it was stated with a time of day."""
    try:
        moment = datetime.datetime.fromisoformat(time)
    except (TypeError, ValueError):
        _refuse(name, f"its time {time!r} cannot be read; write it like 2024-05-01 or 2024-05-01T18:00")
    if moment.tzinfo is not None:
        _refuse(name, f"its time {time!r} has a time zone; write it as the times of the series are")
    return moment, len(time) > len("2024-05-01")


def _plain(event: Event) -> dict[str, Any]:
    return {"name": event.name, "times": list(event.times)}
