"""The publish gate decides from evidence alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from apps.registry import gate
from apps.registry.gate import Coverage, Evidence, Sanity, Skill

GOOD = Evidence(
    skill=Skill(units=40, windows=4, error=0.8, naive_error=1.0, skill=0.2, low=0.1, high=0.3),
    coverage=(Coverage(80, 0.82, 0.76, 0.88), Coverage(95, 0.94, 0.9, 0.97)),
    sanity=Sanity(series=10),
)


def failing(evidence: Evidence) -> list[str]:
    verdict = gate.decide(evidence)
    assert (verdict.outcome == "refused") == bool(verdict.why)
    return [check.name for check in verdict.checks if not check.passed]


def test_what_is_better_covers_and_is_sane_passes() -> None:
    assert failing(GOOD) == []
    assert gate.decide(GOOD).outcome == "passed"


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"skill": 0.001, "low": -0.099}, []),
        ({"skill": 0.0, "low": -0.05}, ["skill"]),
        ({"skill": -0.01, "low": -0.05}, ["skill"]),
        ({"skill": 0.05, "low": -0.1}, ["certainty"]),
        ({"skill": -0.5, "low": -0.9}, ["skill", "certainty"]),
        ({"low": None}, ["certainty"]),
        ({"skill": None}, ["skill"]),
    ],
)
def test_skill_is_above_0_and_surely_not_far_below(changes: dict[str, Any], failed: list[str]) -> None:
    assert GOOD.skill is not None
    assert failing(replace(GOOD, skill=replace(GOOD.skill, **changes))) == failed


@pytest.mark.parametrize(
    ("band", "holds"),
    [
        (Coverage(80, 0.74, 0.72, 0.76), True),
        (Coverage(80, 0.72, 0.70, 0.75), False),
        (Coverage(80, 0.60, 0.40, 0.81), True),  # so few that chance explains it
        (Coverage(80, 0.94, 0.93, 0.96), True),
        (Coverage(80, 0.97, 0.95, 0.99), False),  # so wide that it says next to nothing
        (Coverage(95, 1.0, 1.0, 1.0), True),
        (Coverage(95, 0.80, None, None), False),
        (Coverage(95, None), True),  # nobody could tell
    ],
)
def test_a_band_holds_what_it_promises(band: Coverage, *, holds: bool) -> None:
    assert failing(replace(GOOD, coverage=(band,))) == ([] if holds else [f"coverage-{band.level}"])


@pytest.mark.parametrize(
    ("found", "failed"),
    [
        (Sanity(1000, not_finite=("a",)), ["finite"]),
        (Sanity(1000, crossed=("a",)), ["ordered"]),
        (Sanity(1000, beyond=tuple("abcdefghij")), []),
        (Sanity(999, beyond=tuple("abcdefghij")), ["reach"]),
        (Sanity(3, beyond=("a",)), ["reach"]),
    ],
)
def test_what_would_be_answered_is_sane(found: Sanity, failed: list[str]) -> None:
    assert failing(replace(GOOD, sanity=found)) == failed


def test_without_a_backtest_nothing_but_the_naive_may_answer() -> None:
    assert failing(replace(GOOD, skill=None)) == ["skill"]
    assert gate.decide(replace(GOOD, skill=None, is_naive=True)).outcome == "baseline"


def test_a_verdict_is_json_that_says_why() -> None:
    assert GOOD.skill is not None
    kept = gate.decide(replace(GOOD, skill=replace(GOOD.skill, skill=-0.2, low=-0.3))).as_json()
    assert json.loads(json.dumps(kept))["evidence"]["skill"]["skill"] == -0.2
    assert kept["why"] == (
        "Its error is 20.0 % above the seasonal naive's on 40 forecasts of 4 windows."
        " With 95 % certainty its error is at worst 30.0 % above the naive's; 10 % above is allowed."
    )
    assert gate.is_refused(kept)
    assert not gate.is_refused({**kept, "override": {"reason": "We know better."}})
    assert not gate.is_refused({}), "versions older than the gate answer on"


def test_new_points_carry_the_verdict_over_but_not_an_insane_answer() -> None:
    kept = gate.decide(GOOD).as_json()
    before = [check for check in kept["checks"] if check["name"] not in gate.SANE]
    same = gate.with_checks(kept, before, gate.sane(Sanity(10)), of="1.0.0")
    assert (same["outcome"], same["carried_over_from"]) == ("passed", "1.0.0")
    overruled = {**kept, "override": {"reason": "We know better."}}
    wild = gate.with_checks(overruled, before, gate.sane(Sanity(10, not_finite=("a",))), of="1.0.0")
    assert gate.is_refused(wild), "what the owner overruled was something else"
