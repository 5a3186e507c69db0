"""The publish gate: whether a version may answer, decided from evidence alone. Reads nothing, changes nothing.

A version passes when, on the rolling backtest, its error is below the seasonal naive's (``skill`` above 0) and it is 95 %
sure to be at most ``TOLERANCE`` worse; when its bands hold what they promise; and when what it would answer today is sane.
Numbers are explained in ADR 0028.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

TOLERANCE: Final = (
    0.10  # of the naive's error: how much worse it may be, at the lower end of the 90 % interval
)
SHORT_OF: Final = 0.07  # a band may hold so much less than it promises, or what chance explains
BEYOND: Final = 0.15  # and so much more, before it says next to nothing
SPANS: Final = 3.0  # how far beyond the history a forecast may lie, in spans of the history
STRAY: Final = 0.01  # the share of series that may lie beyond that
SANE: Final = ("finite", "ordered", "reach")
Outcome = Literal["passed", "refused", "baseline"]


@dataclass(frozen=True, slots=True)
class Skill:
    """``1 - error / naive error`` over ``units`` series and windows, with a 90 % interval; None where it cannot be told."""

    units: int
    windows: int
    error: float | None = None
    naive_error: float | None = None
    skill: float | None = None
    low: float | None = None
    high: float | None = None
    measure: str = "mase"


@dataclass(frozen=True, slots=True)
class Coverage:
    """What share of the backtest a band of ``level`` percent held, with a 95 % interval; None where nobody could tell."""

    level: int
    share: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Sanity:
    """What the version would answer today: series that are not finite, whose quantiles cross, or that lie out of reach."""

    series: int
    not_finite: tuple[str, ...] = ()
    crossed: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the gate goes by. ``is_naive``: the version is the seasonal naive itself, which is what is left to serve."""

    skill: Skill | None
    coverage: tuple[Coverage, ...]
    sanity: Sanity
    is_naive: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One of the gate's questions, and the answer in words."""

    name: str
    passed: bool
    words: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says and why; ``as_json`` is kept on the version."""

    outcome: Outcome
    checks: tuple[Check, ...]
    evidence: Evidence
    why: str = field(default="")

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def decide(evidence: Evidence) -> Verdict:
    """Whether the version may answer."""
    if evidence.is_naive:
        return Verdict("baseline", tuple(sane(evidence.sanity)), evidence)
    checks = (*_better(evidence.skill), *_covers(evidence.coverage), *sane(evidence.sanity))
    failed = [check.words for check in checks if not check.passed]
    return Verdict("refused" if failed else "passed", checks, evidence, " ".join(failed))


def with_checks(
    kept: Mapping[str, Any], before: Iterable[Mapping[str, Any]], sane: Iterable[Check], *, of: str
) -> dict[str, Any]:
    """The verdict ``kept`` of version ``of`` with other checks of sanity, as a version of the same model keeps it."""
    checks = [*before, *map(asdict, sane)]
    failed = [check["words"] for check in checks if not check["passed"]]
    sane_again = all(check["passed"] for check in checks if check["name"] in SANE)
    found = {**kept, "checks": checks, "carried_over_from": of}
    if kept["outcome"] == "baseline":
        return found
    if not sane_again:
        found.pop("override", None)  # what the owner overruled was something else
    return {**found, "outcome": "refused" if failed else "passed", "why": " ".join(failed)}


def is_refused(kept: Mapping[str, Any]) -> bool:
    """Whether the version with this verdict may not answer; an owner may have overruled that, and earlier ones have none."""
    return kept.get("outcome") == "refused" and not kept.get("override")


def _better(skill: Skill | None) -> Iterable[Check]:
    if skill is None or skill.skill is None:
        yield Check(
            "skill", False, "There is no backtest that it could be held against the seasonal naive by."
        )
        return
    said = f"Its error is {_against(skill.skill)} the seasonal naive's on {_counted(skill)}"
    yield Check("skill", skill.skill > 0, f"{said}.")
    if skill.low is None:
        yield Check("certainty", False, f"{_counted(skill).capitalize()} cannot tell chance from skill.")
        return
    sure = f"With 95 % certainty its error is at worst {_against(skill.low)} the naive's"
    yield Check("certainty", skill.low > -TOLERANCE, f"{sure}; {100 * TOLERANCE:.0f} % above is allowed.")


def _covers(bands: Iterable[Coverage]) -> Iterable[Check]:
    for band in bands:
        name = f"coverage-{band.level}"
        if band.share is None:
            yield Check(name, True, f"Nobody could tell how often the {band.level} % band holds.")
            continue
        words = f"The {band.level} % band held {100 * band.share:.0f} % of the backtest."
        yield Check(name, _holds(band, band.share), words)


def _holds(band: Coverage, share: float) -> bool:
    promised = band.level / 100
    by_chance = band.low is not None and band.high is not None and band.low <= promised <= band.high
    return by_chance or -SHORT_OF <= share - promised <= BEYOND


def sane(found: Sanity) -> Iterable[Check]:
    """Whether what would be answered now can be meant; the checks of ``SANE``."""
    yield _none("finite", found.not_finite, "forecasts that are no numbers", "Every forecast is a number.")
    yield _none("ordered", found.crossed, "quantiles that cross", "The quantiles are in order.")
    stray = len(found.beyond) > STRAY * found.series
    reach = f"further than {SPANS:.0f} spans of their history beyond it"
    words = f"{len(found.beyond)} of {found.series} series are forecast {reach}"
    examples = f": {', '.join(found.beyond[:3])}" if found.beyond else ""
    yield Check("reach", not stray, f"{words}{examples}.")


def _none(name: str, series: tuple[str, ...], what: str, good: str) -> Check:
    words = f"{len(series)} series have {what}: {', '.join(series[:3])}." if series else good
    return Check(name, not series, words)


def _counted(skill: Skill) -> str:
    return f"{skill.units} forecast{'s' if skill.units != 1 else ''} of {skill.windows} window{'s' if skill.windows != 1 else ''}"


def _against(skill: float) -> str:
    return f"{100 * abs(skill):.1f} % {'below' if skill > 0 else 'above'}"
