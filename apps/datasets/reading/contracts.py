"""What a reading says: plain frozen records that travel as JSON from the child to the web process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

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

    ``series`` may name several columns (joined with `` / ``) or none (the file is one series). ``choices``
    holds ``encoding``, ``delimiter`` and ``format:<column>``.
    """

    time: str
    value: str
    series: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    choices: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ColumnMapping:
        """The mapping that ``to_json`` wrote."""
        return cls(
            time=str(data.get("time") or ""),
            value=str(data.get("value") or ""),
            series=tuple(str(name) for name in data.get("series") or ()),
            covariates=tuple(str(name) for name in data.get("covariates") or ()),
            choices={str(key): str(value) for key, value in (data.get("choices") or {}).items()},
        )

    def to_json(self) -> dict[str, Any]:
        """The mapping as JSON values."""
        return {
            **asdict(self),
            "series": list(self.series),
            "covariates": list(self.covariates),
            "choices": dict(self.choices),
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the data that the user should know; nothing is repaired because of it.

    ``severity``: ``info``; ``warning`` (the forecast suffers); ``error`` (cannot be trained as it is).
    ``series`` and ``rows`` name the first few of ``series_count`` and ``count``.
    """

    code: str
    severity: str
    title: str
    detail: str
    fix: str
    series: tuple[str, ...] = ()
    series_count: int = 0
    rows: tuple[int, ...] = ()
    count: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """One series thinned for a plot: ``ds`` as ISO text (or integers), ``y`` with None for missing."""

    series_id: str
    ds: tuple[str | int, ...]
    y: tuple[float | None, ...]
    points: int


@dataclass(frozen=True, slots=True)
class Table:
    """Size and shape of the long table that was read."""

    rows: int
    series_count: int
    first_ds: str
    last_ds: str
    frequency: str | None
    season_length: int | None
    gap_rule: str
    missing_steps: int
    covariates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """All that one pass over a file found out.

    ``state``: ``readable``, ``needs_choice`` (questions are open) or ``refused`` (problems). ``table`` is set
    only when readable. ``said`` are sentences on how the file was read.
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
            findings=tuple(Finding(**_tupled(item)) for item in data["findings"]),
            samples=tuple(Sample(**_tupled(item)) for item in data["samples"]),
            table=Table(**_tupled(data["table"])) if data["table"] else None,
            file_rows=data["file_rows"],
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
