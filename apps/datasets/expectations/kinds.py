"""The kinds of expectations: which parameters each has, and what may stand in them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

VALUE: Final = "y"
SERIES: Final = "unique_id"
MAX_ALLOWED: Final = 1000
MAX_PATTERN: Final = 200
LARGEST: Final = 10**12
_AGE: Final = re.compile(r"[1-9]\d{0,5} (minute|hour|day|week)s?")
# What the engine that runs the pattern does not have, as it never takes longer than the text is long.
_UNKNOWN_TO_THE_ENGINE: Final = re.compile(r"\(\?(<?[=!]|P?[=>]|\()|\\[1-9]|[*+?}]\+")

Faults = Iterator[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter: what it accepts, that in words, and what stands where it is left out."""

    accepts: Callable[[Any], bool]
    allowed: str
    default: Any = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """``column`` is the default, "" where the kind has none. Of ``any_of`` at least one must be given, of ``one_of``
    exactly one."""

    params: Mapping[str, Param] = field(default_factory=dict)
    column: str = ""
    any_of: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()

    def together(self, stated: Mapping[str, Any]) -> Faults:
        """What is wrong with parameters that are each well-formed: (member, what is allowed)."""
        for name, param in self.params.items():
            if param.required and stated.get(name) is None:
                yield name, f"{name} is required: {param.allowed}."
        given = [name for name in (*self.any_of, *self.one_of) if stated.get(name) is not None]
        if self.any_of and not given:
            yield self.any_of[0], f"Give {' or '.join(self.any_of)}, or both."
        if self.one_of and len(given) != 1:
            yield self.one_of[0], f"Give either {' or '.join(self.one_of)}."
        if {"min", "max"} <= set(given) and stated["min"] > stated["max"]:
            yield "max", f"max must not be below min, which is {stated['min']}."


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_age(value: Any) -> bool:
    return isinstance(value, str) and _AGE.fullmatch(value) is not None


def _is_list(value: Any) -> bool:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_ALLOWED:
        return False
    return all(isinstance(each, str) for each in value) or all(_is_number(each) for each in value)


def _is_pattern(value: Any) -> bool:
    if (
        not isinstance(value, str)
        or not 1 <= len(value) <= MAX_PATTERN
        or _UNKNOWN_TO_THE_ENGINE.search(value)
    ):
        return False
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _choice(*names: str, default: str) -> Param:
    return Param(lambda value: isinstance(value, str) and value in names, " or ".join(names), default)


def _flag(default: bool) -> Param:
    return Param(lambda value: isinstance(value, bool), "true or false", default)


_NUMBER: Final = Param(_is_number, "a number")
_COUNT: Final = Param(_is_count, f"a whole number from 0 to {LARGEST}")
_PER: Final = ("series", "dataset")

KINDS: Final[Mapping[str, Kind]] = {
    "range": Kind({"min": _NUMBER, "max": _NUMBER, "inclusive": _flag(True)}, VALUE, any_of=("min", "max")),
    "not_null": Kind({"max_share": Param(_is_share, "a share from 0 to 1", 0.0)}, VALUE),
    "freshness": Kind(
        {
            "steps": _COUNT,
            "age": Param(_is_age, "a number of minutes, hours, days or weeks, such as '36 hours'"),
            "per": _choice(*_PER, default="dataset"),
        },
        one_of=("steps", "age"),
    ),
    "completeness": Kind(
        {
            "min_share": Param(_is_share, "a share from 0 to 1", required=True),
            "per": _choice(*_PER, default="series"),
        }
    ),
    "unique": Kind(),
    "allowed": Kind(
        {"values": Param(_is_list, f"a list of 1 to {MAX_ALLOWED} texts, or of numbers", required=True)},
        SERIES,
    ),
    "row_count": Kind({"min": _COUNT, "max": _COUNT}, any_of=("min", "max")),
    "series_count": Kind({"min": _COUNT, "max": _COUNT}, any_of=("min", "max")),
    "monotonic": Kind(
        {
            "direction": _choice("increasing", "decreasing", default="increasing"),
            "strict": _flag(False),
        },
        VALUE,
    ),
    "change": Kind(
        {
            "max_change": Param(
                lambda value: _is_number(value) and value >= 0,
                "a number from 0: 0.2 is a change by 20 %",
                required=True,
            ),
            "of": _choice("total", "rows", "series", default="total"),
        },
        VALUE,
    ),
    "pattern": Kind(
        {
            "regex": Param(
                _is_pattern,
                f"a regular expression of at most {MAX_PATTERN} characters, without look-around, back-references, "
                "conditions, atomic groups and possessive repeats",
                required=True,
            )
        },
        SERIES,
    ),
}
