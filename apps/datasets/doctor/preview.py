"""Stretches of series before and after a fix, short enough for a plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from apps.datasets.doctor import catalogue, fixes, telling
from apps.datasets.doctor.contracts import Example, Step
from apps.datasets.doctor.detect import About, Place
from apps.datasets.doctor.sheet import Sheet
from apps.datasets.reading.build import ROW

POINTS: Final = 60
LONGEST: Final = 5_000  # points of a series that a fix is tried on for an example


def example(sheet: Sheet, series: int, place: Place, about: About) -> Example:
    """A stretch around the first place of a series, and how the proposed fix would change it."""
    begin, end = int(sheet.indptr[series]), int(sheet.indptr[series + 1])
    own = place.places[(place.places >= begin) & (place.places < end)]
    first = int(own[0])
    low = max(begin, min(first - POINTS // 2, end - POINTS))
    high = min(end, low + POINTS)
    marked = tuple(int(each) - low for each in own[(own >= low) & (own < high)].tolist())
    values = sheet.covariates[place.column] if place.column else sheet.y
    ds = tuple(telling.moment(each, sheet) for each in sheet.ds[low:high].tolist())
    after = _after(sheet, series, place, about, ds) if not place.column and end - begin <= LONGEST else ()
    return Example(sheet.ids[series], ds, _plain(values[low:high]), after, marked)


def table_of(sheet: Sheet, series: int) -> pl.DataFrame:
    """One series of the sheet as a long table again."""
    rows = slice(int(sheet.indptr[series]), int(sheet.indptr[series + 1]))
    times = sheet.ds[rows] if sheet.is_integer else sheet.ds[rows].view("datetime64[us]")
    columns = {name: pl.Series(values[rows]).fill_nan(None) for name, values in sheet.covariates.items()}
    y = pl.Series(sheet.y[rows]).fill_nan(None)
    ids = pl.repeat(sheet.ids[series], rows.stop - rows.start, eager=True, dtype=pl.String)
    return pl.DataFrame({"unique_id": ids, "ds": times, "y": y, **columns, ROW: sheet.rows[rows]})


def _after(
    sheet: Sheet, series: int, place: Place, about: About, ds: Sequence[Any]
) -> tuple[float | None, ...]:
    kinds = catalogue.KINDS[place.code].fixes
    if not kinds or kinds[0].name in catalogue.GAP_RULES or kinds[0].name in ("exclude", "localize"):
        return ()
    step = Step(place.code, kinds[0].name, kinds[0].params)
    done = fixes.apply(
        table_of(sheet, series),
        [step],
        frequency=about.frequency,
        covariates=about.covariates,
        past=about.past,
        now=about.now,
    )
    known = {
        telling.moment(at, sheet): value
        for at, value in zip(
            done.table["ds"].cast(pl.Int64).to_list(), done.table["y"].to_list(), strict=True
        )
    }
    return tuple(known.get(each) for each in ds)


def _plain(values: Any) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(each) else float(each) for each in values.tolist())
