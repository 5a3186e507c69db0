"""Layers laid over each other: for each series and time the newest rows win, column by column.

Order in a key: effective known_at (none first), entry, the row's own known_at (none first). Rows that agree in all three
are a *group*: duplicates of one upload, which stay together. A group that does not give a column takes it from the last row
before it; a tombstone cuts that off. Groups of one effective known_at are a *moment*: the last of them is all that can ever
be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import polars as pl

from apps.datasets.points.manifest import Entry
from apps.datasets.points.parts import (
    ALL,
    AT,
    DELETED,
    HAS,
    KEY,
    ORDER,
    OWN,
    ROW,
    Window,
    among,
    empty,
    has_vintages,
    moment,
    scan,
)

Span = Literal["key", "moment"]
_FLAGS: Final = {"key": "__new_key", "moment": "__new_moment", "group": "__new_group"}


@dataclass(frozen=True, slots=True)
class Laid:
    """``untouched``: the rows of the lowest layer whose keys nothing else touches, sorted by key and row; ``contested``:
    all rows of all other keys, in no order."""

    untouched: pl.LazyFrame
    contested: pl.DataFrame


def start_of(entries: Sequence[Entry], until: datetime | None = None) -> int:
    """The place of the entry from which on rows count: the last reset (by ``until``), or the first entry."""
    resets = [place for place, entry in enumerate(entries) if entry.reset and is_seen(entry, until)]
    return max(resets, default=0)


def is_seen(entry: Entry, until: datetime | None) -> bool:
    """Whether anything of the entry was there at ``until``."""
    begins = moment(entry.not_before)
    return until is None or begins is None or begins <= until


def scans(
    entries: Sequence[Entry], columns: Sequence[str], *, start: int, until: datetime | None = None
) -> list[pl.LazyFrame]:
    """The layers from ``start`` on, each cut to what was known at ``until``."""
    return [
        scan(entry, place, columns, until=until)
        for place, entry in enumerate(entries)
        if place >= start and is_seen(entry, until)
    ]


def lay(
    entries: Sequence[Entry],
    columns: Sequence[str],
    *,
    start: int,
    window: Window = ALL,
    until: datetime | None = None,
) -> Laid:
    """The layers from ``start`` on as they lie over each other; of the lowest only the touched keys are read."""
    layers = [window.of(layer) for layer in scans(entries, columns, start=start, until=until)]
    if not layers:
        nothing = empty(entries, columns)
        return Laid(nothing, nothing.collect())
    base, above = layers[0], [layer.collect() for layer in layers[1:]]
    lowest = next(entry for entry in entries[start:] if is_seen(entry, until))
    touched = [rows.select(KEY) for rows in above]
    if has_vintages(lowest):
        touched.append(_repeated(base))
    keys = pl.concat(touched).unique() if touched else None
    if keys is None or keys.is_empty():
        return Laid(base, empty(entries, columns).collect())
    untouched = base.join(keys.lazy(), on=KEY, how="anti", maintain_order="left")
    return Laid(untouched, pl.concat([among(base, keys).collect(), *above]))


def rows_of(entries: Sequence[Entry], columns: Sequence[str], keys: pl.DataFrame) -> pl.DataFrame:
    """All rows of these keys that still count, of all layers, in no order."""
    layers = scans(entries, columns, start=start_of(entries))
    return pl.concat([among(layer, keys).collect() for layer in layers])


def settled(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The state that layers' rows in any order come to: the last group of each key, filled from those before."""
    return _last(filled(ordered(rows), columns, "key"), "key")


def settled_moments(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The last group of each moment of each key, filled only from groups of the same moment; ``__has_…`` says with what."""
    return _last(filled(ordered(rows), columns, "moment"), "moment")


def ordered(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows sorted, with a flag where a new key, a new moment of a key and a new group begin."""
    by = [*KEY, AT, ORDER, OWN, DELETED, ROW]
    table = rows.sort(by, descending=[name == DELETED for name in by], nulls_last=False)
    new_key = pl.any_horizontal(_differs(name) for name in KEY)
    new_moment = new_key | _differs(AT)
    new_group = new_moment | _differs(ORDER) | _differs(OWN)
    flags = zip(_FLAGS.values(), (new_key, new_moment, new_group), strict=True)
    return table.with_columns(flag.alias(name) for name, flag in flags)


def filled(table: pl.DataFrame, columns: Sequence[str], span: Span) -> pl.DataFrame:
    """Each row of an ordered table with the columns that it does not give taken from the last row of its span that does.

    A live row behind a tombstone of the same span gives all columns: what was before is gone.
    """
    index = pl.int_range(pl.len())
    begins = pl.when(pl.col(_FLAGS[span]) | pl.col(DELETED)).then(index).forward_fill()
    table = table.with_columns(begins.alias("__begins"))
    behind = ~pl.col(DELETED) & pl.col(DELETED).gather(pl.col("__begins"))
    for name in columns:
        source = pl.when(pl.col(HAS + name)).then(index).forward_fill().fill_null(-1)
        within = (source >= pl.col("__begins")) & ~pl.col(DELETED)
        value = pl.when(within).then(pl.col(name).gather(source.clip(0)))
        table = table.with_columns(value, (within | behind).alias(HAS + name))
    return table.drop("__begins")


def lone(sorted_rows: pl.DataFrame) -> pl.Series:
    """Whether a row of a table sorted by key is the only one of its key."""
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in KEY).fill_null(value=False)
    return sorted_rows.select(~(same | same.shift(-1, fill_value=False))).to_series()


def merged(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    """Two tables sorted by key as one; no key is in both."""
    if left.is_empty() or right.is_empty():
        return left if right.is_empty() else right.select(left.columns)
    return left.lazy().merge_sorted(right.select(left.columns).lazy(), key=KEY).collect()


def _differs(name: str) -> pl.Expr:
    return pl.col(name).ne_missing(pl.col(name).shift())


def _repeated(layer: pl.LazyFrame) -> pl.DataFrame:
    keys = layer.select(KEY).collect()
    return keys.filter(~lone(keys))


def _last(table: pl.DataFrame, span: Span) -> pl.DataFrame:
    """The last group of each span, without its tombstones where it has live rows (which come behind them)."""
    group = pl.col(_FLAGS["group"]).cum_sum()
    ends = {name: pl.col(flag).shift(-1, fill_value=True) for name, flag in _FLAGS.items()}
    last_group = pl.when(ends[span]).then(group).backward_fill()
    lives = pl.when(ends["group"]).then(~pl.col(DELETED)).backward_fill()
    kept = table.filter((group == last_group) & ~(pl.col(DELETED) & lives))
    return kept.drop(*_FLAGS.values())
