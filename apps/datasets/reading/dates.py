"""Text -> points in time. One format must fit every row of a column; where two fit differently we ask."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from apps.datasets.reading.contracts import NAMED_ROWS, Cell, Option, Problem, Question, Unreadable, shorten
from apps.datasets.reading.numbers import clean

CLOCKS = (
    ("", "", ""),
    (" HH:MM", r"[T ]+\d{1,2}:\d{2}", "%H:%M"),
    (" HH:MM:SS", r"[T ]+\d{1,2}:\d{2}:\d{2}(?:\.\d{1,9})?", "%H:%M:%S%.f"),
    (" HH:MM AM", r"[T ]+\d{1,2}:\d{2} ?[AaPp][Mm]", "%I:%M %p"),
    (" HH:MM:SS AM", r"[T ]+\d{1,2}:\d{2}:\d{2} ?[AaPp][Mm]", "%I:%M:%S %p"),
)
_DAYS = (
    ("YYYY-MM-DD", r"\d{4}-\d{1,2}-\d{1,2}", "%Y-%m-%d"),
    ("YYYY/MM/DD", r"\d{4}/\d{1,2}/\d{1,2}", "%Y/%m/%d"),
    ("YYYY.MM.DD", r"\d{4}\.\d{1,2}\.\d{1,2}", "%Y.%m.%d"),
    ("YYYYMMDD", r"(?:1[5-9]|2[01])\d{6}", "%Y%m%d"),
    ("D/M/YYYY", r"\d{1,2}/\d{1,2}/\d{4}", "%d/%m/%Y"),
    ("M/D/YYYY", r"\d{1,2}/\d{1,2}/\d{4}", "%m/%d/%Y"),
    ("D-M-YYYY", r"\d{1,2}-\d{1,2}-\d{4}", "%d-%m-%Y"),
    ("M-D-YYYY", r"\d{1,2}-\d{1,2}-\d{4}", "%m-%d-%Y"),
    ("D.M.YYYY", r"\d{1,2}\.\d{1,2}\.\d{4}", "%d.%m.%Y"),
    ("D/M/YY", r"\d{1,2}/\d{1,2}/\d{2}", "%d/%m/%y"),
    ("M/D/YY", r"\d{1,2}/\d{1,2}/\d{2}", "%m/%d/%y"),
    ("YY/M/D", r"\d{2}/\d{1,2}/\d{1,2}", "%y/%m/%d"),
    ("D-M-YY", r"\d{1,2}-\d{1,2}-\d{2}", "%d-%m-%y"),
    ("M-D-YY", r"\d{1,2}-\d{1,2}-\d{2}", "%m-%d-%y"),
    ("YY-M-D", r"\d{2}-\d{1,2}-\d{1,2}", "%y-%m-%d"),
    ("D.M.YY", r"\d{1,2}\.\d{1,2}\.\d{2}", "%d.%m.%y"),
    ("D Mon YYYY", r"\d{1,2} [A-Za-z]+ \d{4}", "%d %b %Y"),
    ("D-Mon-YYYY", r"\d{1,2}-[A-Za-z]+-\d{4}", "%d-%b-%Y"),
    ("D-Mon-YY", r"\d{1,2}-[A-Za-z]+-\d{2}", "%d-%b-%y"),
    ("Mon D, YYYY", r"[A-Za-z]+ \d{1,2}, \d{4}", "%b %d, %Y"),
)
ZONE = r"(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))"


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """A way of writing time: ``pattern`` fits a whole cell; ``parse`` gives times, None where invalid."""

    name: str
    pattern: str
    parse: Callable[[pl.Series], pl.Series]
    integer: bool = False


def _timestamps(pattern: str, prefix: str = "", suffix: str = "") -> Callable[[pl.Series], pl.Series]:
    def parse(texts: pl.Series) -> pl.Series:
        frame = texts.to_frame("t").select(
            pl.concat_str(pl.lit(prefix), pl.col("t"), pl.lit(suffix)).alias("t")
        )
        return frame["t"].str.to_datetime(pattern, strict=False, time_unit="us")

    return parse


def _clocked(day: str, clock: str) -> Callable[[pl.Series], pl.Series]:
    def parse(texts: pl.Series) -> pl.Series:
        plain = texts.str.replace(ZONE + "$", "").str.replace(r"(\d)[T ]+(\d{1,2}:)", "${1} ${2}")
        return plain.str.replace(r"(\d) ?([AaPp][Mm])$", "${1} ${2}").str.to_datetime(
            f"{day} {clock}", strict=False, time_unit="us"
        )

    return parse


def _quarters(texts: pl.Series) -> pl.Series:
    year = texts.str.extract(r"(\d{4})")
    quarter = texts.str.extract(r"[Qq]([1-4])").cast(pl.Int64)
    frame = pl.DataFrame({"year": year, "month": ((quarter - 1) * 3 + 1).cast(pl.String)})
    joined = frame.select(pl.concat_str("year", pl.lit("-"), "month", pl.lit("-1"))).to_series()
    return joined.str.to_datetime("%Y-%m-%d", strict=False, time_unit="us")


def _unix_seconds(texts: pl.Series) -> pl.Series:
    return pl.from_epoch(texts.cast(pl.Int64, strict=False), time_unit="s").cast(pl.Datetime("us"))


def _build_formats() -> dict[str, TimeFormat]:
    formats = []
    for name, shape, day in _DAYS:
        for label, clock_shape, clock in CLOCKS:
            parse = _clocked(day, clock) if clock else _timestamps(day)
            zone = ZONE + "?" if clock else ""
            formats.append(TimeFormat(name + label, f"^{shape}{clock_shape}{zone}$", parse))
    formats += [
        TimeFormat("YYYY-MM", r"^\d{4}-\d{1,2}$", _timestamps("%Y-%m-%d", suffix="-1")),
        TimeFormat("YYYY/MM", r"^\d{4}/\d{1,2}$", _timestamps("%Y/%m-%d", suffix="-1")),
        TimeFormat("MM/YYYY", r"^\d{1,2}/\d{4}$", _timestamps("%d-%m/%Y", prefix="1-")),
        TimeFormat("Mon YYYY", r"^[A-Za-z]+ \d{4}$", _timestamps("%d-%b %Y", prefix="1-")),
        TimeFormat("Mon-YYYY", r"^[A-Za-z]+-\d{4}$", _timestamps("%d-%b-%Y", prefix="1-")),
        TimeFormat("Mon-YY", r"^[A-Za-z]+-\d{2}$", _timestamps("%d-%b-%y", prefix="1-")),
        TimeFormat("YYYY-Qn", r"^\d{4}[- ]?[Qq][1-4]$", _quarters),
        TimeFormat("Qn YYYY", r"^[Qq][1-4][- /]\d{4}$", _quarters),
        TimeFormat("YYYY-Www", r"^\d{4}-W\d{2}$", _timestamps("%G-W%V-%u", suffix="-1")),
        TimeFormat("YYYY", r"^(?:1[5-9]|2[01])\d{2}$", _timestamps("%Y-%m-%d", suffix="-1-1")),
        TimeFormat("Unix seconds", r"^\d{9,10}$", _unix_seconds),
        TimeFormat(
            "whole numbers",
            r"^[-+]?\d{1,15}$",
            lambda texts: texts.cast(pl.Int64, strict=False),
            integer=True,
        ),
    ]
    return {item.name: item for item in formats}


FORMATS = _build_formats()
CERTAIN_OVER_INTEGERS = ("YYYYMMDD", "YYYY")


def looks_like_time(texts: pl.Series) -> bool:
    """Whether most of a sample's filled cells are dates (plain integers are not taken for time here)."""
    filled = clean(texts).drop_nulls().unique()
    if filled.len() == 0:
        return False
    formats = [item for item in FORMATS.values() if not item.integer and item.name != "Unix seconds"]
    matching = max(int(filled.str.contains(item.pattern).sum()) for item in formats)
    return matching > filled.len() / 2


