"""Expectations and their results: plain frozen records that travel as JSON, and the reading of what a customer stated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any, Final

from apps.datasets.expectations.kinds import KINDS, SERIES, VALUE, Kind

MAX_EXPECTATIONS: Final = 50
MAX_NAME: Final = 80
SEVERITIES: Final = ("block", "warn")
COMMON: Final = ("name", "kind", "severity")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in the statement that cannot be meant: where (a JSON pointer) and what is allowed."""

    pointer: str
    detail: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """One test of a data set. ``params`` has every parameter of the kind, the defaults filled in.

    ``column`` is ``y``, a covariate, a static column, or ``unique_id``; "" where the kind looks at none. ``severity``:
    ``block`` refuses a version that fails, ``warn`` keeps the result with it.
    """

    name: str
    kind: str
    column: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    severity: str = "block"


@dataclass(frozen=True, slots=True)
class Failing:
    """One place that fails: line of the file, series, time and value, each None where it has none."""

    row: int | None = None
    series: str | None = None
    ds: str | int | None = None
    value: str | float | int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """How a test went: ``failing`` of ``checked`` places (values, series, or the whole: 1), the first 20 of them, and a
    sentence. ``measured`` is false where the test could not be made, which counts as failed."""

    name: str
    kind: str
    column: str
    severity: str
    passed: bool
    message: str
    failing: int = 0
    checked: int = 0
    measured: bool = True
    examples: tuple[Failing, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Result:
        """The result that ``to_json`` wrote."""
        return cls(**{**data, "examples": tuple(Failing(**each) for each in data.get("examples", ()))})

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return {**asdict(self), "examples": [asdict(each) for each in self.examples]}


@dataclass(frozen=True, slots=True)
class Summary:
    """What of a version the next one is compared with. ``totals``: the sum of each value column, where it is known."""

    rows: int
    series_count: int
    totals: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Summary:
        """The summary that ``to_json`` wrote."""
        return cls(int(data["rows"]), int(data["series_count"]), dict(data.get("totals") or {}))

    def to_json(self) -> dict[str, Any]:
        """The summary as JSON values."""
        return {"rows": self.rows, "series_count": self.series_count, "totals": dict(self.totals)}


def faults(stated: Any) -> list[Fault]:
    """What is wrong with the list that a customer stated, all of it; [] where nothing is."""
    if not isinstance(stated, list):
        return [Fault("", "Expectations are a list of objects.")]
    if len(stated) > MAX_EXPECTATIONS:
        return [
            Fault(
                "", f"A data set may have at most {MAX_EXPECTATIONS} expectations; these are {len(stated)}."
            )
        ]
    found = [fault for position, each in enumerate(stated) for fault in _faults_of(each, f"/{position}")]
    return [*found, *_names_twice(stated)]


def parse(stated: Any) -> tuple[Expectation, ...]:
    """The expectations of a list without faults; raises ``ValueError`` with the first fault otherwise."""
    if wrong := faults(stated):
        raise ValueError(f"{wrong[0].pointer}: {wrong[0].detail}")
    return tuple(_made(each) for each in stated)


def age_of(text: str) -> timedelta:
    """``age_of("36 hours")``."""
    count, _, unit = text.partition(" ")
    return timedelta(**{unit if unit.endswith("s") else f"{unit}s": int(count)})


def _made(stated: Mapping[str, Any]) -> Expectation:
    kind = KINDS[stated["kind"]]
    params = {name: stated.get(name, param.default) for name, param in kind.params.items()}
    column = stated.get("column", kind.column)
    return Expectation(stated["name"], stated["kind"], column, params, stated.get("severity", "block"))


def _faults_of(stated: Any, at: str) -> Iterator[Fault]:
    if not isinstance(stated, dict):
        yield Fault(at, "An expectation is an object with name, kind and what the kind needs.")
        return
    name = stated.get("name")
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= MAX_NAME or not name.isprintable():
        yield Fault(f"{at}/name", f"Give each expectation a name of 1 to {MAX_NAME} characters.")
    if stated.get("severity", "block") not in SEVERITIES:
        yield Fault(f"{at}/severity", "The severity is block (the version is refused) or warn (it is noted).")
    kind = KINDS.get(stated["kind"]) if isinstance(stated.get("kind"), str) else None
    if kind is None:
        yield Fault(f"{at}/kind", f"The kind is one of {', '.join(KINDS)}.")
        return
    yield from _faults_of_members(stated, kind, at)


def _faults_of_members(stated: Mapping[str, Any], kind: Kind, at: str) -> Iterator[Fault]:
    known = [*COMMON, *(["column"] if kind.column else []), *kind.params]
    for member in stated:
        if member not in known:
            shown = member[:40].replace("~", "~0").replace("/", "~1")
            yield Fault(f"{at}/{shown}", f"{stated['kind']} has no such member; it has {', '.join(known)}.")
    column = stated.get("column", kind.column)
    if kind.column and not (isinstance(column, str) and 1 <= len(column) <= 200):
        yield Fault(f"{at}/column", f"The column is a name: {VALUE}, {SERIES}, or one of your own columns.")
    wrong = [
        Fault(f"{at}/{member}", f"{member} must be {param.allowed}.")
        for member, param in kind.params.items()
        if stated.get(member) is not None and not param.accepts(stated[member])
    ]
    yield from wrong
    if not wrong:
        yield from (Fault(f"{at}/{member}", detail) for member, detail in kind.together(stated))


def _names_twice(stated: list[Any]) -> Iterator[Fault]:
    seen: set[str] = set()
    for position, each in enumerate(stated):
        name = each.get("name") if isinstance(each, dict) else None
        if isinstance(name, str) and name in seen:
            yield Fault(f"/{position}/name", f"Another expectation is called {name[:MAX_NAME]!r} too.")
        elif isinstance(name, str):
            seen.add(name)
