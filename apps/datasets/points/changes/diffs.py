"""What the rows of two versions differ in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from apps.datasets.points import layers, state
from apps.datasets.points.manifest import Entry
from apps.datasets.points.parts import KEY, Time, Window, among, around, columns_of

MAX_SERIES: Final = 1000
MAX_EXAMPLES: Final = 20
KINDS: Final = ("added", "changed", "removed")
_KIND: Final = "__kind"
_NUMBER: Final = "__number"
_AFTER: Final = "__after_"


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that differs: ``kind`` is ``added``, ``changed`` or ``removed``; None is no value or no row."""

    unique_id: str
    ds: Time
    kind: str
    column: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class SeriesDiff:
    """How many rows of a series were added, changed and removed."""

    unique_id: str
    added: int
    changed: int
    removed: int


@dataclass(frozen=True, slots=True)
class Diff:
    """Rows in all, the first 1,000 of ``series_count`` series that differ, and the first 20 values."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    series_count: int = 0
    series: tuple[SeriesDiff, ...] = ()
    examples: tuple[Difference, ...] = field(default=())


def diff(before: Sequence[Entry], after: Sequence[Entry], *, slice_rows: int = state.SLICE_ROWS) -> Diff:
    """What a reader of the current table of ``after`` finds changed against that of ``before``.

    Duplicates of one key are compared in their order. Parts that both begin with are looked up only where others lie on
    them; everything goes in slices of whole series of about ``slice_rows`` rows.
    """
    columns = columns_of([*before, *after])
    found = Diff()
    for old, new in _slices(before, after, columns, slice_rows):
        found = _joined(found, _differing(old, new, columns), columns)
    return found


def _slices(
    before: Sequence[Entry], after: Sequence[Entry], columns: Sequence[str], size: int
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    sides = [list(each[layers.start_of(each) :]) for each in (before, after)]
    shared = _shared(*sides)
    own = [scan.select(KEY) for side in sides for scan in layers.scans(side, (), start=shared)]
    if not own:
        return
    keys = pl.concat(own)
    for low, high in state.bounds(keys, size):
        window = Window(low=low, high=high)
        wanted = window.of(keys).unique().collect(engine="streaming") if shared else None
        old, new = (_state(side, columns, window, wanted) for side in sides)
        yield old, new


def _state(
    entries: Sequence[Entry], columns: Sequence[str], window: Window, keys: pl.DataFrame | None
) -> pl.DataFrame:
    """The current rows of the window, or of the keys alone."""
    if keys is None:
        return state.lazy(entries, window=window, columns=columns).collect()
    return among(state.lazy(entries, window=around(keys), columns=columns), keys).collect()


def _shared(before: Sequence[Entry], after: Sequence[Entry]) -> int:
    """How many entries from the lowest on both have: keys that lie in these alone have the same state in both.

    Of the lowest one it does not matter when it came: alone, its rows follow each other by their own known_at.
    """
    lowest = [replace(side[0], not_before=None, reset=False) for side in (before, after)]
    if lowest[0] != lowest[1]:
        return 0
    if before[0].not_before != after[0].not_before:
        return 1
    pairs = zip(before[1:], after[1:], strict=False)
    return 1 + next(
        (place for place, (old, new) in enumerate(pairs) if old != new), min(len(before), len(after)) - 1
    )


def _differing(old: pl.DataFrame, new: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Both sides of each row that differs, sorted, with its ``__kind``."""
    sides = [
        side.select(
            *KEY, *columns, pl.int_range(pl.len()).over(KEY).alias(_NUMBER), pl.lit(value=True).alias("__is")
        )
        for side in (old, new)
    ]
    both = sides[0].join(sides[1], on=[*KEY, _NUMBER], how="full", coalesce=True, suffix="__after")
    both = both.rename({f"{name}__after": _AFTER + name for name in columns})
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(_AFTER + name)) for name in columns)
    kind = (
        pl.when(pl.col("__is").is_null())
        .then(pl.lit("added"))
        .when(pl.col("__is__after").is_null())
        .then(pl.lit("removed"))
        .when(differs)
        .then(pl.lit("changed"))
    )
    return both.with_columns(kind.alias(_KIND)).filter(pl.col(_KIND).is_not_null()).sort(*KEY, _NUMBER)


def _joined(so_far: Diff, rows: pl.DataFrame, columns: Sequence[str]) -> Diff:
    counts = rows.group_by("unique_id", maintain_order=True).agg(
        (pl.col(_KIND) == kind).sum().cast(pl.Int64).alias(kind) for kind in KINDS
    )
    shown = counts.head(MAX_SERIES - len(so_far.series))
    wanted = MAX_EXAMPLES - len(so_far.examples)
    examples = [each for row in rows.head(wanted).iter_rows(named=True) for each in _examples(row, columns)]
    return Diff(
        added=so_far.added + int(counts["added"].sum()),
        changed=so_far.changed + int(counts["changed"].sum()),
        removed=so_far.removed + int(counts["removed"].sum()),
        series_count=so_far.series_count + counts.height,
        series=(*so_far.series, *(SeriesDiff(**row) for row in shown.iter_rows(named=True))),
        examples=(*so_far.examples, *examples[:wanted]),
    )


def _examples(row: dict[str, object], columns: Sequence[str]) -> Iterator[Difference]:
    """The values that differ in a row; of a row without any value, its ``y``."""
    differing = [name for name in columns if row[name] != row[_AFTER + name]]
    for name in differing or ["y"]:
        yield Difference(
            unique_id=str(row["unique_id"]),
            ds=row["ds"],  # type: ignore[arg-type]
            kind=str(row[_KIND]),
            column=name,
            before=row[name],  # type: ignore[arg-type]
            after=row[_AFTER + name],  # type: ignore[arg-type]
        )
