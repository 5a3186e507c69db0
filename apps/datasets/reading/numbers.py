"""Text -> floats. The decimal and thousands signs are decided per column over all rows, or asked for."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from apps.datasets.reading.contracts import NAMED_ROWS, Cell, Option, Problem, Question, Unreadable, shorten

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "-", "—", ".", "nil"})
INFINITE = frozenset({"inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"})
FLAGS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "t": 1.0, "f": 0.0, "y": 1.0, "n": 0.0}
PROBE_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """``name`` shows one number written this way and is what the user chooses by."""

    name: str
    decimal: str
    thousands: str

    @property
    def pattern(self) -> str:
        """The regular expression of a whole cell."""
        decimal = "\\" + self.decimal
        digits = rf"(?:\d+|\d{{1,3}}(?:{self._thousands_class}\d{{3}})+)" if self.thousands else r"\d+"
        return rf"^[-+−]?(?:{digits}(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][-+]?\d{{1,3}})?$"

    @property
    def _thousands_class(self) -> str:
        return "[ \u00a0\u202f]" if self.thousands == " " else f"[{self.thousands}]"

    def parse(self, texts: pl.Series) -> pl.Series:
        """Floats; None where a text does not parse."""
        if self.thousands:
            texts = texts.str.replace_all(self._thousands_class, "")
        if self.decimal == ",":
            texts = texts.str.replace(",", ".", literal=True)
        return texts.str.replace("−", "-", literal=True).cast(pl.Float64, strict=False)


FORMATS = {
    item.name: item
    for item in (
        NumberFormat("1234.5", ".", ""),
        NumberFormat("1234,5", ",", ""),
        NumberFormat("1,234.5", ".", ","),
        NumberFormat("1.234,5", ",", "."),
        NumberFormat("1 234.5", ".", " "),
        NumberFormat("1 234,5", ",", " "),
        NumberFormat("1'234.5", ".", "'’"),
        NumberFormat("1'234,5", ",", "'’"),
    )
}


def clean(texts: pl.Series) -> pl.Series:
    """Trimmed text with every way of writing "missing" turned into None."""
    trimmed = texts.str.strip_chars()
    missing = trimmed.str.to_lowercase().is_in(list(MISSING))
    return trimmed.to_frame("t").select(pl.when(~missing).then(pl.col("t")).alias(texts.name)).to_series()


def looks_numeric(texts: pl.Series) -> bool:
    """Whether most of a sample's filled cells are numbers in some format."""
    filled = clean(texts).drop_nulls()
    return filled.len() > 0 and max(_matching(filled, item) for item in FORMATS.values()) > filled.len() / 2


def looks_like_flag(texts: pl.Series) -> bool:
    """Whether the filled cells are only words such as true and false."""
    words = clean(texts).drop_nulls().str.to_lowercase().unique()
    return 0 < words.len() <= 2 and words.is_in(list(FLAGS)).all()


def decide(cells: pl.Series, rows: pl.Series, allowed: list[NumberFormat], tolerance: float) -> NumberFormat:
    """The format of ``allowed`` in which the cells are written, where at most a share ``tolerance`` is no number at all.

    Raises ``Unreadable``: with rows where none fits, with a question where two read differently.
    """
    filled = clean(cells)
    present = filled.drop_nulls()
    fitting = [item for item in allowed if _fits(present, item)]
    if not fitting:
        best = max(allowed, key=lambda item: _matching(present, item))
        matching = _matching(present, best)
        if matching == 0 or present.len() - matching > tolerance * present.len():
            raise Unreadable(problems=_faults(cells.name, filled, rows, allowed))
        present = present.filter(present.str.contains(best.pattern))
        fitting = [item for item in allowed if _fits(present, item)]
    different = _different_readings(present, fitting)
    if len(different) > 1:
        raise Unreadable(questions=(_question(cells.name, filled, rows, different),))
    return fitting[0]


