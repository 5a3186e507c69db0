"""Semantic versions: what follows what."""

from __future__ import annotations

import pytest

from apps.registry import numbering


@pytest.mark.parametrize(
    "text", ["", "1", "1.2", "1.2.3.4", "v1.2.3", "1.02.3", "1.2.3 ", "a.b.c", "-1.0.0", "1.0.9999999999"]
)
def test_what_is_no_version_is_none(text: str) -> None:
    assert numbering.parse(text) is None


def test_versions_are_ordered_as_numbers() -> None:
    assert numbering.parse("1.10.0") > numbering.parse("1.9.9")  # type: ignore[operator]


@pytest.mark.parametrize(
    ("given", "before", "breaks", "refreshes", "expected"),
    [
        ([], None, False, False, "1.0.0"),
        (["1.0.0"], None, False, False, "2.0.0"),  # the only version was deleted
        (["1.0.0"], "1.0.0", False, False, "1.1.0"),
        (["1.0.0"], "1.0.0", False, True, "1.0.1"),
        (["1.0.0"], "1.0.0", True, True, "2.0.0"),
        (["1.0.0", "1.1.0", "1.2.0"], "1.1.0", False, True, "1.1.1"),
        (["1.0.0", "1.1.0", "1.1.1"], "1.1.0", False, True, "1.1.2"),  # 1.1.1 may be deleted by now
        (["1.0.0", "1.9.0"], "1.0.0", False, False, "1.10.0"),
        (["2.0.0", "1.0.0"], "1.0.0", True, False, "3.0.0"),
    ],
)
def test_what_follows(
    given: list[str], before: str | None, *, breaks: bool, refreshes: bool, expected: str
) -> None:
    assert numbering.following(given, before, breaks=breaks, refreshes=refreshes) == expected


def test_what_only_one_schema_knows_is_no_difference() -> None:
    before = {"horizon": 6, "levels": [80], "frequency": "MS"}
    assert numbering.differs(before, {**before, "covariates": ["price"]}) == []
    assert numbering.differs(before, {**before, "horizon": 7, "levels": [95]}) == ["horizon", "levels"]
