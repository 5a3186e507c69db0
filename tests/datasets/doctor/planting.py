"""Faults planted into good series, one at a time, by a seeded generator: what is planted, and in which rows of the file."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Planted:
    """``code`` and ``column``: the finding that must appear; ``rows``: those of the file (from 2) of which each must be named;
    ``texts``: cells that are no number, by row."""

    code: str
    rows: frozenset[int]
    column: str | None = None
    texts: dict[int, tuple[str, str]] = field(default_factory=dict)


class File:
    """Rows of a file in its order; a planted fault names them by where they stand in the end."""

    def __init__(self, rows: Rows, seed: int, *, step: Any, unit: str, season: int) -> None:
        self.rows = [dict(row) for row in rows]
        self.dice = random.Random(seed)
        self.step, self.unit, self.season = step, unit, season
        self.marked: list[dict[str, Any]] = []

    def series(self, least: int = 40) -> list[dict[str, Any]]:
        """The rows of one series that is long enough, by time."""
        names = sorted({row["unique_id"] for row in self.rows})
        self.dice.shuffle(names)
        for name in names:
            own = [row for row in self.rows if row["unique_id"] == name and row["y"] is not None]
            if len(own) >= least:
                return own
        raise LookupError("no series is long enough")

    def somewhere(self, own: Rows, margin: int = 8) -> int:
        """A place in a series away from its ends."""
        return self.dice.randrange(margin, len(own) - margin)

    def mark(self, *rows: dict[str, Any]) -> None:
        """These rows are at fault."""
        self.marked += rows

    def numbers(self) -> frozenset[int]:
        """Where the marked rows stand in the file; the header is row 1."""
        wanted = {id(row) for row in self.marked}
        return frozenset(number for number, row in enumerate(self.rows, start=2) if id(row) in wanted)

    def table(self) -> pl.DataFrame:
        """The long table as the reader makes it."""
        columns = list(self.rows[0])
        data = {name: [row[name] for row in self.rows] for name in columns}
        floats = {name: pl.Float64 for name in columns if name not in ("unique_id", "ds")}
        frame = pl.DataFrame(data, schema_overrides={**floats, "ds": pl.Datetime("us")})
        numbered = frame.with_row_index("__row", offset=2).with_columns(pl.col("__row").cast(pl.Int64))
        return numbered.sort("unique_id", "ds", "__row")


def duplicate(file: File) -> Planted:
    own = file.series()
    row = dict(own[file.somewhere(own)])
    file.rows.insert(file.rows.index(own[-1]) + 1, row)
    file.mark(row)
    return Planted("duplicate_rows", file.numbers())


def conflicting(file: File) -> Planted:
    own = file.series()
    row = dict(own[file.somewhere(own)])
    row["y"] = row["y"] * 1.1 + 1
    file.rows.insert(file.rows.index(own[-1]) + 1, row)
    file.mark(row)
    return Planted("conflicting_rows", file.numbers())


def gap(file: File, length: int = 1) -> Planted:
    own = file.series()
    at = file.somewhere(own)
    for row in own[at : at + length]:
        file.rows.remove(row)
    file.mark(own[at + length])
    return Planted("gaps", file.numbers())


def long_gap(file: File) -> Planted:
    return gap(file, 5)


def empty_cell(file: File) -> Planted:
    own = file.series()
    row = own[file.somewhere(own)]
    row["y"] = None
    file.mark(row)
    return Planted("missing_values", file.numbers())


def wrong_type(file: File, text: str = "closed", code: str = "wrong_type") -> Planted:
    own = file.series()
    row = own[file.somewhere(own)]
    row["y"] = None
    file.mark(row)
    (number,) = file.numbers()
    return Planted(code, file.numbers(), texts={number: (text, code)})


def not_finite(file: File) -> Planted:
    return wrong_type(file, "inf", "non_finite")


def off_grid(file: File) -> Planted:
    own = file.series()
    row = own[file.somewhere(own)]
    row["ds"] = row["ds"] + file.step / 7
    file.mark(row)
    return Planted("irregular", file.numbers())


def other_frequency(file: File) -> Planted:
    own = file.series(60)
    for place, row in enumerate(own):
        if place % 3:
            file.rows.remove(row)
    file.mark(own[0])
    return Planted("mixed_frequency", file.numbers())


def spike(file: File) -> Planted:
    own = file.series()
    row = own[file.somewhere(own)]
    row["y"] = 15 * max(each["y"] for each in own)
    file.mark(row)
    return Planted("outliers", file.numbers())


def dip(file: File) -> Planted:
    own = file.series()
    row = own[file.somewhere(own)]
    row["y"] = min(each["y"] for each in own) / 30
    file.mark(row)
    return Planted("outliers", file.numbers())


def two_spikes(file: File) -> Planted:
    own = file.series(60)
    first, second = len(own) // 3, 2 * len(own) // 3
    for at in (first, second):
        own[at]["y"] = (30 + at / len(own)) * max(each["y"] for each in own)
        file.mark(own[at])
    return Planted("outliers", file.numbers())


def shift(file: File, factor: float = 4.0) -> Planted:
    own = file.series(80)
    at = len(own) // 2
    for row in own[at:]:
        row["y"] = row["y"] * factor
    file.mark(own[at])
    return Planted("level_shift", file.numbers())


def shift_down(file: File) -> Planted:
    return shift(file, 0.2)


def unit(file: File, factor: float = 1000.0) -> Planted:
    own = file.series(60)
    at = len(own) // 2
    for row in own[at : at + 6]:
        row["y"] = row["y"] * factor
        file.mark(row)
    return Planted("unit_change", file.numbers())


def unit_small(file: File) -> Planted:
    return unit(file, 1 / 1000)


def unit_hundred_to_the_end(file: File) -> Planted:
    own = file.series(60)
    for row in own[-10:]:
        row["y"] = row["y"] * 100
        file.mark(row)
    return Planted("unit_change", file.numbers())


def wrong_sign(file: File) -> Planted:
    own = file.series()
    row = own[file.somewhere(own)]
    row["y"] = -abs(row["y"]) - 0.5
    file.mark(row)
    return Planted("negative", file.numbers())


def code_for_missing(file: File, value: float = -99999.0) -> Planted:
    own = file.series()
    places = sorted(file.dice.sample(range(6, len(own) - 6), 3))
    for at in places:
        own[at]["y"] = value
        file.mark(own[at])
    return Planted("sentinel", file.numbers())


def high_code_for_missing(file: File) -> Planted:
    return code_for_missing(file, 9999999.0)


def constant(file: File, value: float = 5.0, code: str = "constant") -> Planted:
    own = file.series()
    for row in own:
        row["y"] = value
    file.mark(own[0])
    return Planted(code, file.numbers())


def zero(file: File) -> Planted:
    return constant(file, 0.0, "all_zero")


def often_zero(file: File) -> Planted:
    own = file.series()
    for row in own:
        if file.dice.random() < 0.6:
            row["y"] = 0.0
    file.mark(own[0])
    return Planted("intermittent", file.numbers())


def short(file: File) -> Planted:
    own = file.series()
    for row in own[:-5]:
        file.rows.remove(row)
    file.mark(own[-5])
    return Planted("too_short", file.numbers())


def empty_series(file: File) -> Planted:
    own = file.series()
    for row in own:
        row["y"] = None
    file.mark(own[0])
    return Planted("no_values", file.numbers())


def stopped(file: File) -> Planted:
    own = file.series(80)
    ended = own[: len(own) - 14]
    for row in own[len(own) - 14 :]:
        file.rows.remove(row)
    file.mark(ended[-1])
    return Planted("stopped_early", file.numbers())


def to_come(file: File) -> Planted:
    own = file.series()
    last = own[-1]
    years = datetime(2100, 1, 1) - datetime(last["ds"].year, 1, 1)  # noqa: DTZ001
    row = (
        {**last, "ds": last["ds"] + file.step * (years // file.step)}
        if file.unit != "month"
        else {**last, "ds": last["ds"].replace(year=2100)}
    )
    file.rows.insert(file.rows.index(last) + 1, row)
    file.mark(row)
    return Planted("future_dates", file.numbers())


def epoch(file: File) -> Planted:
    """A date that was empty and became the first that a computer knows; for months one that is as far from ten years."""
    own = file.series()
    first = dict(own[0])
    since = own[0]["ds"] - datetime(1970, 1, 1)  # noqa: DTZ001
    first["ds"] = (
        own[0]["ds"].replace(year=1870)
        if file.unit == "month"
        else own[0]["ds"] - since // file.step * file.step
    )
    file.rows.insert(file.rows.index(own[0]), first)
    file.mark(first)
    return Planted("far_dates", file.numbers())


def copied(file: File) -> Planted:
    own = file.series(6 * file.season if file.season > 1 else 60)
    length = max(2 * file.season, 14)
    at = len(own) // 3
    for place in range(length):
        own[at + length + place]["y"] = own[at + place]["y"]
        file.mark(own[at + length + place])
    return Planted("repeated_stretch", file.numbers())


def swapped(file: File) -> Planted:
    own = file.series()
    chosen = [
        row
        for row in own[8:-8]
        if row["ds"].day <= 12
        and row["ds"].day != row["ds"].month
        and _swapped(row["ds"]) < own[-1]["ds"]
        and _swapped(row["ds"]) > own[0]["ds"]
    ]
    row = file.dice.choice(chosen)
    row["ds"] = _swapped(row["ds"])
    file.mark(row)
    return Planted("swapped_dates", file.numbers())


def _swapped(moment: datetime) -> datetime:
    return moment.replace(month=moment.day, day=moment.month)


def clock_change(file: File) -> Planted:
    """Hours written by clocks of Berlin: the hour of a spring night is missing, that of an autumn night comes twice."""
    own = file.series(24 * 300)
    year = own[len(own) // 2]["ds"].year
    spring, autumn = _last_sunday(year, 3), _last_sunday(year, 10)
    night = [row for row in own if row["ds"] == spring + timedelta(hours=2)]
    twice = [row for row in own if row["ds"] == autumn + timedelta(hours=2)]
    assert night
    assert twice
    file.rows.remove(night[0])
    again = dict(twice[0])
    again["y"] = again["y"] * 1.02
    file.rows.insert(file.rows.index(twice[0]) + 1, again)
    file.mark(again)
    return Planted("dst_doubling", file.numbers())


def _last_sunday(year: int, month: int) -> datetime:
    day = datetime(year, month, 31)  # noqa: DTZ001
    return day - timedelta(days=(day.weekday() + 1) % 7)


def empty_covariate(file: File) -> Planted:
    own = file.series()
    row = own[file.somewhere(own)]
    row["price"] = None
    file.mark(row)
    return Planted("missing_covariate", file.numbers(), "price")


def unknown_ahead(file: File) -> Planted:
    own = file.series()
    ahead = [row for row in file.rows if row["unique_id"] == own[0]["unique_id"] and row["y"] is None]
    row = ahead[-1]
    row["price"] = None
    file.mark(row)
    return Planted("covariate_missing_future", file.numbers(), "price")


def leaking(file: File) -> Planted:
    for row in file.rows:
        row["price"] = 9.0 if row["y"] is None else 3 * row["y"] + 7
    names = sorted({row["unique_id"] for row in file.rows})
    firsts = [next(row for row in file.rows if row["unique_id"] == name) for name in names]
    file.mark(*firsts)
    return Planted("covariate_leak", file.numbers(), "price")


def leaking_ahead(file: File) -> Planted:
    for row, following in zip(file.rows, [*file.rows[1:], None], strict=True):
        same = following is not None and following["unique_id"] == row["unique_id"]
        row["price"] = (
            following["y"] * 2
            if same and following is not None and following["y"] is not None
            else row["price"]
        )
    names = sorted({row["unique_id"] for row in file.rows})
    file.mark(*[next(row for row in file.rows if row["unique_id"] == name) for name in names])
    return Planted("covariate_leak", file.numbers(), "price")


def leaking_later(file: File) -> Planted:
    names = sorted({row["unique_id"] for row in file.rows})
    for name in names:
        own = [row for row in file.rows if row["unique_id"] == name]
        for row, later in zip(own, own[2:], strict=False):
            row["price"] = 5.0 if later["y"] is None else later["y"] / 2 - 1
    file.mark(*[next(row for row in file.rows if row["unique_id"] == name) for name in names])
    return Planted("covariate_leak", file.numbers(), "price")


Fault = Callable[[File], Planted]
# By what a panel must have: nothing particular, days and months that can be swapped, hours, a price that is known ahead.
PLAIN: Final[tuple[Fault, ...]] = (
    duplicate, conflicting, gap, long_gap, empty_cell, wrong_type, not_finite, off_grid, other_frequency, spike, dip,
    two_spikes, shift, shift_down, unit, unit_small, unit_hundred_to_the_end, wrong_sign, code_for_missing,
    high_code_for_missing, constant, zero, often_zero, short, empty_series, stopped, to_come, epoch, copied,
)  # fmt: skip
DATED: Final[tuple[Fault, ...]] = (swapped,)
HOURLY: Final[tuple[Fault, ...]] = (clock_change,)
PRICED: Final[tuple[Fault, ...]] = (empty_covariate, unknown_ahead, leaking, leaking_ahead, leaking_later)
ALL: Final = (*PLAIN, *DATED, *HOURLY, *PRICED)
