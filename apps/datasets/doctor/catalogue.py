"""Every kind of finding: what it means, what it does to a forecast, and which steps of a recipe deal with it.

Imports nothing heavy: the web process checks and describes recipes with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from apps.datasets.doctor.contracts import Finding, Fix, Step

GAP_RULES: Final = {
    "season": "the value one season earlier (the last one where there is none)",
    "previous": "the last value before",
    "zero": "zero: no row means that nothing was sold",
}
_FILL: Final = tuple(Fix(name, f"Fill with {words}") for name, words in GAP_RULES.items())
_MISSING: Final = Fix("as_missing", "Treat these values as missing")
_EXCLUDE: Final = Fix("exclude", "Leave these series out")


@dataclass(frozen=True, slots=True)
class Kind:
    """``effect``: what it does to the forecast; ``advice``: what we propose, in words; ``fixes``: the proposed one first."""

    title: str
    severity: str
    effect: str
    advice: str
    fixes: tuple[Fix, ...] = ()


KINDS: Final[Mapping[str, Kind]] = {
    "no_frequency": Kind(
        "The frequency cannot be told",
        "error",
        "Nothing can be trained: no series has three values at regular times.",
        "Upload a longer history.",
    ),
    "mixed_frequency": Kind(
        "Some series have another frequency",
        "error",
        "On the grid of the others most of their steps would be missing, or have no place.",
        "Leave them out, or make a data set of their own for each frequency.",
        (_EXCLUDE,),
    ),
    "irregular": Kind(
        "Some times lie off the regular grid",
        "error",
        "A model needs one value at each step; these have no step.",
        "Move times that are a little off to their step, or sum up to whole steps.",
        (
            Fix("snap", "Move each time to its nearest step"),
            Fix("sum", "Sum all values up within each step"),
            Fix("mean", "Take the mean of all values within each step"),
            Fix("drop", "Leave these rows out"),
        ),
    ),
    "far_dates": Kind(
        "Some dates are far away from all others",
        "error",
        "The time between, decades for a date such as 1970-01-01, would be one long gap, filled with values that never were.",
        "Correct these dates, or leave the rows out.",
        (Fix("drop", "Leave these rows out"),),
    ),
    "swapped_dates": Kind(
        "Day and month look swapped",
        "error",
        "The value stands at a wrong time, and its own time is empty.",
        "Swap them back.",
        (Fix("swap", "Swap day and month of these rows"), Fix("drop", "Leave these rows out")),
    ),
    "dst_doubling": Kind(
        "Clock changes double or skip hours",
        "error",
        "Once a year an hour comes twice and another is missing, and every hour after it is shifted.",
        "Read the times in their time zone; they are then kept in UTC.",
        (
            Fix("localize", "Read the times in this time zone and keep them in UTC", {"zone": ""}),
            Fix("mean", "Take the mean of the two hours"),
            Fix("keep_last", "Keep the second hour"),
        ),
    ),
    "duplicate_rows": Kind(
        "Some rows stand there twice",
        "warning",
        "None, as they say the same: one of them counts.",
        "Keep one of them.",
        (Fix("keep_last", "Keep one of the rows"),),
    ),
    "conflicting_rows": Kind(
        "One series has two values for one time",
        "error",
        "Nobody knows which value is true, or whether they add up.",
        "Say which one counts, or whether they are parts of one value.",
        (
            Fix("keep_last", "Keep the row that comes last in the file"),
            Fix("keep_first", "Keep the row that comes first in the file"),
            Fix("sum", "Add them up"),
            Fix("mean", "Take their mean"),
            Fix("max", "Take the largest"),
        ),
    ),
    "wrong_type": Kind(
        "Some cells are no numbers",
        "error",
        "They have no value that could be learnt from.",
        "Correct the cells, or treat them as missing.",
        (_MISSING,),
    ),
    "non_finite": Kind(
        "Some values are not finite",
        "error",
        "They have no value that could be learnt from.",
        "Correct the cells, or treat them as missing.",
        (_MISSING,),
    ),
    "gaps": Kind(
        "Some series have gaps",
        "warning",
        "Missing steps are filled for training, which flattens what was there.",
        "Choose how missing steps are filled; the stored data keeps its gaps.",
        _FILL,
    ),
    "missing_values": Kind(
        "Some values are missing",
        "warning",
        "They are filled for training like gaps.",
        "Choose how they are filled.",
        _FILL,
    ),
    "no_values": Kind(
        "Some series have no value at all",
        "warning",
        "They are left out of training and get no forecast of their own.",
        "Leave them out, or fill in their values.",
        (_EXCLUDE,),
    ),
    "sentinel": Kind(
        "Some values look like a code for “missing”",
        "warning",
        "Taken as values, they pull level and bands far off.",
        "Treat them as missing.",
        (_MISSING,),
    ),
    "unit_change": Kind(
        "The unit seems to change",
        "warning",
        "A stretch that is a hundred or a thousand times larger or smaller drowns all others.",
        "Bring the stretch to the unit of the rest.",
        (Fix("rescale", "Multiply the stretch back to the level of the rest"), _MISSING),
    ),
    "outliers": Kind(
        "Some values stand far out",
        "warning",
        "One wrong value moves the forecast, and widens its bands.",
        "Look at them: mistakes are best treated as missing, real peaks left as they are.",
        (
            _MISSING,
            Fix("median", "Replace by the median of the values before"),
            Fix("clip", "Bring to the edge of what is usual"),
        ),
    ),
    "level_shift": Kind(
        "The level changes at once",
        "warning",
        "What was learnt before the change may not hold after it.",
        "If the change stays, learn only from what comes after it.",
        (Fix("cut_before", "Use only what comes after the change"),),
    ),
    "negative": Kind(
        "Some values are negative where others are not",
        "warning",
        "Forecasts may go below zero, and errors in percent lose their meaning.",
        "Corrections and returns are best kept apart; a wrong sign is best turned.",
        (
            _MISSING,
            Fix("zero", "Set them to zero"),
            Fix("absolute", "Take them without their sign"),
        ),
    ),
    "repeated_stretch": Kind(
        "A stretch looks copied",
        "warning",
        "A model learns a repetition that never was.",
        "Treat the copy as missing, or correct it.",
        (_MISSING,),
    ),
    "constant": Kind(
        "Some series never change",
        "warning",
        "Their forecast is that value, with no band worth the name.",
        "Check that the right column was taken.",
        (_EXCLUDE,),
    ),
    "all_zero": Kind(
        "Some series are zero throughout",
        "warning",
        "Their forecast is zero.",
        "Check that the right column was taken, or leave them out.",
        (_EXCLUDE,),
    ),
    "intermittent": Kind(
        "Some series are often zero",
        "info",
        "Single points cannot be foreseen, their mean can.",
        "Nothing to do.",
    ),
    "too_short": Kind(
        "Some series are short",
        "warning",
        "There is little to learn from: expect wide bands.",
        "Upload a longer history, or leave them out.",
        (_EXCLUDE,),
    ),
    "stopped_early": Kind(
        "Some series end earlier than the others",
        "warning",
        "They are forecast from their own end, which lies in the past.",
        "Leave out series that are discontinued.",
        (_EXCLUDE,),
    ),
    "future_dates": Kind(
        "Some values lie in the future",
        "warning",
        "What has not happened cannot have been measured: plans or wrong dates would be learnt as facts.",
        "Leave these rows out, or correct their dates.",
        (Fix("drop", "Leave out values after today"),),
    ),
    "future_rows": Kind(
        "Rows after the last value",
        "info",
        "Their other columns are used as what is known about the future.",
        "Nothing to do.",
    ),
    "missing_covariate": Kind(
        "An explaining column has empty cells",
        "warning",
        "For training each takes the series' last known value.",
        "Fill them in where they are known.",
        (Fix("carry_last", "Take the last known value"),),
    ),
    "covariate_missing_future": Kind(
        "An explaining column is not known ahead",
        "info",
        "A forecast needs its values for the steps ahead; without them the last known value is taken.",
        "Upload rows for the coming steps with that column, or name it as known only up to now.",
        (
            Fix("carry_last", "Take the last known value"),
            Fix("drop_column", "Do not use the column"),
        ),
    ),
    "covariate_leak": Kind(
        "An explaining column gives the value away",
        "warning",
        "In tests the model looks perfect, and in use it fails: the column is not known before the value is.",
        "Do not use the column.",
        (Fix("drop_column", "Do not use the column"),),
    ),
}


# What is too short for any candidate is forecast by the seasonal naive, and says so.
NOT_BLOCKING: Final = frozenset({"too_short"})


INTRODUCTION: Final = (
    "# Findings",
    "",
    "What the data doctor looks for, in every series. An `error` keeps the data from being trained on until it is dealt with; a",
    "`warning` costs accuracy; an `info` is good to know. The first fix is the proposed one. Stored points never change: fixes",
    "are steps of a recipe, applied when the points are read. This page is written by",
    "`python -m apps.datasets.doctor.catalogue > docs/findings.md`.",
    "",
)


def gap_rules() -> tuple[str, ...]:
    """How missing steps can be filled."""
    return tuple(GAP_RULES)


def check(step: Step) -> str:
    """What is wrong with a step of a recipe; "" where it can be taken."""
    kind = KINDS.get(step.code)
    if kind is None:
        return f"There is no finding {step.code[:40]!r}."
    names = [fix.name for fix in kind.fixes]
    if step.fix not in names:
        known = f"there are {', '.join(names)}" if names else "only the data itself can be corrected"
        return f"{step.fix[:40]!r} is no fix for {step.code}; {known}."
    if step.fix == "localize" and not _is_zone(step.params.get("zone")):
        return "A time zone must be named, such as Europe/Berlin."
    if step.code == "unit_change" and not isinstance(step.params.get("factor", 1), int | float):
        return "The factor must be a number."
    return ""


def describe(step: Step) -> str:
    """The step in words."""
    kind = KINDS[step.code]
    fix = next((each for each in kind.fixes if each.name == step.fix), None)
    words = fix.label if fix else step.fix
    zone = f" ({step.params['zone']})" if step.params.get("zone") else ""
    where = "" if step.series is None else f", in {_listed(step.series)}"
    when = "" if step.at is None else f", at {_listed([str(each) for each in step.at])}"
    return f"{kind.title}: {words[:1].lower()}{words[1:]}{zone}{where}{when}"


def blocking(findings: Iterable[Finding], steps: Iterable[Step]) -> list[Finding]:
    """The findings that keep the data from being trained on, as no step deals with them everywhere."""
    dealt_with = {step.code for step in steps if step.series is None and step.at is None}
    partly: dict[str, set[str]] = {}
    for step in steps:
        if step.series is not None:
            partly.setdefault(step.code, set()).update(step.series)
    return [
        finding
        for finding in findings
        if finding.severity == "error"
        and finding.code not in {*dealt_with, *NOT_BLOCKING}
        and not _covered(finding, partly)
    ]


def finding(code: str, *, detail: str, **fields: Any) -> Finding:
    """A finding of a kind, with what is particular about it."""
    kind = KINDS[code]
    base: dict[str, Any] = {
        "severity": kind.severity,
        "title": kind.title,
        "effect": kind.effect,
        "fix": kind.advice,
        "fixes": kind.fixes,
    }
    return Finding(code=code, detail=detail, **{**base, **fields})


def as_markdown() -> str:
    """All of ``docs/findings.md``."""
    lines = [
        *INTRODUCTION,
        "| Code | | What it means | What it does to the forecast | Fixes |",
        "|---|---|---|---|---|",
    ]
    for code, kind in KINDS.items():
        fixes = (
            "; ".join(f"`{fix.name}`: {fix.label[:1].lower()}{fix.label[1:]}" for fix in kind.fixes)
            or "only in the data"
        )
        lines.append(f"| `{code}` | {kind.severity} | {kind.title}. | {kind.effect} | {fixes} |")
    return "\n".join(lines) + "\n"


def _covered(found: Finding, partly: Mapping[str, set[str]]) -> bool:
    named = partly.get(found.code, set())
    return found.series_count == len(found.series) and set(found.series) <= named


def _is_zone(value: object) -> bool:
    from zoneinfo import available_timezones

    return isinstance(value, str) and value in available_timezones()


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")


if __name__ == "__main__":
    import sys

    sys.stdout.write(as_markdown())
