"""Looking into stored points: what needs a child to read them, and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.datasets.models import DatasetVersion
from apps.datasets.services import files
from apps.datasets.services.changes import ask, told

MAX_LISTED = 200
MAX_POINTS = 2_000


def diff(*, older: DatasetVersion, newer: DatasetVersion) -> dict[str, Any]:
    """What rows ``newer`` has more, other and less than ``older``: totals, by series, and a few examples."""
    with files.entries(older) as before, files.entries(newer) as after:
        said = told(after, newer)
        return ask("points.diff", {**said, "before": [entry.to_json() for entry in before]})


def list_series(
    *, version: DatasetVersion, query: str = "", offset: int = 0, limit: int = 50
) -> dict[str, Any]:
    """``{"series": [{unique_id, points, first_ds, last_ds}], "total"}`` of those whose name holds ``query``."""
    with files.entries(version) as entries:
        window = {"query": query, "offset": offset, "limit": min(limit, MAX_LISTED)}
        return ask("points.list_series", {**told(entries, version), **window})


def read_series(*, version: DatasetVersion, series: Sequence[str], limit: int = MAX_POINTS) -> dict[str, Any]:
    """``{"series": [{unique_id, ds, y, …}]}``: the newest ``limit`` points of each named series."""
    with files.entries(version) as entries:
        return ask("points.series", {**told(entries, version), "series": list(series), "limit": limit})
