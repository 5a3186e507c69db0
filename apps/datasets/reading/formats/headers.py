"""Where the table of a sheet begins: titles and notes may stand above the names of its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_DATA = re.compile(r"[-+]?[\d.,/:' %-]*\d[\d.,/:' %-]*(?:[eE][-+]?\d+)?|true|false", re.IGNORECASE)
_MIDNIGHT = " 00:00:00"
MOST = 0.6
LONGEST = 40

Row = Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Head:
    """``row``: the header's, as Excel numbers it; ``cells``: what stands in it; ``has_data``: whether numbers follow.

    ``first_column`` is the sheet's column, from 0, in which ``cells`` begin.
    """

    row: int
    cells: tuple[str | None, ...]
    has_data: bool
    visible: bool
    first_column: int = 0

    def name(self, place: int) -> str:
        """The name of the column at ``place``, "" where there is none; a date without its midnight."""
        text = self.cells[place] if place < len(self.cells) else None
        return (text or "").strip().removesuffix(_MIDNIGHT)


def find_head(rows: Sequence[Row], *, visible: bool = True) -> Head | None:
    """The header of the first table in ``rows`` (text, None for empty), which begin with row 1; None without one.

    It is the first row that fills most of the width with words and has data below it; where no row does (the names of
    columns may be years), the first that fills most of the width.
    """
    filled = [position for position, row in enumerate(rows) if _count(row) > 0]
    widest = max((_count(rows[position]) for position in filled), default=0)
    wide = [
        (position, below)
        for position, below in pairwise(filled)
        if _count(rows[position]) >= max(2, MOST * widest) and _count(rows[below]) >= 2
    ]
    if not wide:
        return None
    named = (each for each in wide if not _data_cells(rows[each[0]]) and _data_cells(rows[each[1]]))
    position, below = next(named, wide[0])
    return Head(position + 1, tuple(rows[position]), _data_cells(rows[below]) > 0, visible)


def _count(row: Row) -> int:
    return sum(1 for cell in row if cell and cell.strip())


def _data_cells(row: Row) -> int:
    return sum(1 for cell in row if cell and len(cell) <= LONGEST and _DATA.fullmatch(cell.strip()))
