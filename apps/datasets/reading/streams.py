"""Columns read piece by piece: how they are written is decided on the first pieces, and holds for all that follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from apps.datasets.reading import dates, numbers
from apps.datasets.reading.contracts import NAMED_ROWS, Cell, Problem, Unreadable, shorten
from apps.datasets.reading.dates import TimeFormat

MOST_FAULTS: Final = 0.05  # of a column's filled cells; beyond, it is the wrong column
KEPT_FAULTS: Final = 10_000
MISSING_ROWS: Final = 1_000

# A pair of a column's cells and their rows, from the beginning of the file, as often as asked.
Pieces = Callable[[], Iterator[tuple[pl.Series, pl.Series]]]


@dataclass(slots=True)
class Fault:
    """Cells that are no number: kept with their rows until the series are known."""

    rows: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)


class NumberColumn:
    """Floats with NaN for missing. A few cells that are no number are noted and left missing; many refuse the column."""

    def __init__(self, name: str, pieces: Pieces, choice: str | None) -> None:
        self.name, self.faults, self.filled, self.wrong = name, Fault(), 0, 0
        self.said: tuple[str, ...] = ()
        self._format: numbers.NumberFormat | None = None
        self._flags = False
        self._problems: list[Problem] = []
        self._decide(pieces, choice)

    def read(self, cells: pl.Series, rows: pl.Series) -> NDArray[np.float64]:
        """The piece's numbers."""
        if cells.dtype == pl.Boolean:
            return cells.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        if cells.dtype.is_numeric():
            return self._typed(cells.cast(pl.Float64), rows)
        return self._texts(cells.cast(pl.String).fill_null(""), rows)

    def finish(self) -> None:
        """Raises ``Unreadable`` where more cells were no number than a good column has."""
        if self.wrong > MOST_FAULTS * self.filled:
            raise Unreadable(problems=tuple(self._problems[:NAMED_ROWS]))

    def _decide(self, pieces: Pieces, choice: str | None) -> None:
        fitting = [numbers.FORMATS[choice]] if choice in numbers.FORMATS else list(numbers.FORMATS.values())
        question: Unreadable | None = None
        for cells, rows in pieces():
            if cells.dtype != pl.String:
                return
            if numbers.clean(cells).drop_nulls().len() == 0:
                continue
            if numbers.looks_like_flag(cells):
                self._flags = True
                self.said = (f"Column “{shorten(self.name)}”: true/yes is read as 1 and false/no as 0.",)
                return
            try:
                self._choose(numbers.decide(cells.alias(self.name), rows, fitting, MOST_FAULTS))
            except Unreadable as found:
                if found.problems:
                    raise
                question = question or found
                fitting = [numbers.FORMATS[item.value] for item in found.questions[0].options]
                continue
            return
        if question is not None:
            raise question

    def _choose(self, chosen: numbers.NumberFormat) -> None:
        self._format = chosen
        if chosen.name != "1234.5":
            self.said = (f"Column “{shorten(self.name)}”: numbers are read as in {chosen.name}.",)

    def _typed(self, values: pl.Series, rows: pl.Series) -> NDArray[np.float64]:
        infinite = values.is_infinite().fill_null(value=False)
        self.filled += values.len() - values.null_count()
        if infinite.any():
            self._note(values.cast(pl.String), rows, infinite)
            values = values.to_frame("v").select(pl.when(~infinite).then(pl.col("v"))).to_series()
        return values.fill_null(float("nan")).to_numpy()

    def _texts(self, cells: pl.Series, rows: pl.Series) -> NDArray[np.float64]:
        filled = numbers.clean(cells)
        self.filled += filled.len() - filled.null_count()
        if self._flags:
            values = filled.str.to_lowercase().replace_strict(
                numbers.FLAGS, default=None, return_dtype=pl.Float64
            )
        else:
            chosen = self._format or numbers.FORMATS["1234.5"]
            values = chosen.parse(filled)
            # A plain parse takes words such as inf; the pattern is asked only where something is odd.
            odd = values.is_infinite() | values.is_nan()
            if odd.any():
                values = values.to_frame("v").select(pl.when(~odd).then(pl.col("v"))).to_series()
        wrong = filled.is_not_null() & values.is_null()
        if self._format is not None and self._format.name != "1234.5":
            # What another format writes may parse as well, with another meaning.
            wrong = wrong | ~filled.str.contains(self._format.pattern).fill_null(value=True)
            values = values.to_frame("v").select(pl.when(~wrong).then(pl.col("v"))).to_series()
        if wrong.any():
            self._note(filled, rows, wrong)
        return values.fill_null(float("nan")).to_numpy()

    def _note(self, texts: pl.Series, rows: pl.Series, wrong: pl.Series) -> None:
        bad, where = texts.filter(wrong), rows.filter(wrong)
        self.wrong += bad.len()
        room = max(KEPT_FAULTS - len(self.faults.rows), 0)
        for text, row in zip(bad.head(room).to_list(), where.head(room).to_list(), strict=True):
            cell = Cell(self.name, text, row, self.wrong)
            problem = numbers.fault_of(cell, self._format or numbers.FORMATS["1234.5"])
            self.faults.rows.append(row)
            self.faults.texts.append(shorten(text))
            self.faults.codes.append("non_finite" if problem.code == "not_finite" else "wrong_type")
            if len(self._problems) < NAMED_ROWS:
                self._problems.append(problem)


