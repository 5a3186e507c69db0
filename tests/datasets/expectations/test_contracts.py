"""Reading what a customer expects of a data set."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from apps.datasets.expectations import Expectation, Result, faults, parse
from apps.datasets.expectations.contracts import Failing, Summary, age_of
from apps.datasets.expectations.kinds import KINDS

MINIMAL: dict[str, dict[str, Any]] = {
    "range": {"min": 0},
    "not_null": {},
    "freshness": {"steps": 2},
    "completeness": {"min_share": 0.9},
    "unique": {},
    "allowed": {"values": ["a"]},
    "row_count": {"min": 1},
    "series_count": {"max": 10},
    "monotonic": {},
    "change": {"max_change": 0.5},
    "pattern": {"regex": "store-\\d+"},
}


def one(kind: str, **members: Any) -> list[dict[str, Any]]:
    return [{"name": "it", "kind": kind, **members}]


def found(stated: Any) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.detail) for fault in faults(stated)]


def test_every_kind_has_an_example_here() -> None:
    assert set(MINIMAL) == set(KINDS)


@pytest.mark.parametrize("kind", MINIMAL)
def test_the_least_that_a_kind_needs_is_enough_and_the_rest_has_defaults(kind: str) -> None:
    (parsed,) = parse(one(kind, **MINIMAL[kind]))
    assert (parsed.kind, parsed.severity, parsed.column) == (kind, "block", KINDS[kind].column)
    assert set(parsed.params) == set(KINDS[kind].params)


def test_what_is_stated_wins_over_the_defaults() -> None:
    stated = one("range", column="price", min=1, max=5, inclusive=False, severity="warn")
    assert parse(stated) == (
        Expectation("it", "range", "price", {"min": 1, "max": 5, "inclusive": False}, "warn"),
    )


def test_a_data_set_that_expects_nothing_has_an_empty_list() -> None:
    assert (faults([]), parse([])) == ([], ())


@pytest.mark.parametrize(
    ("stated", "pointer", "detail"),
    [
        ({}, "", "a list of objects"),
        (one("unique") * 51, "", "at most 50"),
        (["unique"], "/0", "is an object"),
        ([{"kind": "unique"}], "/0/name", "1 to 80 characters"),
        ([{"name": " ", "kind": "unique"}], "/0/name", "1 to 80 characters"),
        ([{"name": "a\0", "kind": "unique"}], "/0/name", "1 to 80 characters"),
        ([{"name": "a"}], "/0/kind", "range, not_null, freshness"),
        ([{"name": "a", "kind": ["range"]}], "/0/kind", "range, not_null, freshness"),
        (one("unique", severity="maybe"), "/0/severity", "block (the version is refused) or warn"),
        (one("unique", severity=None), "/0/severity", "block (the version is refused) or warn"),
        (one("unique", column="y"), "/0/column", "it has name, kind, severity"),
        (one("range", min=0, **{"a/b~": 1}), "/0/a~1b~0", "no such member"),
        (one("range", min=0, column=""), "/0/column", "The column is a name"),
        (one("range", min=0, column=7), "/0/column", "The column is a name"),
        (one("range"), "/0/min", "min or max"),
        (one("range", min="0"), "/0/min", "min must be a number"),
        (one("range", min=True), "/0/min", "min must be a number"),
        (one("range", max=float("inf")), "/0/max", "max must be a number"),
        (one("range", min=2, max=1), "/0/max", "must not be below min, which is 2"),
        (one("range", min=2, inclusive="no"), "/0/inclusive", "true or false"),
        (one("not_null", max_share=1.1), "/0/max_share", "a share from 0 to 1"),
        (one("freshness"), "/0/steps", "either steps or age"),
        (one("freshness", steps=1, age="1 day"), "/0/steps", "either steps or age"),
        (one("freshness", steps=1.5), "/0/steps", "a whole number"),
        (one("freshness", age="P1D"), "/0/age", "such as '36 hours'"),
        (one("freshness", age="0 days"), "/0/age", "such as '36 hours'"),
        (one("freshness", steps=1, per="store"), "/0/per", "series or dataset"),
        (one("completeness"), "/0/min_share", "required"),
        (one("allowed", values=[]), "/0/values", "a list of 1 to 1000"),
        (one("allowed", values=["a", 1]), "/0/values", "a list of 1 to 1000"),
        (one("allowed", values=["a"] * 1001), "/0/values", "a list of 1 to 1000"),
        (one("row_count"), "/0/min", "min or max"),
        (one("row_count", min=-1), "/0/min", "a whole number from 0"),
        (one("series_count", min=3, max=2), "/0/max", "must not be below min"),
        (one("monotonic", direction="up"), "/0/direction", "increasing or decreasing"),
        (one("change", max_change=-0.1), "/0/max_change", "a number from 0"),
        (one("change", max_change=1, of="mean"), "/0/of", "total or rows or series"),
        (one("pattern", regex="("), "/0/regex", "a regular expression"),
        (one("pattern", regex="x" * 201), "/0/regex", "at most 200 characters"),
        (one("pattern", regex="(?=a)"), "/0/regex", "without look-around"),
        (one("pattern", regex="(?<!a)b"), "/0/regex", "without look-around"),
        (one("pattern", regex=r"(a)\1"), "/0/regex", "back-references"),
        (one("pattern", regex="(?P<x>a)(?P=x)"), "/0/regex", "back-references"),
    ],
)
def test_what_cannot_be_meant_is_pointed_at_and_told_what_is_allowed(
    stated: Any, pointer: str, detail: str
) -> None:
    (fault,) = found(stated)
    assert fault[0] == pointer
    assert detail in fault[1]
    with pytest.raises(ValueError, match=re.escape(fault[1])):
        parse(stated)


def test_all_faults_are_told_at_once() -> None:
    stated = [{"name": "", "kind": "range"}, {"name": "b", "kind": "no"}, *one("row_count", min=-1, max="x")]
    assert [pointer for pointer, _ in found(stated)] == ["/0/name", "/0/min", "/1/kind", "/2/min", "/2/max"]


def test_two_of_one_name_are_told_apart_by_nobody() -> None:
    assert found(one("unique") * 2) == [("/1/name", "Another expectation is called 'it' too.")]


def test_named_groups_are_no_back_references() -> None:
    assert found(one("pattern", regex="(?P<chain>[a-z]+)-(?:[0-9]+)")) == []


def test_an_age_is_words() -> None:
    assert age_of("36 hours") == timedelta(hours=36)
    assert age_of("1 week") == timedelta(weeks=1)


def test_results_and_summaries_travel_as_json() -> None:
    example = Failing(7, "a", "2024-01-05", 1.5)
    result = Result("it", "range", "y", "warn", False, "…", 1, 40, True, (example,))
    assert Result.from_json(result.to_json()) == result
    summary = Summary(40, 2, {"y": 1.5})
    assert Summary.from_json(summary.to_json()) == summary
    assert Summary.from_json({"rows": 40, "series_count": 2}) == Summary(40, 2)


def test_what_the_web_process_imports_is_light() -> None:
    code = (
        "import sys, apps.datasets.expectations, apps.datasets.expectations.tasks;"
        "print(sorted({'polars', 'pandera', 'pandas', 'numpy', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
