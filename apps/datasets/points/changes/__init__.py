"""What changes a version, and what changed between two."""

from __future__ import annotations

from apps.datasets.points.changes.compacting import compact
from apps.datasets.points.changes.deletes import Deletion, delete
from apps.datasets.points.changes.diffs import Diff, Difference, SeriesDiff, diff
from apps.datasets.points.changes.summaries import Summary, summary
from apps.datasets.points.changes.upserts import Unfit, Upsert, upsert

__all__ = [
    "Deletion",
    "Diff",
    "Difference",
    "SeriesDiff",
    "Summary",
    "Unfit",
    "Upsert",
    "compact",
    "delete",
    "diff",
    "summary",
    "upsert",
]
