"""What the doctor says: plain frozen records that travel as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Fix:
    """One way to deal with a finding: ``name`` as a recipe's step names it, a sentence on what it does, its parameters."""

    name: str
    label: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Example:
    """A stretch of one series around a finding, and how the proposed fix would change it.

    ``after`` is () where no fix is proposed; ``marked`` are positions in ``ds``.
    """

    series_id: str
    ds: tuple[str | int, ...]
    before: tuple[float | None, ...]
    after: tuple[float | None, ...] = ()
    marked: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """Everything of one kind that the doctor found, over all series.

    ``severity``: ``info``; ``warning`` (the forecast suffers); ``error`` (no training until it is dealt with). ``detail``
    says what and where, ``effect`` what it does to the forecast, ``fix`` what we propose, in words; ``fixes`` are the
    steps that a recipe can take, the proposed one first (none where only the customer's own correction helps).
    ``series`` and ``rows`` name the first few of ``series_count`` and ``count``; ``column`` is set where it is not the value.
    """

    code: str
    severity: str
    title: str
    detail: str
    fix: str
    effect: str = ""
    fixes: tuple[Fix, ...] = ()
    series: tuple[str, ...] = ()
    series_count: int = 0
    rows: tuple[int, ...] = ()
    count: int = 0
    column: str | None = None
    examples: tuple[Example, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Finding:
        """The finding that ``dataclasses.asdict`` wrote, after a trip through JSON."""
        fixes = tuple(Fix(**item) for item in data.get("fixes") or ())
        examples = tuple(Example(**_tupled(item)) for item in data.get("examples") or ())
        return cls(**{**_tupled(data), "fixes": fixes, "examples": examples})


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a recipe: how findings of ``code`` are dealt with.

    ``series`` None means all; ``at`` narrows it to these times (ISO texts, or integers) of the named series.
    """

    code: str
    fix: str
    params: Mapping[str, Any] = field(default_factory=dict)
    series: tuple[str, ...] | None = None
    at: tuple[str | int, ...] | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Step:
        """The step that ``to_json`` wrote."""
        return cls(
            code=str(data["code"]),
            fix=str(data["fix"]),
            params=dict(data.get("params") or {}),
            series=None if data.get("series") is None else tuple(data["series"]),
            at=None if data.get("at") is None else tuple(data["at"]),
        )

    def to_json(self) -> dict[str, Any]:
        """The step as JSON values."""
        return {
            "code": self.code,
            "fix": self.fix,
            "params": dict(self.params),
            "series": None if self.series is None else list(self.series),
            "at": None if self.at is None else list(self.at),
        }


def _tupled(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in item.items()}
