"""Sentences about findings: what, where, how much."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from apps.datasets.doctor.checks.series import MIN_POINTS, ZERO_SHARE
from apps.datasets.doctor.detect import About, Place
from apps.datasets.doctor.sheet import Ints, Sheet
from apps.datasets.reading.build import ROW
from apps.datasets.reading.contracts import shorten

__all__ = ["MIN_POINTS", "detail", "moment", "times"]

WHOLE: Final = {
    "constant": "the same value at every time",
    "all_zero": "zero at every time",
    "no_values": "no value at all",
    "intermittent": f"zero in at least {ZERO_SHARE:.0%} of their times",
}


def detail(place: Place, sheet: Sheet, about: About, series: int) -> str:
    """The sentence for a kind: how many, in how many series, and the first of them with row, series, time and value."""
    whose = "1 series" if series == 1 else f"{series:,} series"
    whole = _whole(place, sheet, about, whose)
    return whole or (_gaps(place, sheet) if place.code == "gaps" else _rows(place, sheet, about, whose))


def _whole(place: Place, sheet: Sheet, about: About, whose: str) -> str:
    """The sentence for kinds that are about series and not about rows; "" for the others."""
    if place.code in WHOLE:
        return f"{whose}: {WHOLE[place.code]}."
    if place.code == "too_short":
        longest, enough = int(place.weights.max()), _enough(sheet, about)
        return f"{whose} with fewer than {enough} values (the longest of them {longest})."
    if place.code == "stopped_early":
        return f"{whose} ended before the others; {_first(place, sheet)} is the last of its series."
    if place.code == "mixed_frequency":
        alias = about.frequency.alias if about.frequency else "none"
        return f"{whose} not on the grid of frequency {alias}, which the others have; the first is “{_name(place, sheet)}”."
    if place.code == "future_rows":
        return f"{len(place.places):,} rows come after their series' last value."
    return ""


def moment(value: int, sheet: Sheet) -> str | int:
    """A time as a person writes it."""
    if sheet.is_integer:
        return int(value)
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(value))
    return f"{at:%Y-%m-%d}" if at.time() == datetime.min.time() else f"{at:%Y-%m-%dT%H:%M:%S}"


def times(values: pl.Series, sheet: Sheet) -> pl.Series:
    """Times as texts."""
    if sheet.is_integer:
        return values.cast(pl.String)
    return values.cast(pl.Datetime("us")).dt.to_string("%Y-%m-%dT%H:%M:%S")


def _gaps(place: Place, sheet: Sheet) -> str:
    missing, longest = int(place.weights.sum()), int(place.weights.max())
    alias = sheet.frequency.alias if sheet.frequency else ""
    steps = "1 step" if missing == 1 else f"{missing:,} steps"
    return (
        f"{steps} of frequency {alias} without a row, the longest gap {longest:,}. The rows named come right after a gap; "
        f"the first is {_first(place, sheet)}."
    )


def _rows(place: Place, sheet: Sheet, about: About, whose: str) -> str:
    count = len(place.places)
    column = f" in column “{shorten(place.column)}”" if place.column else ""
    many = "1 row" if count == 1 else f"{count:,} rows"
    return f"{many} in {whose}{column}: {_first(place, sheet, about)}{_because(place, sheet)}."


def _because(place: Place, sheet: Sheet) -> str:
    """What is particular about the first place."""
    at = _first_place(place, sheet)
    if place.code in ("conflicting_rows", "duplicate_rows"):
        return f", and row {sheet.rows[at - 1]} has {_number(sheet.y[at - 1])} for the same time"
    if place.code == "unit_change":
        factor = next(iter(place.params.values()), {}).get("factor", 1)
        return f" is about {1 / factor:,.6g} times the level of its series"
    if place.code == "dst_doubling":
        zone = next(iter(place.params.values()), {}).get("zone", "")
        return f" comes a second time, as clocks go back in {zone}"
    if place.code == "irregular" and sheet.frequency:
        return f" is off the grid of frequency {sheet.frequency.alias}"
    return ""


def _first(place: Place, sheet: Sheet, about: About | None = None) -> str:
    at = _first_place(place, sheet)
    row = int(sheet.rows[at])
    where = f"row {row} (" if row > 0 else "("
    value = _fault(row, place, about) or _number(
        sheet.covariates[place.column][at] if place.column else sheet.y[at]
    )
    return f"{where}“{_name_at(at, sheet)}”, {moment(sheet.ds[at], sheet)}, {value})"


def _fault(row: int, place: Place, about: About | None) -> str:
    """The text of a cell that was no number."""
    if about is None or about.faults is None or place.code not in ("wrong_type", "non_finite"):
        return ""
    texts = about.faults.filter((pl.col(ROW) == row) & (pl.col("column") == (place.column or "y")))["text"]
    return f"“{shorten(texts[0])}”" if texts.len() else ""


def _first_place(place: Place, sheet: Sheet) -> int:
    """The place that stands first in the file."""
    places: Ints = place.places
    return int(places[int(np.argmin(sheet.rows[places]))])


def _number(value: float) -> str:
    return "no value" if np.isnan(value) else f"{value:.6g}"


def _name(place: Place, sheet: Sheet) -> str:
    return _name_at(int(place.places[0]), sheet)


def _name_at(at: int, sheet: Sheet) -> str:
    return shorten(sheet.ids[int(np.searchsorted(sheet.indptr, at, side="right")) - 1])


def _enough(sheet: Sheet, about: About) -> int:
    return max(MIN_POINTS, 2 * sheet.season, 2 * (about.horizon or 0))
