"""What a backtest at a time can see is what was uploaded by that time, whatever happened to the data."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.datasets.points import changes, parts, state, vintages
from apps.datasets.points.manifest import Entry
from tests.datasets.points.histories import Told, day, lives
from tests.datasets.points.naive import COLUMNS, COVARIATES, Key, Values

EXAMPLES = int(os.environ.get("ALMANAC_AS_OF_EXAMPLES", "60"))
PAST = ("weather",)
CUTOFFS = [day(half / 2 - 1) for half in range(36)]
SIX = st.lists(st.sampled_from(CUTOFFS), min_size=6, max_size=6, unique=True)
thorough = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@thorough
@given(data=st.data())
def test_as_of_equals_what_was_uploaded_by_then(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        told = data.draw(lives(Path(folder)))
        for at in data.draw(SIX):
            assert rows_of(as_of(told.entries, at)) == told.notebook.seen(at)
        cutoffs = data.draw(SIX)
        for at, table in vintages.panels_as_of(told.entries, cutoffs, covariates=COVARIATES, past=PAST):
            assert rows_of(table) == told.notebook.seen(at)
            assert told.integer or table.filter(pl.col("ds") > at)["y"].null_count() == sum(table["ds"] > at)


@thorough
@given(data=st.data())
def test_the_current_table_is_the_newest_of_everything_and_the_parts_can_be_one(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        told = data.draw(lives(Path(folder)))
        table = current(told.entries)
        assert rows_of(table) == told.notebook.known(None)
        told.compact()
        whole, one = told.versions[-2][0], told.entries
        assert current(one).equals(table)
        assert state.history(one).equals(state.history(whole))
        assert vintages.revised(one, covariates=COVARIATES) == vintages.revised(whole, covariates=COVARIATES)
        for at in data.draw(SIX):
            assert as_of(one, at).equals(as_of(whole, at))


@thorough
@given(data=st.data())
def test_versions_differ_in_what_their_tables_differ_in(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        told = data.draw(lives(Path(folder)))
        places = st.integers(0, len(told.versions) - 1)
        (before, _), (after, _) = (told.versions[data.draw(places)] for _ in "ab")
        found = changes.diff(before, after, slice_rows=data.draw(st.sampled_from([1, 4, 1000])))
        expected = differing(rows_of(current(before)), rows_of(current(after)))
        assert (found.added, found.changed, found.removed) == expected
        table = current(after)
        totals = changes.summary(after)
        assert (totals.rows, totals.series_count) == (table.height, table["unique_id"].n_unique())
        assert (totals.first_ds, totals.last_ds) == (table["ds"].min(), table["ds"].max())


@thorough
@given(data=st.data())
def test_where_nothing_was_revised_cutting_the_table_shows_what_was_known(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        told = data.draw(lives(Path(folder)))
        if told.integer or vintages.revised(told.entries, covariates=COVARIATES):
            return
        table = current(told.entries)
        for at in CUTOFFS[::3]:
            assert_known_are_the_first(told, table, at)


def assert_known_are_the_first(told: Told, table: pl.DataFrame, at: datetime) -> None:
    """Of each series the values of ``y`` known at a time are the first ones of the table as it is now."""
    for name, points in table.drop_nulls("y").group_by("unique_id"):
        known = as_of(told.entries, at).filter(pl.col("unique_id") == name[0]).drop_nulls("y")
        assert known.select("ds", "y").equals(points.head(known.height).select("ds", "y"))


def as_of(entries: list[Entry], at: datetime) -> pl.DataFrame:
    return state.as_of(entries, at, covariates=COVARIATES, past=PAST)


def current(entries: list[Entry]) -> pl.DataFrame:
    return state.current(entries, covariates=[*COVARIATES, *PAST])


def rows_of(table: pl.DataFrame) -> dict[Key, list[Values]]:
    assert table.equals(table.sort(*parts.KEY, parts.ROW, maintain_order=True))
    found: dict[Key, list[Values]] = defaultdict(list)
    for row in table.iter_rows(named=True):
        found[row["unique_id"], row["ds"]].append({name: row[name] for name in COLUMNS})
    return dict(found)


def differing(before: dict[Key, list[Values]], after: dict[Key, list[Values]]) -> tuple[int, int, int]:
    """How many rows were added, changed and removed."""
    pairs: list[tuple[Any, Any]] = []
    for key in before.keys() | after.keys():
        old, new = before.get(key, []), after.get(key, [])
        width = max(len(old), len(new))
        pairs += zip(old + [None] * (width - len(old)), new + [None] * (width - len(new)), strict=True)
    added = sum(old is None for old, _ in pairs)
    removed = sum(new is None for _, new in pairs)
    return added, sum(old != new for old, new in pairs) - added - removed, removed
