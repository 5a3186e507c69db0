"""What a change of points writes: only rows that are really different, or tombstones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from apps.datasets.points import state
from apps.datasets.points.manifest import Entry
from apps.datasets.points.state import DELETED, KEY
from apps.datasets.reading.build import ROW

EXAMPLES: Final = 20
SERIES_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Upsert:
    """The part to write (unique_id, ds, the given columns, ``__row``) and what it does to what stands."""

    part: pl.DataFrame
    added: int
    changed: int
    unchanged: int
    replaced: int
    new_series: int


def upsert(
    entries: Sequence[Entry], rows: pl.DataFrame, *, columns: Sequence[str], covariates: Sequence[str]
) -> Upsert:
    """The rows that say something new: of rows with the same series and time the last counts.

    ``columns`` are those that the rows give; ``replaced`` counts the rows that stood in the changed places (more than
    one where the data has doubles).
    """
    latest = rows.unique(KEY, keep="last", maintain_order=True)
    touched = latest["unique_id"].unique().to_list()
    standing = state.current(entries, covariates=covariates, series=touched)
    known_series = standing["unique_id"].n_unique()
    before = (
        standing.join(latest.select(*KEY), on=list(KEY), how="semi")
        .group_by(*KEY)
        .agg(*[pl.col(name).last().alias(f"before {name}") for name in columns], copies=pl.len())
    )
    compared = latest.join(before, on=list(KEY), how="left")
    different = pl.any_horizontal(
        [pl.col(name).ne_missing(pl.col(f"before {name}")) for name in columns] or [pl.lit(value=False)]
    )
    is_new, is_changed = pl.col("copies").is_null(), different | (pl.col("copies") > 1)
    wanted = compared.filter(is_new | is_changed)
    return Upsert(
        part=wanted.select(*KEY, *columns, ROW).sort(*KEY),
        added=wanted["copies"].null_count(),
        changed=wanted.height - wanted["copies"].null_count(),
        unchanged=compared.height - wanted.height,
        replaced=int(wanted["copies"].sum()),
        new_series=len(touched) - known_series,
    )


def delete(
    entries: Sequence[Entry], *, series: Sequence[str] | None, start: object, end: object
) -> pl.DataFrame:
    """Tombstones (unique_id, ds, ``__deleted``, ``__row``) of the places that stand in that range."""
    standing = state.current(entries, series=series, start=start, end=end)
    places = standing.select(*KEY).unique(maintain_order=True)
    return places.with_columns(pl.lit(value=True).alias(DELETED), pl.lit(0, pl.Int64).alias(ROW))


def diff(older: Sequence[Entry], newer: Sequence[Entry], *, covariates: Sequence[str]) -> dict[str, Any]:
    """Rows added, changed and removed: ``totals``, ``series`` (those with the most) and ``examples``.

    What both manifests begin with is not read again, but for the places that the rest touches.
    """
    before, after = _states(older, newer, covariates)
    columns = ["y", *covariates]
    left = before.unique(KEY, keep="last", maintain_order=True).drop(ROW)
    right = after.unique(KEY, keep="last", maintain_order=True).drop(ROW)
    both = left.join(right, on=list(KEY), how="full", suffix=" after", coalesce=False)
    removed, added = pl.col("unique_id after").is_null(), pl.col("unique_id").is_null()
    differs = pl.any_horizontal([pl.col(name).ne_missing(pl.col(f"{name} after")) for name in columns])
    kind = (
        pl.when(removed)
        .then(pl.lit("removed"))
        .when(added)
        .then(pl.lit("added"))
        .when(differs)
        .then(pl.lit("changed"))
    )
    found = both.with_columns(
        kind=kind,
        unique_id=pl.coalesce("unique_id", "unique_id after"),
        ds=pl.coalesce("ds", "ds after"),
    ).filter(pl.col("kind").is_not_null())
    return {"totals": _counts(found), "series": _by_series(found), "examples": _examples(found, columns)}


def summary(entries: Sequence[Entry]) -> dict[str, Any]:
    """``rows``, ``series_count``, ``first_ds`` and ``last_ds`` of what stands (the times of rows with a value)."""
    standing = state.current(entries)
    times = standing.filter(pl.col("y").is_not_null())["ds"]
    return {
        "rows": standing.height,
        "series_count": standing["unique_id"].n_unique(),
        "first_ds": times.min(),
        "last_ds": times.max(),
    }


def _states(
    older: Sequence[Entry], newer: Sequence[Entry], covariates: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    shared = 0
    while shared < min(len(older), len(newer)) and older[shared] == newer[shared]:
        shared += 1
    rest = [*older[shared:], *newer[shared:]]
    series = None
    if shared and not any(entry.reset for entry in rest):
        names = [pl.scan_parquet(entry.path).select("unique_id").unique() for entry in rest]
        series = pl.concat(names).unique().collect()["unique_id"].to_list() if names else []
    before = state.current(older, covariates=covariates, series=series)
    return before, state.current(newer, covariates=covariates, series=series)


def _counts(found: pl.DataFrame) -> dict[str, int]:
    counted = dict(found["kind"].value_counts().iter_rows())
    return {kind: int(counted.get(kind, 0)) for kind in ("added", "changed", "removed")}


def _by_series(found: pl.DataFrame) -> list[dict[str, Any]]:
    kinds = [(pl.col("kind") == kind).sum().alias(kind) for kind in ("added", "changed", "removed")]
    grouped = found.group_by("unique_id").agg(*kinds, total=pl.len())
    return (
        grouped.sort("total", "unique_id", descending=[True, False])
        .head(SERIES_SHOWN)
        .drop("total")
        .to_dicts()
    )


def _examples(found: pl.DataFrame, columns: Sequence[str]) -> list[dict[str, Any]]:
    shown = []
    for row in found.sort(*KEY).head(EXAMPLES).to_dicts():
        changed = [name for name in columns if row[name] != row[f"{name} after"]] or ["y"]
        shown += [
            {
                "unique_id": row["unique_id"],
                "ds": row["ds"] if isinstance(row["ds"], int) else row["ds"].isoformat(),
                "kind": row["kind"],
                "column": name,
                "before": row[name],
                "after": row[f"{name} after"],
            }
            for name in changed
        ]
    return shown
