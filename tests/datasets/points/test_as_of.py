"""What a backtest can see at a time equals what had been uploaded by then: random histories against a naive replay."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.datasets.points import changes, manifest, state
from apps.datasets.points.manifest import Entry

START = datetime(2024, 1, 1)  # noqa: DTZ001 - as stored times are: without a zone
COLUMNS = ("y", "price", "weather")
COVARIATES, PAST = ("price", "weather"), ("weather",)
DAYS = 6
Place = tuple[str, int]
Values = dict[str, float | None]


@dataclass(frozen=True)
class Event:
    """Something that happened at ``hour``: rows that give ``columns``, places taken away, or everything replaced."""

    hour: int
    rows: tuple[tuple[Place, Values], ...] = ()
    gone: tuple[Place, ...] = ()
    columns: tuple[str, ...] = COLUMNS
    first: bool = False
    wipes: bool = False


@dataclass
class Held:
    """What the replay knows of a place: each column's value and whether nobody knows since when."""

    values: Values = field(default_factory=lambda: dict.fromkeys(COLUMNS))
    unknown: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(COLUMNS, False))
    whole_unknown: bool = False


def replay(events: list[Event], hour: int | None) -> dict[Place, Values]:
    """The state at ``hour`` (None: at the end), by applying one event after the other."""
    held: dict[Place, Held] = {}
    for event in events:
        if event.hour > (10**9 if hour is None else hour) and not event.first:
            continue
        if event.wipes:
            held = {}
        for place, values in event.rows:
            one = held.setdefault(place, Held())
            one.whole_unknown = event.first
            for name in event.columns:
                one.values[name], one.unknown[name] = values[name], event.first
        for place in event.gone:
            held.pop(place, None)
    if hour is None:
        return {place: one.values for place, one in held.items()}
    return {place: shown for place, one in held.items() if (shown := seen(place, one, hour)) is not None}


def seen(place: Place, one: Held, hour: int) -> Values | None:
    ahead_of_time = place[1] * 24 > hour
    shown = {
        name: None if ahead_of_time and one.unknown[name] and (name == "y" or name in PAST) else value
        for name, value in one.values.items()
    }
    if one.whole_unknown and ahead_of_time and shown["price"] is None:
        return None
    return shown


def at(hour: int) -> datetime:
    return START + timedelta(hours=hour)


def frame(event: Event) -> pl.DataFrame:
    rows = sorted(event.rows)
    return pl.DataFrame(
        {
            "unique_id": [place[0] for place, _ in rows],
            "ds": [at(24 * place[1]) for place, _ in rows],
            **{name: [values[name] for _, values in rows] for name in event.columns},
            "__row": list(range(len(rows))),
        },
        schema={
            "unique_id": pl.String,
            "ds": pl.Datetime("us"),
            **dict.fromkeys(event.columns, pl.Float64),
            "__row": pl.Int64,
        },
    )


def as_dict(table: pl.DataFrame) -> dict[Place, Values]:
    assert table.select(state.KEY).is_unique().all()
    return {
        (row["unique_id"], (row["ds"] - START).days): {name: row[name] for name in COLUMNS}
        for row in table.to_dicts()
    }