def fault_of(cell: Cell, expected: NumberFormat) -> Problem:
    """What is wrong with a cell of a column that is otherwise written as ``expected``."""
    if cell.text.lower() in INFINITE or _overflows(cell.text, expected):
        return _infinite(cell)
    return _fault(cell, expected, [])


def _overflows(text: str, expected: NumberFormat) -> bool:
    """A number too large for a float (1e999) would become infinite."""
    alone = pl.Series([text])
    return bool(alone.str.contains(expected.pattern).all())


def _fits(present: pl.Series, item: NumberFormat) -> bool:
    return (
        bool(present.head(PROBE_ROWS).str.contains(item.pattern).all())
        and _matching(present, item) == present.len()
    )


def _matching(present: pl.Series, item: NumberFormat) -> int:
    return int(present.str.contains(item.pattern).sum())


def _different_readings(present: pl.Series, fitting: list[NumberFormat]) -> list[NumberFormat]:
    """Those of ``fitting`` that give different numbers (two that agree on all rows are one reading)."""
    readings: list[tuple[NumberFormat, pl.Series]] = []
    for item in fitting:
        values = item.parse(present)
        if not any(values.equals(earlier) for _, earlier in readings):
            readings.append((item, values))
    return [item for item, _ in readings]


def _question(name: str, filled: pl.Series, rows: pl.Series, fitting: list[NumberFormat]) -> Question:
    first, second = fitting[0].parse(filled), fitting[1].parse(filled)
    position = int((first != second).fill_null(value=False).arg_max() or 0)
    text = filled[position]
    options = tuple(
        Option(
            item.name,
            f"as in {item.name}",
            f"{text} = {_plain(item.parse(filled[position : position + 1])[0])}",
        )
        for item in fitting
    )
    return Question(
        key=f"format:{name}",
        code="number_format_unclear",
        message=f"Column “{shorten(name)}” can be read in {len(fitting)} ways: "
        f"does “{text}” (row {rows[position]}) have a decimal or a thousands sign?",
        options=options,
        column=name,
        rows=(int(rows[position]),),
    )


def _plain(value: float) -> str:
    return f"{value:.15g}"


def _faults(
    name: str, filled: pl.Series, rows: pl.Series, allowed: list[NumberFormat]
) -> tuple[Problem, ...]:
    """What keeps the column from being numbers: two ways of writing them, or cells that are no number."""
    present = filled.drop_nulls()
    best = max(allowed, key=lambda item: _matching(present, item))
    wrong = filled.is_not_null() & ~filled.str.contains(best.pattern).fill_null(value=False)
    texts, where, count = filled.filter(wrong), rows.filter(wrong), int(wrong.sum())
    good_row = rows.filter(filled.str.contains(best.pattern).fill_null(value=False)).head(1).to_list()
    cells = zip(texts.head(NAMED_ROWS).to_list(), where.head(NAMED_ROWS).to_list(), strict=True)
    return tuple(_fault(Cell(name, text, row, count), best, good_row) for text, row in cells)


def _fault(cell: Cell, best: NumberFormat, good_row: list[int]) -> Problem:
    if cell.text.lower() in INFINITE:
        return _infinite(cell)
    alone = pl.Series([cell.text])
    other = next((item for item in FORMATS.values() if alone.str.contains(item.pattern).all()), None)
    if other is not None and good_row:
        return cell.problem(
            "mixed_number_formats",
            f"is written as in {other.name}, but row {good_row[0]} as in {best.name}.",
            "Write all numbers of the column in the same way.",
        )
    return cell.problem(
        "not_a_number",
        "is not a number.",
        "Write a plain number without unit or currency, or leave the cell empty if the value is missing.",
    )


def _infinite(cell: Cell) -> Problem:
    return cell.problem(
        "not_finite",
        "is not a finite number.",
        "Write the real value, or leave the cell empty if it is missing.",
    )
