"""All that was ever told of each series and time, resets resolved.

A reset takes all earlier entries away from its time on. Between two resets the manifest is a stack of layers without one: an
*epoch*. Each epoch begins with its state at that time, and with tombstones for what is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

import polars as pl

from apps.datasets.points import layers
from apps.datasets.points.manifest import Entry
from apps.datasets.points.parts import ALL, AT, DELETED, HAS, KEY, ORDER, OWN, ROW, Window, moment

INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Epoch:
    """From ``begins`` (None: always) up to before ``ends`` (None: for ever) the entries from ``start`` on count."""

    start: int
    begins: datetime | None
    ends: datetime | None


def epochs(entries: Sequence[Entry]) -> list[Epoch]:
    """The epochs of a manifest in the order of time."""
    begins: dict[datetime | None, int] = {None: 0}
    resets = [(moment(entry.not_before), place) for place, entry in enumerate(entries) if entry.reset]
    for at, place in sorted(resets, key=lambda each: (each[0] or datetime.min, each[1])):  # noqa: DTZ901
        if place > max(begins.values()):
            begins[at] = place
    bounds = [*begins.items(), (None, 0)]
    return [Epoch(place, at, ends) for (at, place), (ends, _) in pairwise(bounds)]


def told(entries: Sequence[Entry], columns: Sequence[str], window: Window = ALL) -> pl.DataFrame:
    """One group of rows for each key and moment (``__at``) at which it changed, sorted by key, moment and row.

    Like a layer, but without ``__order`` and ``__own``: values that a row does not give (``__has_…``) are those before.
    """
    found: list[pl.DataFrame] = []
    for epoch in epochs(entries):
        rows = _rows(entries, epoch, columns, window)
        if epoch.begins is not None:
            rows = _begun(rows, found[-1], epoch.begins, columns)
        found.append(rows)
    if len(found) == 1:
        return found[0]
    return pl.concat(found).sort(*KEY, AT, ROW, nulls_last=False)


def latest(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The state that rows sorted by key, each moment one group, come to; tombstones left out."""
    alone = layers.lone(rows)
    shared = layers.settled(_as_layer(rows.filter(~alone)), columns).drop(ORDER, OWN)
    return layers.merged(rows.filter(alone), shared).filter(~pl.col(DELETED))


def spelled_out(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """What ``told`` says with every row complete, the values from before filled in."""
    alone = layers.lone(rows)
    shared = layers.filled(layers.ordered(_as_layer(rows.filter(~alone))), columns, "key")
    return layers.merged(rows.filter(alone), shared.select(rows.columns))


def _rows(entries: Sequence[Entry], epoch: Epoch, columns: Sequence[str], window: Window) -> pl.DataFrame:
    until = epoch.ends - INSTANT if epoch.ends else None
    laid = layers.lay(entries, columns, start=epoch.start, window=window, until=until)
    untouched = laid.untouched.drop(ORDER, OWN).collect()
    return layers.merged(untouched, layers.settled_moments(laid.contested, columns).drop(ORDER, OWN))


def _begun(
    rows: pl.DataFrame, before: pl.DataFrame, begins: datetime, columns: Sequence[str]
) -> pl.DataFrame:
    """The rows of an epoch from its begin on; ``before`` are those of the epoch before it."""
    early = pl.col(AT).is_null() | (pl.col(AT) <= begins)
    at = pl.lit(begins, rows.schema[AT])
    state = latest(rows.filter(early), columns).with_columns(
        at.alias(AT), *(pl.lit(value=True).alias(HAS + name) for name in columns)
    )
    gone = latest(before, columns).select(KEY).unique().join(state, on=KEY, how="anti")
    tombstones = gone.with_columns(
        *(pl.lit(None, pl.Float64).alias(name) for name in columns),
        *(pl.lit(value=False).alias(HAS + name) for name in columns),
        pl.lit(None, pl.Int64).alias(ROW),
        pl.lit(value=True).alias(DELETED),
        at.alias(AT),
    ).select(rows.columns)
    return pl.concat([state, tombstones, rows.filter(~early)]).sort(*KEY, AT, ROW, nulls_last=False)


def _as_layer(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.lit(0, pl.Int32).alias(ORDER), pl.col(AT).alias(OWN))
