"""Observations as they come by the API -> a table of rows, or what is wrong with each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl

from apps.datasets.reading.build import MAX_SERIES_ID, ROW, SINGLE_SERIES
from apps.datasets.reading.contracts import shorten

MAX_ROWS: Final = 100_000
NAMES: Final = ("unique_id", "ds", "y")


@dataclass(frozen=True, slots=True)
class Form:
    """What a data set's rows look like: its value columns, whether its time is whole numbers, whether it is one series
    without a name, the zone in which times without an offset are, and whether times are kept in UTC (else as clocks show
    them)."""

    columns: tuple[str, ...]
    integer_time: bool = False
    single_series: bool = False
    zone: str = ""
    utc: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """The table (unique_id, ds, the columns that any row gives, ``__row``), or the problems."""

    table: pl.DataFrame
    columns: tuple[str, ...]
    problems: list[dict[str, Any]]


def read(observations: Sequence[Any], form: Form) -> Rows:
    """Check every field of every observation; one bad one spoils the lot, and each is named."""
    problems: list[dict[str, Any]] = []
    if len(observations) > MAX_ROWS:
        detail = f"At most {MAX_ROWS:,} observations are taken at once, not {len(observations):,}. Send a file instead."
        problems.append(_problem("too_many", detail, "/observations"))
        return Rows(pl.DataFrame(), (), problems)
    given = _given(observations, form)
    found: list[tuple[Any, ...]] = []
    for number, each in enumerate(observations):
        reader = _Observation(number, each, form, problems)
        found.append(reader.values(given))
    kind: Any = pl.Int64 if form.integer_time else pl.Datetime("us")
    schema = {"unique_id": pl.String, "ds": kind, **dict.fromkeys(given, pl.Float64), ROW: pl.Int64}
    return Rows(pl.DataFrame() if problems else pl.DataFrame(found, schema, orient="row"), given, problems)


def _given(observations: Sequence[Any], form: Form) -> tuple[str, ...]:
    said = {name for each in observations if isinstance(each, Mapping) for name in each}
    return tuple(name for name in form.columns if name in said)


class _Observation:
    """One observation; what is wrong with it goes into ``problems``."""

    def __init__(self, number: int, given: Any, form: Form, problems: list[dict[str, Any]]) -> None:
        self.number, self.form, self.problems = number, form, problems
        self.given: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
        if not isinstance(given, Mapping):
            self._note("not_an_object", "it is not an object", "")
        for name in self.given.keys() - {*NAMES, *form.columns}:
            known = ", ".join(dict.fromkeys((*NAMES, *form.columns)))
            self._note(
                "unknown_column", f"there is no column “{shorten(str(name))}”; there are {known}", f"/{name}"
            )

    def values(self, columns: Sequence[str]) -> tuple[Any, ...]:
        """unique_id, ds, each of ``columns``, the number."""
        return (self._id(), self._time(), *(self._number(name) for name in columns), self.number + 1)

    def _id(self) -> str | None:
        value = self.given.get("unique_id", SINGLE_SERIES if self.form.single_series else None)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value.strip():
            self._note("missing_series", "the series (unique_id) is not named", "/unique_id")
            return None
        if len(value) > MAX_SERIES_ID:
            detail = f"the series' name has more than {MAX_SERIES_ID} characters"
            self._note("series_name_too_long", detail, "/unique_id")
            return None
        return value.strip()

    def _time(self) -> Any:
        value = self.given.get("ds")
        if self.form.integer_time:
            if isinstance(value, int) and not isinstance(value, bool):
                return value
            return self._note(
                "not_a_time", f"“{_short(value)}” is not a whole number, as this data's times are", "/ds"
            )
        try:
            return _moment(value, self.form)
        except (ValueError, TypeError):
            detail = f"“{_short(value)}” is not a time such as 2026-01-31 or 2026-01-31T10:00:00"
            return self._note("not_a_time", detail, "/ds")

    def _number(self, name: str) -> float | None:
        value = self.given.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self._note("not_a_number", f"“{_short(value)}” is not a finite number", f"/{name}")
            return None
        return float(value)

    def _note(self, code: str, detail: str, where: str) -> None:
        text = f"Observation {self.number + 1}: {detail}."
        self.problems.append(_problem(code, text, f"/observations/{self.number}{where}"))


def _moment(value: Any, form: Form) -> datetime:
    """A time as the data set keeps it: without offset, in UTC or as clocks show it."""
    if not isinstance(value, str):
        raise TypeError(value)
    moment = datetime.fromisoformat(value)
    if form.utc and moment.tzinfo is None and form.zone:
        moment = moment.replace(tzinfo=ZoneInfo(form.zone))
    if form.utc and moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return moment.replace(tzinfo=None)


def _short(value: Any) -> str:
    return shorten("" if value is None else str(value))


def _problem(code: str, detail: str, pointer: str) -> dict[str, Any]:
    return {"code": code, "detail": detail, "pointer": pointer}
