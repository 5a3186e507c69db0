"""Many parts -> one that says the same."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from apps.datasets.points.epochs import told
from apps.datasets.points.manifest import Entry
from apps.datasets.points.parts import AT, DELETED, HAS, KEEPS, KEY, KNOWN_AT, ROW, columns_of


def compact(entries: Sequence[Entry]) -> pl.DataFrame:
    """One part that answers every question as the entries do, also below parts that come later.

    Its entry is ``Entry(path, columns_of(entries))``: its rows say themselves when they became known.
    """
    columns = columns_of(entries)
    rows = told(entries, columns)
    partly = [name for name in columns if not (rows[HAS + name] | rows[DELETED]).all()]
    keeps = [(~pl.col(HAS + name) & ~pl.col(DELETED)).alias(KEEPS + name) for name in partly]
    known_at = [pl.col(AT).alias(KNOWN_AT)] if rows[AT].null_count() < rows.height else []
    deleted = [DELETED] if rows[DELETED].any() else []
    table = rows.select(*KEY, *columns, *known_at, ROW, *deleted, *keeps)
    return table.sort(*KEY, ROW, *(KNOWN_AT for _ in known_at), nulls_last=False) if known_at else table
