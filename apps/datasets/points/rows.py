"""Rows that a customer sends -> a table, or what is wrong with them, each fault named by row and field."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl

from apps.datasets.points.parts import KEEPS, KEY, MOMENT, ROW
from apps.datasets.reading.build import MAX_SERIES_ID
from apps.datasets.reading.contracts import shorten

NAMED_PROBLEMS: Final = 20
MAX_ROWS: Final = 1_000_000
_ISO: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)
_SMALLEST, _LARGEST = -(1 << 63), (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A fault: a JSON pointer into the rows, the row's number from 1, a code, and a sentence."""

    pointer: str
    row: int | None
    code: str
    detail: str

    def to_json(self) -> dict[str, Any]:
        """The problem as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Sent:
    """``table`` with the ``columns`` that it gives, as ``changes.upsert`` takes it; or the first 20 of ``count`` problems."""

    table: pl.DataFrame | None
    columns: tuple[str, ...] = ()
    problems: tuple[RowProblem, ...] = ()
    count: int = 0


class Wrong(Exception):
    """A field that cannot be taken."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Times:
    """How ``ds`` is written: as an integer, or as ISO text; an offset is turned into the clock of ``zone``."""

    integer: bool
    zone: str = "UTC"

    def read(self, given: Any) -> datetime | int:
        """The time that is meant; raises ``Wrong``."""
        return self._integer(given) if self.integer else self._time(given)

    def _integer(self, given: Any) -> int:
        if type(given) is not int:
            raise Wrong("wrong_type", f"ds is {shown(given)}; times of this data set are whole numbers.")
        if not _SMALLEST <= given <= _LARGEST:
            raise Wrong("too_large", f"ds is {shown(given)}; write a number of at most 64 bits.")
        return given

    def _time(self, given: Any) -> datetime:
        advice = "write a date as 2026-01-31 or 2026-01-31T10:00, with Z or an offset if you like."
        if not isinstance(given, str):
            raise Wrong("wrong_type", f"ds is {shown(given)}; {advice}")
        if not _ISO.fullmatch(given):
            raise Wrong("not_a_time", f"ds is {shown(given)}; {advice}")
        try:
            return self._wall(datetime.fromisoformat(given))
        except (ValueError, OverflowError) as error:
            raise Wrong("not_a_time", f"ds is {shown(given)}, which no calendar has; {advice}") from error

    def _wall(self, at: datetime) -> datetime:
        return at.astimezone(ZoneInfo(self.zone or "UTC")).replace(tzinfo=None) if at.tzinfo else at


def shown(given: Any) -> str:
    """What was given, as JSON has it, shortened."""
    return shorten(json.dumps(given, ensure_ascii=False, default=str)[:400])


def from_list(
    rows: Any, *, columns: Sequence[str], times: Times, pointer: str = "", limit: int = MAX_ROWS
) -> Sent:
    """The table of a JSON array of objects with unique_id, ds and any of ``columns``."""
    if not isinstance(rows, list):
        return _refused(RowProblem(pointer, None, "not_a_list", "Send the rows as a list of objects."))
    if len(rows) > limit:
        return _refused(too_many(pointer, limit))
    reader = _Reader(columns, times, pointer)
    for number, row in enumerate(rows, 1):
        reader.take(number, number - 1, row)
    return reader.sent()


def from_file(
    path: Path, *, columns: Sequence[str], times: Times, pointer: str = "", limit: int = MAX_ROWS
) -> Sent:
    """The table of a file: Parquet as the reader of uploads writes it (``.parquet``), else NDJSON."""
    if path.suffix == ".parquet":
        from apps.datasets.points import row_files

        return row_files.from_parquet(path, columns=columns, integer=times.integer, limit=limit)
    reader = _Reader(columns, times, pointer)
    for position, (number, row) in enumerate(_lines(path)):
        if position == limit:
            return _refused(too_many(pointer, limit))
        reader.take(number, position, row)
    return reader.sent()


def too_many(pointer: str, limit: int) -> RowProblem:
    """The problem of more rows than one change may have."""
    return RowProblem(
        pointer,
        None,
        "too_many_rows",
        f"More than {limit:,} rows; send them in several requests or as a file.",
    )


def _refused(problem: RowProblem) -> Sent:
    return Sent(None, problems=(problem,), count=1)


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, _parsed(line)


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return Wrong("not_json", f"The line is no JSON: {shorten(line[:200].decode(errors='replace'))}.")