class Store:
    """Writes events as parts, as the services do, and remembers what a naive person would."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.numbers = folder, itertools.count()
        self.events: list[Event] = []
        self.entries: list[Entry] = []
        self.versions: list[list[Entry]] = []

    def write(self, table: pl.DataFrame) -> str:
        path = self.folder / f"{next(self.numbers)}.parquet"
        table.write_parquet(path)
        return str(path)

    def add(self, event: Event) -> None:
        known = None if event.first else at(event.hour).replace(tzinfo=UTC)
        if event.gone:
            table = self.tombstones(event)
            self.entries = [*self.entries, Entry(self.write(table), (), known)]
        else:
            path = self.write(frame(event))
            self.entries = [*self.entries, Entry(path, event.columns, known, event.wipes)]
        self.events.append(event)
        self.versions.append(self.entries)

    def tombstones(self, event: Event) -> pl.DataFrame:
        parts = [
            changes.delete(self.entries, series=[name], start=at(24 * day), end=at(24 * day))
            for name, day in event.gone
        ]
        return pl.concat(parts).sort(state.KEY)

    def restore(self, number: int, hour: int) -> None:
        earlier = manifest.standing(self.versions[number])
        moment = at(hour).replace(tzinfo=UTC)
        parts = [
            Entry(each.path, each.columns, max(each.not_before or moment, moment), position == 0)
            for position, each in enumerate(earlier)
        ]
        standing = replay(self.events_of(number), None)
        self.entries = [*self.entries, *parts]
        self.events.append(Event(hour, tuple(standing.items()), wipes=True))
        self.versions.append(self.entries)

    def events_of(self, number: int) -> list[Event]:
        return self.events[: number + 1]

    def compact(self) -> None:
        table = state.history(self.entries, covariates=COVARIATES)
        self.entries = [Entry(self.write(table), COLUMNS)]


value = st.one_of(st.none(), st.integers(0, 5).map(float))
places = st.tuples(st.sampled_from("ab"), st.integers(0, DAYS - 1))
all_values = st.fixed_dictionaries(dict.fromkeys(COLUMNS, value))
row_sets = st.dictionaries(places, all_values, min_size=1, max_size=6).map(lambda rows: tuple(rows.items()))
some_columns = st.sets(st.sampled_from(COLUMNS), min_size=1).map(
    lambda names: tuple(name for name in COLUMNS if name in names)
)
acts = st.one_of(
    st.tuples(st.just("append"), row_sets, some_columns),
    st.tuples(st.just("delete"), st.sets(places, min_size=1, max_size=4).map(tuple)),
    st.tuples(st.just("replace"), row_sets),
    st.tuples(st.just("restore"), st.integers(0, 10)),
    st.tuples(st.just("compact")),
)


def play(store: Store, steps: list[tuple[int, Any]], first: tuple[Any, ...], known: bool) -> int:
    store.add(Event(0, first, first=not known))
    hour = 0
    for pause, act in steps:
        hour += pause
        name, *what = act
        if name == "append":
            store.add(Event(hour, what[0], columns=what[1]))
        elif name == "delete":
            store.add(Event(hour, gone=what[0]))
        elif name == "replace":
            store.add(Event(hour, what[0], wipes=True))
        elif name == "restore":
            store.restore(what[0] % len(store.versions), hour)
        else:
            store.compact()
    return hour


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    first=row_sets,
    known=st.booleans(),
    steps=st.lists(st.tuples(st.integers(1, 60), acts), max_size=6),
    looks=st.lists(st.integers(0, 260), min_size=1, max_size=4),
)
def test_what_can_be_seen_at_a_time_is_what_had_been_uploaded_by_then(
    first: tuple[Any, ...], known: bool, steps: list[tuple[int, Any]], looks: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        play(store, steps, first, known)
        standing = as_dict(state.current(store.entries, covariates=COVARIATES))
        assert standing == replay(store.events, None)
        for hour in looks:
            moment = at(hour).replace(tzinfo=UTC)
            table = state.as_of(store.entries, moment, covariates=COVARIATES, past=PAST)
            assert as_dict(table) == replay(store.events, hour), hour
            narrowed = state.as_of(store.entries, moment, covariates=COVARIATES, past=PAST, series=["a"])
            assert narrowed.equals(table.filter(pl.col("unique_id") == "a"))


def test_a_leak_would_be_found() -> None:
    """The replay is no echo of the program: a part that pretends to be older than it is is seen to differ."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.add(Event(0, ((("a", 0), {"y": 1.0, "price": None, "weather": None}),), first=True))
        store.add(Event(100, ((("a", 0), {"y": 2.0, "price": None, "weather": None}),)))
        last = store.entries[-1]
        store.entries[-1] = Entry(last.path, last.columns, at(1).replace(tzinfo=UTC))
        table = state.as_of(store.entries, at(50).replace(tzinfo=UTC), covariates=COVARIATES, past=PAST)
        assert as_dict(table) != replay(store.events, 50)