def looks_like_integers(texts: pl.Series) -> bool:
    """Whether all filled cells are whole numbers."""
    filled = clean(texts).drop_nulls()
    return filled.len() > 0 and bool(filled.str.contains(FORMATS["whole numbers"].pattern).all())


def decide(name: str, filled: pl.Series, rows: pl.Series, allowed: list[TimeFormat]) -> TimeFormat:
    """The one format that all cells fit; raises ``Unreadable`` naming the rows that do not, or with a question."""
    distinct = filled.unique(maintain_order=True)
    fitting = [item for item in allowed if _fits(distinct, item)]
    if any(item.name in CERTAIN_OVER_INTEGERS for item in fitting):
        fitting = [item for item in fitting if not item.integer]
    if not fitting:
        raise Unreadable(problems=faults(name, filled, rows, allowed))
    fitting = _different_readings(distinct, fitting)
    if len(fitting) > 1:
        raise Unreadable(questions=(_question(name, filled, rows, fitting),))
    return fitting[0]


def offsets(texts: pl.Series) -> pl.Series:
    """Each text's offset from UTC in seconds (0 for Z and UTC); None where it has none."""
    zones = texts.str.extract(f"({ZONE})$").str.strip_chars()
    sign = pl.when(pl.col("z").str.starts_with("-")).then(-1).otherwise(1)
    hours = pl.col("z").str.extract(r"[+-](\d{2})").cast(pl.Int64)
    minutes = pl.col("z").str.extract(r"[+-]\d{2}:?(\d{2})").cast(pl.Int64)
    seconds = pl.when(pl.col("z").is_in(["Z", "UTC"])).then(0).otherwise(sign * (hours * 3600 + minutes * 60))
    with_clock = texts.str.contains(r"\d:\d{2}")
    frame = pl.DataFrame({"z": zones, "clock": with_clock})
    return frame.select(pl.when("clock").then(seconds).cast(pl.Int64).alias("offset")).to_series()


