"""Local times and offsets -> the data set's times, without a zone: wall time for days and longer steps, UTC for shorter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from apps.datasets.reading.contracts import refuse, shorten

DAY: Final = np.timedelta64(86_400, "s")
Offsets = list[NDArray[np.int64] | None]


@dataclass(frozen=True, slots=True)
class Settled:
    """Times without a zone, whether they are in UTC (else as the customer's clocks show them), and what to say."""

    ds: NDArray[Any]
    utc: bool = False
    said: tuple[str, ...] = ()


def settled(
    ds: NDArray[Any],
    offsets: Offsets,
    codes: NDArray[np.int32],
    rows: NDArray[np.int64],
    *,
    zone: ZoneInfo | None,
    name: str,
) -> Settled:
    """Times that do not jump: as written where there is one offset or none, in UTC where daylight saving would make hours
    double.

    ``zone`` is the one in which times without an offset were written. Raises ``Unreadable`` for a time that never was there.
    """
    if ds.dtype.kind == "i":
        return Settled(ds)
    ds = ds.astype("datetime64[us]", copy=False)
    if any(each is not None for each in offsets):
        return _with_offsets(ds, np.concatenate([each for each in offsets if each is not None]), name)
    if zone is None or not _is_short(ds, codes):
        return Settled(ds)
    said = f"Column “{shorten(name)}”: times in {zone.key} are kept in UTC."
    return Settled(_from_zone(ds, codes, rows, zone, name), utc=True, said=(said,))


def _with_offsets(ds: NDArray[Any], offsets: NDArray[np.int64], name: str) -> Settled:
    different = np.unique(offsets)
    if len(different) == 1:
        seconds = int(different[0])
        if not seconds:
            return Settled(ds, utc=True)
        sign, minutes = ("-" if seconds < 0 else "+"), abs(seconds) // 60
        shown = f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"
        return Settled(ds, said=(f"Times carry the offset {shown}; they are kept as local time.",))
    at_midnight = (ds.astype("datetime64[D]") == ds).all()
    if at_midnight:
        said = f"Column “{shorten(name)}” changes its offset (daylight saving); days are kept as local days."
        return Settled(ds, said=(said,))
    said = f"Column “{shorten(name)}” changes its offset (daylight saving); times are kept in UTC."
    return Settled(ds - offsets.astype("timedelta64[s]"), utc=True, said=(said,))


def _is_short(ds: NDArray[Any], codes: NDArray[np.int32]) -> bool:
    """Whether steps are shorter than a day."""
    same = codes[1:] == codes[:-1]
    steps = np.abs(np.diff(ds))[same]
    steps = steps[steps > np.timedelta64(0, "us")]
    return bool(len(steps)) and bool(
        np.median(steps.astype(np.int64)) < DAY.astype("timedelta64[us]").astype(np.int64)
    )


def _from_zone(
    ds: NDArray[Any], codes: NDArray[np.int32], rows: NDArray[np.int64], zone: ZoneInfo, name: str
) -> NDArray[Any]:
    """Each distinct wall time in UTC; of a time that comes twice in a series, the second is after the change."""
    distinct, inverse = np.unique(ds, return_inverse=True)
    first = np.empty(len(distinct), "datetime64[us]")
    second = np.empty(len(distinct), "datetime64[us]")
    for place, moment in enumerate(distinct.astype(datetime)):
        early, late = moment.replace(tzinfo=zone, fold=0), moment.replace(tzinfo=zone, fold=1)
        if early.utcoffset() < late.utcoffset():  # a gap: clocks went over it
            row = int(rows[np.flatnonzero(inverse == place)[0]])
            raise refuse(
                "no_such_time",
                f"Row {row}, column “{shorten(name)}”: {moment} never was in {zone.key}, where clocks went forward.",
                "Choose another time zone, or correct the time.",
                rows=(row,),
                column=name,
            )
        first[place] = np.datetime64(moment - early.utcoffset(), "us")
        second[place] = np.datetime64(moment - late.utcoffset(), "us")
    found = first[inverse]
    again = _second_of_two(ds, codes, rows)
    found[again] = second[inverse[again]]
    return found


def _second_of_two(ds: NDArray[Any], codes: NDArray[np.int32], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    order = np.lexsort((rows, ds, codes))
    same = (codes[order][1:] == codes[order][:-1]) & (ds[order][1:] == ds[order][:-1])
    again: NDArray[np.int64] = order[1:][same]
    return again