class TimeColumn:
    """Times as datetime64[us] or int64; the format is one for all rows."""

    def __init__(self, name: str, pieces: Pieces, choice: str | None) -> None:
        self.name = name
        self.said: list[str] = []
        self.offsets: set[str] = set()
        self._format: TimeFormat | None = None
        self._first_row: int | None = None
        self._decide(pieces, choice)

    @property
    def is_integer(self) -> bool:
        """Whether the times are plain whole numbers."""
        return self._format is not None and self._format.integer

    def read(self, cells: pl.Series, rows: pl.Series) -> tuple[NDArray[np.generic], NDArray[np.int64] | None]:
        """The piece's times as written, and each one's offset from UTC in seconds where it has one."""
        if cells.dtype.is_temporal():
            return self._typed(cells, rows)
        filled = numbers.clean(cells.cast(pl.String).fill_null(""))
        dates.refuse_missing(filled, rows, self.name)
        distinct = filled.unique(maintain_order=True)
        assert self._format is not None
        parsed = self._format.parse(distinct)
        valid = distinct.str.contains(self._format.pattern) & parsed.is_not_null()
        if not valid.all():
            raise Unreadable(
                problems=dates.faults(self.name, filled, rows, [self._format], first_row=self._first_row)
            )
        lookup = pl.DataFrame({"text": distinct, "time": parsed, "offset": dates.offsets(distinct)})
        found = filled.to_frame("text").join(lookup, on="text", how="left", maintain_order="left")
        self._first_row = self._first_row or int(rows[0])
        return found["time"].to_numpy(), self._offset(found["offset"], rows)

    def _typed(
        self, cells: pl.Series, rows: pl.Series
    ) -> tuple[NDArray[np.generic], NDArray[np.int64] | None]:
        if cells.null_count():
            dates.refuse_missing(cells.cast(pl.String), rows, self.name)
        if isinstance(cells.dtype, pl.Datetime) and cells.dtype.time_zone:
            cells = cells.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
            self.offsets.add("UTC")
        return cells.cast(pl.Datetime("us")).to_numpy(), None

    def _offset(self, offsets: pl.Series, rows: pl.Series) -> NDArray[np.int64] | None:
        if offsets.null_count() == offsets.len():
            self.offsets.add("")
        else:
            self.offsets |= {"" if each is None else str(each) for each in offsets.unique().to_list()}
        if "" in self.offsets and len(self.offsets) > 1:
            dates.refuse_half_zoned(self.name, offsets, rows)
        return None if offsets.null_count() else offsets.to_numpy()

    def _decide(self, pieces: Pieces, choice: str | None) -> None:
        allowed = [dates.FORMATS[choice]] if choice in dates.FORMATS else list(dates.FORMATS.values())
        question: Unreadable | None = None
        for cells, rows in pieces():
            if cells.dtype.is_temporal():
                return
            filled = numbers.clean(cells.cast(pl.String).fill_null(""))
            dates.refuse_missing(filled, rows, self.name)
            try:
                self._format = dates.decide(self.name, filled, rows, allowed)
            except Unreadable as found:
                if found.problems:
                    raise
                question = question or found
                allowed = [dates.FORMATS[item.value] for item in found.questions[0].options]
                continue
            self.said.append(f"Column “{shorten(self.name)}”: time is read as {self._format.name}.")
            return
        if question is not None:
            raise question
