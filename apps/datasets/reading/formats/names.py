"""Names of columns that are not read from a line of text."""

from __future__ import annotations

from collections.abc import Sequence

from apps.datasets.reading.contracts import refuse, shorten

MAX_COLUMNS = 20_000


def checked_names(names: Sequence[str], rows: tuple[int, ...] = ()) -> tuple[str, ...]:
    """``names`` trimmed, each filled and its own; ``rows``: where they stand. Raises ``Unreadable``."""
    refuse_too_many(len(names), rows)
    found = tuple(name.strip() or f"column_{position}" for position, name in enumerate(names, start=1))
    places: dict[str, int] = {}
    for position, name in enumerate(found, start=1):
        if (earlier := places.setdefault(name, position)) != position:
            raise refuse(
                "duplicate_column",
                f"Columns {earlier} and {position} are both called “{shorten(name)}”.",
                "Give each column a name of its own.",
                rows=rows,
                column=name,
            )
    return found


def refuse_too_many(count: int, rows: tuple[int, ...] = ()) -> None:
    """Raise ``Unreadable`` when there are more columns than are read."""
    if count > MAX_COLUMNS:
        raise refuse(
            "too_many_columns",
            f"The file has {count:,} columns; at most {MAX_COLUMNS:,} are read.",
            "Use the long format: one row per series and time.",
            rows=rows,
        )