class _Reader:
    """Takes rows one by one; keeps what is right and notes what is wrong."""

    def __init__(self, columns: Sequence[str], times: Times, pointer: str) -> None:
        self._columns = tuple(columns)
        self._times = times
        self._pointer = pointer
        self._ids: list[str] = []
        self._ds: list[datetime | int] = []
        self._numbers: list[int] = []
        self._values: dict[str, list[float | None]] = {name: [] for name in columns}
        self._keeps: dict[str, list[bool]] = {name: [] for name in columns}
        self._problems: list[RowProblem] = []
        self._count = 0

    def take(self, number: int, position: int, row: Any) -> None:
        """One row: its number for people, its position in the list."""
        where = f"{self._pointer}/{position}"
        if isinstance(row, Wrong):
            self._note(where, number, row)
        elif not isinstance(row, dict):
            self._note(
                where, number, Wrong("not_an_object", f"The row is {shown(row)}; it must be an object.")
            )
        else:
            self._take_fields(number, where, row)

    def sent(self) -> Sent:
        """What came of it."""
        if self._count:
            return Sent(None, problems=tuple(self._problems), count=self._count)
        given = tuple(name for name in self._columns if not all(self._keeps[name]))
        partly = [name for name in given if any(self._keeps[name])]
        ds = pl.Series(self._ds, dtype=pl.Int64 if self._times.integer else MOMENT)
        table = {"unique_id": pl.Series(self._ids, dtype=pl.String), "ds": ds}
        table |= {name: pl.Series(self._values[name], dtype=pl.Float64) for name in given}
        table |= {KEEPS + name: pl.Series(self._keeps[name], dtype=pl.Boolean) for name in partly}
        return Sent(pl.DataFrame(table | {ROW: pl.Series(self._numbers, dtype=pl.Int64)}), given)

    def _take_fields(self, number: int, where: str, row: dict[str, Any]) -> None:
        before = self._count
        for name in row:
            if name not in KEY and name not in self._values:
                has = ", ".join([*KEY, *self._columns])
                detail = f"There is no column “{shorten(name)}”; there are {shorten(has)}."
                self._note(f"{where}/{_escaped(name)}", number, Wrong("unknown_column", detail))
        if not any(name in row for name in self._columns):
            detail = f"The row gives no value; give one of {shorten(', '.join(self._columns))}."
            self._note(where, number, Wrong("nothing_given", detail))
        fields: dict[str, Any] = {}
        for name, read in self._fields():
            if name in KEY or name in row:
                try:
                    fields[name] = read(row.get(name))
                except Wrong as wrong:
                    self._note(f"{where}/{_escaped(name)}", number, wrong)
        if self._count == before:
            self._keep(number, fields)

    def _fields(self) -> Iterable[tuple[str, Any]]:
        yield "unique_id", series_id
        yield "ds", self._times.read
        for name in self._columns:
            yield name, lambda given, name=name: value(name, given)

    def _keep(self, number: int, fields: dict[str, Any]) -> None:
        self._numbers.append(number)
        self._ids.append(fields["unique_id"])
        self._ds.append(fields["ds"])
        for name in self._columns:
            self._values[name].append(fields.get(name))
            self._keeps[name].append(name not in fields)

    def _note(self, pointer: str, row: int, wrong: Wrong) -> None:
        self._count += 1
        if len(self._problems) < NAMED_PROBLEMS:
            self._problems.append(RowProblem(pointer, row, wrong.code, f"Row {row}: {wrong.detail}"))


def series_id(given: Any) -> str:
    """The series that is meant; a whole number is taken for its text. Raises ``Wrong``."""
    if type(given) is int:
        given = str(given)
    if given is None or (isinstance(given, str) and not given.strip()):
        raise Wrong("missing_series", "unique_id is missing; name the series.")
    if not isinstance(given, str):
        raise Wrong("wrong_type", f"unique_id is {shown(given)}; it must be text.")
    name = given.strip()
    if len(name) > MAX_SERIES_ID:
        raise Wrong(
            "series_name_too_long", f"unique_id {shown(name)} has more than {MAX_SERIES_ID} characters."
        )
    if not name.isprintable():
        raise Wrong("unprintable_series", f"unique_id {shown(name)} holds characters that cannot be written.")
    return name


def value(column: str, given: Any) -> float | None:
    """A finite number, or None for no value; of a covariate also true (1) and false (0). Raises ``Wrong``."""
    if given is None:
        return None
    if isinstance(given, bool) and column != "y":
        return float(given)
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise Wrong("not_a_number", f"{column} is {shown(given)}; write a number, or null for no value.")
    try:
        number = float(given)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Wrong("not_finite", f"{column} is {shown(given)}; write a finite number, or null for no value.")
    return number


def utc(text: str) -> datetime:
    """A moment written as ISO text, in UTC (assumed where it has no offset)."""
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _escaped(name: str) -> str:
    return name[:200].replace("~", "~0").replace("/", "~1")