def refuse_half_zoned(name: str, found: pl.Series, rows: pl.Series) -> None:
    """Raise ``Unreadable``: some times have an offset and some have none, so nobody knows how they relate."""
    without = rows.filter(found.is_null())
    row = int(without[0]) if without.len() else int(rows[0])
    raise Unreadable(
        problems=(
            Problem(
                code="mixed_time_zones",
                message=f"Row {row}, column “{shorten(name)}”: the time zone is missing, but other rows have one.",
                fix="Write all times with their offset, or all without.",
                rows=(row,),
                column=name,
                count=max(without.len(), 1),
            ),
        )
    )


def refuse_missing(filled: pl.Series, rows: pl.Series, name: str) -> None:
    """Raise ``Unreadable`` where a time is missing."""
    missing = rows.filter(filled.is_null())
    if missing.len():
        raise Unreadable(
            problems=(
                Problem(
                    code="missing_time",
                    message=f"Row {missing[0]}, column “{shorten(name)}”: "
                    f"the time is missing ({missing.len():,} rows).",
                    fix="Fill in the time or remove the row.",
                    rows=tuple(missing.head(NAMED_ROWS).to_list()),
                    column=name,
                    count=missing.len(),
                ),
            )
        )


def _fits(distinct: pl.Series, item: TimeFormat) -> bool:
    if not re.match(item.pattern, str(distinct[0])) or not distinct.str.contains(item.pattern).all():
        return False
    return item.parse(distinct).null_count() == 0


def _different_readings(distinct: pl.Series, fitting: list[TimeFormat]) -> list[TimeFormat]:
    readings: list[tuple[TimeFormat, pl.Series]] = []
    for item in fitting:
        values = item.parse(distinct)
        if not any(values.dtype == earlier.dtype and values.equals(earlier) for _, earlier in readings):
            readings.append((item, values))
    return [item for item, _ in readings]


def _question(name: str, filled: pl.Series, rows: pl.Series, fitting: list[TimeFormat]) -> Question:
    first, second = fitting[0].parse(filled), fitting[1].parse(filled)
    differs = first.cast(pl.String) != second.cast(pl.String)
    position = int(differs.arg_max() or 0)
    text, row = filled[position], int(rows[position])
    options = tuple(
        Option(item.name, item.name, f"{text} = {_spoken(item, filled[position : position + 1])}")
        for item in fitting
    )
    return Question(
        key=f"format:{name}",
        code="time_format_unclear",
        message=f"Column “{shorten(name)}” fits {' and '.join(item.name for item in fitting)} in every row: "
        f"what is “{text}” (row {row})?",
        options=options,
        column=name,
        rows=(row,),
    )


def _spoken(item: TimeFormat, texts: pl.Series) -> str:
    value = item.parse(texts)
    return str(value[0]) if item.integer else str(value.dt.strftime("%-d %B %Y")[0])


def faults(
    name: str, filled: pl.Series, rows: pl.Series, allowed: list[TimeFormat], *, first_row: int | None = None
) -> tuple[Problem, ...]:
    """What keeps the column from being times; ``first_row`` is one before these rows that was read well."""
    distinct = filled.unique(maintain_order=True)
    best = max(allowed, key=lambda item: _valid_count(distinct, item))
    if _valid_count(distinct, best) == 0:
        best_name, wrong = "", pl.repeat(value=True, n=filled.len(), eager=True)
    else:
        valid = distinct.filter(_valid(distinct, best))
        best_name, wrong = best.name, ~filled.is_in(valid.implode())
    texts, where, count = filled.filter(wrong), rows.filter(wrong), int(wrong.sum())
    good = [first_row] if first_row else rows.filter(~wrong).head(1).to_list()
    pairs = zip(texts.head(NAMED_ROWS).to_list(), where.head(NAMED_ROWS).to_list(), strict=True)
    return tuple(_fault(Cell(name, text, row, count), best_name, good) for text, row in pairs)


def _valid(distinct: pl.Series, item: TimeFormat) -> pl.Series:
    return distinct.str.contains(item.pattern) & item.parse(distinct).is_not_null()


def _valid_count(distinct: pl.Series, item: TimeFormat) -> int:
    if not distinct.head(1000).str.contains(item.pattern).any():
        return 0
    return int(_valid(distinct, item).sum())


def _fault(cell: Cell, best: str, good: list[int]) -> Problem:
    alone = pl.Series([cell.text])
    other = next((item.name for item in FORMATS.values() if _fits(alone, item)), None)
    if good and other:
        return cell.problem(
            "mixed_time_formats",
            f"is written as {other}, but row {good[0]} as {best}.",
            f"Write every time of the column as {best}.",
        )
    return cell.problem(
        "not_a_time",
        f"is not a valid {best}." if good else "is not a date or time that can be read.",
        "Write dates as YYYY-MM-DD (with HH:MM if needed), or number the periods 1, 2, 3, …",
    )
