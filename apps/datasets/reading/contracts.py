"""What a reading says: plain frozen records that travel as JSON from the child to the web process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from apps.datasets.doctor.contracts import Finding

SHOWN_CHARACTERS = 40
NAMED_ROWS = 5


def shorten(value: str) -> str:
    """``value`` on one line and at most 40 characters, so that it can stand inside a message."""
    flat = " ".join(value.split())
    return flat if len(flat) <= SHOWN_CHARACTERS else flat[: SHOWN_CHARACTERS - 1] + "…"


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault that keeps the file from being read.

    ``rows`` are lines of the file as an editor numbers them (the header is row 1), the first of ``count``.
    ``message`` states what and why, ``fix`` what to change.
    """

    code: str
    message: str
    fix: str
    rows: tuple[int, ...] = ()
    column: str | None = None
    value: str | None = None
    count: int = 1

    @property
    def row(self) -> int | None:
        """The first row concerned."""
        return self.rows[0] if self.rows else None


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell at fault: its column, text and line, and how many cells of the column share the fault."""

    column: str
    text: str
    row: int
    count: int = 1

    def problem(self, code: str, ending: str, fix: str) -> Problem:
        """The problem “Row 7, column “y”: “closed” <ending>”."""
        message = f"Row {self.row}, column “{shorten(self.column)}”: “{shorten(self.text)}” {ending}"
        return Problem(code, message, fix, (self.row,), self.column, shorten(self.text), self.count)


@dataclass(frozen=True, slots=True)
class Option:
    """One answer to a question: what it is called and how an example of the file reads under it."""

    value: str
    label: str
    example: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """Something the file leaves open: read either way it would be valid, so the user has to say.

    ``key`` is the name under which the answer goes into ``Mapping.choices``, such as ``"format:date"``.
    """

    key: str
    code: str
    message: str
    options: tuple[Option, ...]
    column: str | None = None
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column as found; kind: ``time``, ``number``, ``flag``, ``text`` or ``empty``."""

    name: str
    position: int
    kind: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Which column plays which part, and the answers to questions.

    ``series`` may name several columns (joined with `` / ``) or none (the file is one series). ``covariates`` are known
    for the future (a price, a holiday), ``past`` only up to now (the weather as measured); ``static`` columns say the
    same in all rows of a series; ``hierarchy`` names the static ones by which series add up, the widest first;
    ``known_at`` says when each row became known. ``layout``: ``long``; ``wide`` (each column of ``values`` is a series,
    called by its header, and ``value`` is empty); ``across`` (each column of ``values`` is a time, and a row is a
    series). ``timezone`` is the zone in which times without an offset were written, "" where none was named.
    ``choices`` holds ``encoding``, ``delimiter``, ``sheet`` and ``format:<column>``.
    """

    time: str
    value: str
    series: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    hierarchy: tuple[str, ...] = ()
    known_at: str = ""
    layout: str = "long"
    values: tuple[str, ...] = ()
    timezone: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ColumnMapping:
        """The mapping that ``to_json`` wrote; what an older program did not write has its default."""
        texts: dict[str, Any] = {
            name: str(data.get(name) or "") for name in ("time", "value", "known_at", "timezone")
        }
        lists: dict[str, Any] = {
            name: tuple(str(each) for each in data.get(name) or ())
            for name in ("series", "covariates", "past", "static", "hierarchy", "values")
        }
        choices = {str(key): str(value) for key, value in (data.get("choices") or {}).items()}
        return cls(**texts, **lists, layout=str(data.get("layout") or "long"), choices=choices)

    def to_json(self) -> dict[str, Any]:
        """The mapping as JSON values."""
        data = {name: list(each) if isinstance(each, tuple) else each for name, each in asdict(self).items()}
        return {**data, "choices": dict(self.choices)}


@dataclass(frozen=True, slots=True)
class Sample:
    """One series thinned for a plot: ``ds`` as ISO text (or integers), ``y`` with None for missing."""

    series_id: str
    ds: tuple[str | int, ...]
    y: tuple[float | None, ...]
    points: int


@dataclass(frozen=True, slots=True)
class Table:
    """Size and shape of the long table that was read. ``past`` columns are not known ahead; ``known_at``: the file says
    since when each row was known; ``utc``: its times are in UTC, not as the customer's clocks show them."""

    rows: int
    series_count: int
    first_ds: str
    last_ds: str
    frequency: str | None
    season_length: int | None
    gap_rule: str
    missing_steps: int
    covariates: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    known_at: bool = False
    utc: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """All that one pass over a file found out.

    ``state``: ``readable``, ``needs_choice`` (questions are open) or ``refused`` (problems). ``table`` is set
    only when readable. ``said`` are sentences on how the file was read. ``faults`` are the first cells that were no number,
    as the doctor wants to know them again (``build.FAULT_SCHEMA``).
    """

    state: str
    mapping: ColumnMapping | None = None
    columns: tuple[Column, ...] = ()
    preview: tuple[tuple[str, ...], ...] = ()
    problems: tuple[Problem, ...] = ()
    questions: tuple[Question, ...] = ()
    said: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    samples: tuple[Sample, ...] = ()
    table: Table | None = None
    file_rows: int = 0
    faults: tuple[Mapping[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The reading as JSON values (lists, dicts, text, numbers)."""
        data = asdict(self)
        data["mapping"] = self.mapping.to_json() if self.mapping else None
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reading:
        """The reading that ``to_json`` wrote, after a trip through JSON."""
        return cls(
            state=data["state"],
            mapping=ColumnMapping.from_json(data["mapping"]) if data["mapping"] else None,
            columns=tuple(Column(**_tupled(item)) for item in data["columns"]),
            preview=tuple(tuple(row) for row in data["preview"]),
            problems=tuple(Problem(**_tupled(item)) for item in data["problems"]),
            questions=tuple(_question(item) for item in data["questions"]),
            said=tuple(data["said"]),
            findings=tuple(Finding.from_json(item) for item in data["findings"]),
            samples=tuple(Sample(**_tupled(item)) for item in data["samples"]),
            table=Table(**_tupled(data["table"])) if data["table"] else None,
            file_rows=data["file_rows"],
            faults=tuple(data.get("faults") or ()),
        )


class Unreadable(Exception):
    """Ends a reading early with what has to be told."""

    def __init__(self, problems: tuple[Problem, ...] = (), questions: tuple[Question, ...] = ()) -> None:
        super().__init__(
            "; ".join([*(item.message for item in problems), *(item.message for item in questions)])
        )
        self.problems = problems
        self.questions = questions


def refuse(code: str, message: str, fix: str, **where: Any) -> Unreadable:
    """An ``Unreadable`` with one problem, ready to be raised."""
    return Unreadable(problems=(Problem(code=code, message=message, fix=fix, **where),))


def _tupled(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in item.items()}


def _question(item: Mapping[str, Any]) -> Question:
    options = tuple(Option(**option) for option in item["options"])
    return Question(**{**_tupled(item), "options": options})
